/*
 * path: where a partition lies, as a list of operations that is fast to run.
 *
 * Floor: graph. docs/design.md, "Paths".
 *
 * paths.c makes and runs them; path_clash.c proves that no two nodes share a place.
 */
#ifndef SG_GRAPH_PATH_H
#define SG_GRAPH_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "load.h"

enum sg_path_kind {
    SG_PATH_TEXT,
    SG_PATH_DS,
    SG_PATH_END_DS,
    SG_PATH_YEAR,
    SG_PATH_MONTH,
    SG_PATH_DAY,
    SG_PATH_HOUR,
    SG_PATH_MINUTE,
    SG_PATH_PARTITION,
    SG_PATH_START,
    SG_PATH_END,
    SG_PATH_DONE
};

struct sg_path_op {
    enum sg_path_kind
        kind; /* a list ends with DONE, whose len is the most that the path can have */
    const char *text;
    size_t len;
};

/* The template of one stage while the graph is loaded. */
struct sg_path {
    const struct sg_stage *s;
    struct sg_path_op *ops;
    const char *pattern; /* NULL: something is wrong with the template */
    unsigned parts;      /* names between slashes */
    unsigned line;
    const char *key;
};

/* In patterns: any digit. */
#define SG_PATH_DIGIT '\x01'

/* Writes the path of a partition and a NUL, and gives its end; to has room for sg_path_longest().
 */
char *sg_path_run(const struct sg_path_op *op, const struct sg_calendar *c, int64_t index,
                  char *to);
size_t sg_path_longest(const struct sg_path_op *op);

/* Tells of two nodes with one path, and of a path inside another stage's. */
bool sg_load_check_clashes(struct sg_load *l, const struct sg_path *paths, size_t n);

#endif
