/*
 * fixture_impl: what the fixture's files share: scratch.c (directory, files, the usual graph),
 * program.c (running), procs.c (finding and ending processes), plans.c (JSON), compare.c,
 * transcript.c (whole texts).
 */
#ifndef E2E_FIXTURE_IMPL_H
#define E2E_FIXTURE_IMPL_H

#include "fixture.h"

void *e2e_keep(struct e2e *t, void *memory); /* freed with the test; fails on NULL */

/* Ends every process of the directory but `except`, again and again until none is left or a second
 * has gone by. Safe in a forked child of a single thread. */
void e2e_end_all(const char *dir, pid_t except);
size_t e2e_scan(const char *dir, enum e2e_who who, pid_t *ret, size_t max);

void e2e_watchdog_start(struct e2e *t);
void e2e_watchdog_stop(struct e2e *t);

/* Takes in what programs print, for at most so long or until something happens. */
void e2e_pump(struct e2e *t, int ms);
void e2e_programs_done(struct e2e *t); /* kills what still runs, frees */

int e2e_patience_ms(void);
/* A deadline: so much from now, in ms of the monotonic clock. */
int64_t e2e_patience(void);
bool e2e_is_late(int64_t deadline_ms);
/* It is late, or no program runs any more that could do what is waited for. */
bool e2e_is_hopeless(struct e2e *t, int64_t deadline_ms);

/* To standard error, of any length (cmocka's print_error() cuts at 1 KiB). */
void e2e_tell(const char *fmt, ...) E2E_PRINTF(1, 2);
/* Prints what the running programs have said, and fails the test at the caller's place. */
void e2e_fail_at(struct e2e *t, const char *file, int line, const char *fmt, ...) E2E_PRINTF(4, 5);

#endif
