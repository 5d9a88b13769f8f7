/*
 * attempt_impl: what the two halves of an attempt share (attempt.c prepares, finish.c finishes).
 *
 * Floor: run. Private.
 */
#ifndef STAGEGRAPH_ATTEMPT_IMPL_H
#define STAGEGRAPH_ATTEMPT_IMPL_H

#include <stdarg.h>

#include "stagegraph/attempt.h"

void sg_member_result(struct sg_member *m, enum sg_result result, const char *fmt, ...)
    SG_PRINTF(3, 4);
void sg_member_failed(struct sg_attempt *a, struct sg_member *m, const struct sg_error *err);
/* Its output's path, and its claim: m->claimed, or the result is BUSY. */
bool sg_member_claim(struct sg_attempt *a, struct sg_member *m, struct sg_error *err) SG_MUST;
void sg_member_drop(struct sg_attempt *a, struct sg_member *m);
bool sg_member_remove_marker(struct sg_attempt *a, struct sg_member *m,
                             struct sg_error *err) SG_MUST;
/* The file that this attempt's receipt goes to: the marker, or while the node is not due the
 * partial marker. */
const char *sg_member_marker(const struct sg_attempt *a, const struct sg_member *m);
/* Removes the other of the two, which means nothing beside it. */
bool sg_member_drop_other_marker(struct sg_attempt *a, struct sg_member *m,
                                 struct sg_error *err) SG_MUST;
/* The run's count for a partition of the stage; NULL where there is none. */
atomic_uchar *sg_attempt_gone(const struct sg_attempt *a, int64_t index);

/* What a receipt of this attempt says before there is an output; node has room for its text. */
struct sg_receipt sg_member_receipt(const struct sg_attempt *a, const struct sg_member *m,
                                    enum sg_marker_kind state, char node[SG_NODE_TEXT]);

/* The recipe is in the store, where a receipt of this run doesn't name it already; and one does. */
bool sg_member_write_recipe(struct sg_attempt *a, const struct sg_member *m,
                            struct sg_error *err) SG_MUST;
void sg_member_recipe_named(struct sg_attempt *a, const struct sg_member *m);

/* Before the job: which neighbours are there. After it: are those beside the member, else its
 * result is TRESPASS (trespass.c). */
bool sg_attempt_watch_siblings(struct sg_attempt *a, struct sg_error *err) SG_MUST;
/* Is one of them beside the member? Then so is their parent. */
bool sg_member_has_sibling(const struct sg_attempt *a, const struct sg_member *m);
bool sg_member_check_siblings(struct sg_attempt *a, struct sg_member *m,
                              struct sg_error *err) SG_MUST;

/* Did the run and attempt of this claim write this receipt? Then a dead claim of theirs says
 * nothing but "not yet dropped" (settle.c). */
bool sg_receipt_is_of(const struct sg_receipt *r, enum sg_marker_kind kind,
                      const struct sg_owner *o);

/* Ends the applications on YARN of a dead attempt of `run`, whose claim is to be taken over.
 * *ret_ended: how many were, `names` which. Without a ResourceManager none. (applications.c) */
bool sg_dead_applications(struct sg_yarn *y, const char *nonce, const char *run, size_t *ret_ended,
                          char *names, size_t size, struct sg_error *err) SG_MUST;

/* The job's words, environment and files, from the members that are to run (words.c). */
bool sg_attempt_words(struct sg_attempt *a, struct sg_error *err) SG_MUST;
/* What the job wrote into one of its files: nothing, if it put something else in its place (to open
 * a pipe would wait for a writer for ever). */
bool sg_attempt_read_file(const char *path, struct sg_buf *ret, struct sg_error *err) SG_MUST;
/* The files are not needed any more, and the tree of the job is gone. */
bool sg_attempt_drop_scratch(struct sg_attempt *a, struct sg_error *err) SG_MUST;

#endif
