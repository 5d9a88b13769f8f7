/*
 * template: words with variables: split by the shell's quoting rules, substituted without a shell.
 *
 * Floor: graph. docs/design.md, "Commands"; section 2 of the contract.
 *
 * Substitution comes after the splitting, so a value can never add a word or a command, except the
 * word lists ${options} and ${input.X}. ${x}, ${x:-default}, ${x:+text}; $$ is $; quotes don't stop
 * expansion; an unquoted word that is only an expansion and comes out empty disappears. Values are
 * never expanded again.
 */
#ifndef STAGEGRAPH_TEMPLATE_H
#define STAGEGRAPH_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stagegraph/arena.h"
#include "stagegraph/buf.h"
#include "stagegraph/error.h"

struct sg_template_word; /* private to template.c */

struct sg_template {
    struct sg_template_word *words; /* in the arena it was parsed into */
    uint32_t n_words;
    const char *
        *texts; /* each word as written, quotes resolved, variables unexpanded: the stamp's */
    const char **vars; /* every variable named, once each, in order of first use */
    uint32_t n_vars;
};

/* A list of words in one allocation that grows. */
struct sg_words {
    char **at; /* NULL-terminated, so that it can be an argv; owned */
    size_t n, cap;
};
#define SG_WORDS_INIT                                                                              \
    {                                                                                              \
        .at = NULL                                                                                 \
    }
void sg_words_done(struct sg_words *w);
bool sg_words_add(struct sg_words *w, const char *word, struct sg_error *err) SG_MUST;

/* Splits and parses a command. Code graph with what is wrong ("unclosed quote", "${ without }"). */
bool sg_template_parse(struct sg_arena *a, const char *text, struct sg_template *ret,
                       struct sg_error *err) SG_MUST;
/* The whole text as one word, no quoting (output, path, env.NAME). */
bool sg_template_parse_word(struct sg_arena *a, const char *text, struct sg_template *ret,
                            struct sg_error *err) SG_MUST;
bool sg_template_uses(const struct sg_template *t, const char *var);

/* What a word is made of, for those who reason about it without expanding it. */
struct sg_template_piece {
    const char *text; /* literal text, or the name of a variable; lives as long as the template */
    size_t len;
    bool is_var;
    bool is_plain; /* false: ${x:-…} or ${x:+…}; what is inside follows as pieces of its own */
};
/* How many pieces the word has; the first `cap` of them are in ret. */
size_t sg_template_pieces(const struct sg_template *t, size_t word, struct sg_template_piece *ret,
                          size_t cap);

/*
 * Asks for a variable: exactly one of *ret_value (borrowed until the next call) and *ret_list is
 * set on true. Lists are spliced as words (only as a whole unquoted word; elsewhere joined by
 * blanks).
 */
typedef bool sg_template_lookup(void *ctx, const char *var, const char **ret_value,
                                const struct sg_words **ret_list, struct sg_error *err);

bool sg_template_expand(const struct sg_template *t, sg_template_lookup *lookup, void *ctx,
                        struct sg_words *out, struct sg_error *err) SG_MUST;
/* One word (of sg_template_parse_word): appended to out. */
bool sg_template_expand_word(const struct sg_template *t, sg_template_lookup *lookup, void *ctx,
                             struct sg_buf *out, struct sg_error *err) SG_MUST;

#endif
