/*
 * keys: every section, key and variable of the graph file, a row each. All that reads or shows keys
 * (the loader, did-you-mean, check, init, completion, the reference) walks these rows.
 *
 * Floor: graph. docs/reference.md is made from it; section 2 of the contract.
 */
#ifndef STAGEGRAPH_KEYS_H
#define STAGEGRAPH_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sg_section {
    SG_SECTION_GRAPH,
    SG_SECTION_STORE,
    SG_SECTION_YARN,
    SG_SECTION_SOURCE,
    SG_SECTION_STAGE,
    SG_SECTION_PARAM,
    SG_SECTION_POOL,
    SG_SECTION_PROFILE, /* run options; params and stage.key come from the graph itself */
    SG_SECTION_COUNT
};

struct sg_section_row {
    const char *kind; /* "stage" */
    bool named;       /* [stage NAME]; else there is one, [graph] */
    const char *help;
};
const struct sg_section_row *sg_section_row(enum sg_section s);
/* SG_SECTION_COUNT: none of that name. */
enum sg_section sg_section_find(const char *kind);

enum sg_key_type {
    SG_KEY_TEXT,
    SG_KEY_BOOL,     /* yes no true false on off 1 0 */
    SG_KEY_INT,      /* within min and max */
    SG_KEY_DURATION, /* seconds within min and max */
    SG_KEY_SIZE,     /* bytes within min and max */
    SG_KEY_CHOICE,   /* one of choices */
    SG_KEY_CHOICES,  /* several of choices */
    SG_KEY_TIME,     /* a date, week, month or time; empty: open */
    SG_KEY_CALENDAR,
    SG_KEY_ZONE,
    SG_KEY_FILENAME, /* one name, without slash and colon */
    SG_KEY_PATH,     /* of this machine; relative to the graph file */
    SG_KEY_ROOT,
    SG_KEY_TEMPLATE, /* one word with variables */
    SG_KEY_COMMAND,  /* words with variables, split by the shell's quoting rules */
    SG_KEY_CHECK,    /* one of choices, or a command */
    SG_KEY_LIST,     /* words */
    SG_KEY_PATTERNS, /* of files, relative */
    SG_KEY_NEEDS,
    SG_KEY_BATCH, /* a number of partitions, or a duration with its unit */
    SG_KEY_POOL,
    SG_KEY_STAGES,         /* names of stages */
    SG_KEY_BOOL_OR_STAGES, /* yes, no, or names of stages */
    SG_KEY_TYPE_COUNT
};

struct sg_key {
    enum sg_section section;
    const char *name; /* "env.NAME" stands for every key that begins with "env." */
    enum sg_key_type type;
    const char *preset; /* the default, as one would write it; NULL: none */
    int64_t min, max;
    const char *const *choices; /* NULL-terminated; NULL where it has none */
    bool required;
    bool stamp;   /* part of the stamp */
    bool profile; /* profiles and --set may give it, as stage.key */
    const char *help;
    size_t offset, width; /* where the loader puts it; 0, 0 where it takes more than that */
};

/* All rows, by section in the order of enum sg_section. */
const struct sg_key *sg_keys(size_t *ret_n);
/* NULL: there is none of that name. "env.FOO" finds "env.NAME". */
const struct sg_key *sg_key_find(enum sg_section s, const char *name);
/* The nearest name, or NULL. */
const char *sg_key_near(enum sg_section s, const char *name);
/* "duration", for the reference. */
const char *sg_key_type_name(enum sg_key_type t);

struct sg_var {
    const char *name;
    bool of_one;  /* has a value for one partition alone: not where a batch can be larger */
    bool in_path; /* fixed by one partition and free of colons: may stand in output and path */
    bool is_list; /* a list of words */
    const char *help;
};
/* All variables but params; "input.X" stands for those of the needs. */
const struct sg_var *sg_vars(size_t *ret_n);
/* NULL: there is none of that name. */
const struct sg_var *sg_var_find(const char *name);

#endif
