/*
 * outputs: standard output, standard error and the JSON file, as the options ask for them.
 *
 * Floor: cli.
 */
#ifndef STAGEGRAPH_OUTPUTS_H
#define STAGEGRAPH_OUTPUTS_H

#include <stdbool.h>

#include "stagegraph/error.h"
#include "stagegraph/out.h"

struct sg_cli;

struct sg_outputs {
    struct sg_out standard, error, file;
    struct sg_out *people;  /* the show: standard output, or standard error when JSON takes that */
    struct sg_out *notices; /* standard error; the same as people where both are one terminal */
    struct sg_out *json;    /* NULL: none asked for */
    bool json_to_file, block;
    int fd;     /* of the JSON file, -1 */
    bool *lost; /* of the cli: something could not be written */
};

/* people wait for nobody in a run; with a listing (no run) they wait as long as it takes. */
bool sg_outputs_open(struct sg_cli *cli, struct sg_outputs *ret, struct sg_error *err) SG_MUST;
/* A full disk behind standard output is told on standard error. */
void sg_outputs_close(struct sg_outputs *o);

/* "stagegraph", with -C and -f as they were given: for commands that are shown. */
const char *sg_program_words(struct sg_cli *cli);
const char *sg_resume_words(struct sg_cli *cli);

#endif
