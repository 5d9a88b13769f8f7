/*
 * lab: runs one job on a loop of its own, for the tests of jobs and of measuring.
 *
 * Needs $STAGEGRAPH_SHIM and, for the programs of the lab, $TEST_HELPERS.
 */
#ifndef STAGEGRAPH_TEST_LAB_H
#define STAGEGRAPH_TEST_LAB_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "stagegraph/buf.h"
#include "stagegraph/job.h"
#include "stagegraph/loop.h"

struct lab {
    char dir[64], log[96]; /* scratch; $ESCAPE_LOG of the programs */
    char nonce[33];        /* other drivers run at the same time, and sweep what has theirs */
    struct sg_loop *loop;
    struct sg_job *job;
    struct sg_job_spec spec; /* what a test changes before lab_start */
    struct sg_error err;
    struct sg_buf output;
    bool ended, turned;
    struct sg_job_end end;
    void (*on_output)(struct lab *lab); /* NULL: only collects */
    const char *extra_env;              /* NULL, or one more "NAME=value" */
};

/* False: the shim is not there; the test is to be skipped. */
bool lab_open(struct lab *lab);
void lab_close(struct lab *lab); /* removes the scratch directory */

/* For cmocka: the state of a test is its lab; lab_of() skips the test where there is none. */
int lab_set_up(void **state);
int lab_tear_down(void **state);
struct lab *lab_of(void **state);

/* The program of the lab (or any other, with a slash or found in PATH) and its words. */
void lab_start(struct lab *lab, const char *const *argv);
void lab_wait(struct lab *lab); /* until on_end, or fails the test after 60 s */
void lab_run(struct lab *lab, const char *const *argv);
/* Runs the loop for some time, or until on_end. */
void lab_turn(struct lab *lab, int64_t ms);
/* Runs the loop until the output holds the text and the command's pid is known. */
void lab_wait_for(struct lab *lab, const char *text);

#define LAB_ARGV(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* How many processes the log names, and how many of these are still there (zombies too). */
unsigned lab_noted(const struct lab *lab);
unsigned lab_living(const struct lab *lab);
/* Waits up to 20 s for the last of them; reaps what this process has adopted. */
bool lab_is_empty_soon(const struct lab *lab);
bool lab_is_gone_soon(pid_t pid);
/* The parent of the first process in the log, while it runs; else 0. */
pid_t lab_shim(const struct lab *lab);

#endif
