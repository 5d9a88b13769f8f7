/*
 * transcript: what commands say, one after another, kept as a person at a terminal would see it and
 * compared as a whole with a text in tests/e2e/texts.
 *
 * What differs from one run to the next is replaced by a word of its own, the same for the same
 * value, so that a text also says that it is the same run, or the same time, in two places.
 */
#include "fixture_impl.h"

#include <regex.h>
#include <stdlib.h>

/* In this order: what a later one would find in an earlier one's is gone by then. */
static const struct {
    const char *pattern, *word;
    bool numbered; /* "RUN1", "RUN2": the same for the same text, in order of appearance */
    bool key;      /* what the first parentheses match stays */
} varying[] = {
    { "[0-9]{8}T[0-9]{6}-[0-9a-f]{6}", "RUN", true, false },
    { "[0-9a-f]{32}", "HASH", true, false },
    { "[0-9a-f]{16}", "HASH", true, false },
    /* The partitions of the tests lie in 2024, and what happens to them later. */
    { "20(2[5-9]|[3-9][0-9])-[0-9]{2}-[0-9]{2}T[0-9:.]{5,}Z", "TIME", false, false },
    { "(\"(pid|[a-z_]*_bytes|[a-z0-9_]*seconds)\":)[0-9.]+", "N", false, true },
    /* A job of a moment was looked at, or not. */
    { "(\"(jvms)\":)(0|null)", "N", false, true },
    { "(\"host\":)\"[^\"]*\"", "\"HOST\"", false, true },
    { "(pid )[0-9]+", "N", false, true },
    { "(died on )[^ ,]+", "HOST", false, true },
    { "\\b[0-9]+(\\.[0-9])? (B|KiB|MiB|GiB)\\b", "SIZE", false, false },
    { "[0-9]+\\.[0-9]+s", "0.0s", false, false },
    { "\\([0-9.]+ minutes\\)", "(0.0 minutes)", false, false },
    { "(newest file )[0-9ms ]+ old", "0s old", false, true },
    /* Which one took the most, in the summary of a stage. */
    { "((0\\.0s|SIZE) +)[a-z]+@[0-9T-]+ +- +- +-", "NODE  -  -  -", false, true },
};

struct words {
    char *seen[64];
    size_t n;
};

/* What stands for a text: "RUN2". */
static const char *word_of(struct e2e *t, struct words *w, const char *word, const char *text)
{
    size_t i = 0, of_word = 0;
    const char *key = e2e_text(t, "%s %s", word, text);

    for (i = 0; i < w->n; i++) {
        of_word += strncmp(w->seen[i], word, strlen(word)) == 0;
        if (strcmp(w->seen[i], key) == 0)
            return e2e_text(t, "%s%zu", word, of_word);
    }
    if (w->n == sizeof(w->seen) / sizeof(w->seen[0]))
        fail_msg("too many different words in one transcript");
    w->seen[w->n++] = e2e_text(t, "%s", key);
    return e2e_text(t, "%s%zu", word, of_word + 1);
}

static const char *put_words(struct e2e *t, struct words *w, const char *text, size_t k)
{
    regmatch_t m[2];
    regex_t re;
    const char *to = "";

    if (regcomp(&re, varying[k].pattern, REG_EXTENDED) != 0)
        fail_msg("not a pattern: %s", varying[k].pattern);
    while (regexec(&re, text, 2, m, 0) == 0) {
        const char *found = e2e_text(t, "%.*s", (int)(m[0].rm_eo - m[0].rm_so), text + m[0].rm_so);
        const char *word = varying[k].word;

        if (varying[k].numbered)
            word = word_of(t, w, word, found);
        else if (varying[k].key)
            word = e2e_text(t, "%.*s%s", (int)(m[1].rm_eo - m[0].rm_so), found, word);
        to = e2e_text(t, "%s%.*s%s", to, (int)m[0].rm_so, text, word);
        text += m[0].rm_eo;
    }
    regfree(&re);
    return e2e_text(t, "%s%s", to, text);
}

static const char *replaced(struct e2e *t, const char *text, const char *what, const char *word)
{
    const char *to = "", *at;

    while ((at = strstr(text, what)) != NULL) {
        to = e2e_text(t, "%s%.*s%s", to, (int)(at - text), text, word);
        text = at + strlen(what);
    }
    return e2e_text(t, "%s%s", to, text);
}

/* Columns are as wide as what varies: behind a line's indentation two blanks stand for many. */
static const char *narrowed(struct e2e *t, const char *text)
{
    char *to = e2e_text(t, "%s", text), *end = to;
    size_t blanks = 0;
    bool inside = false;

    for (; *text != '\0'; text++) {
        blanks = *text == ' ' ? blanks + 1 : 0;
        inside = *text != '\n' && (inside || *text != ' ');
        if (blanks <= 2 || !inside)
            *end++ = *text;
    }
    *end = '\0';
    return to;
}

/* With something in front of each line. */
static const char *marked(struct e2e *t, const char *text, const char *mark)
{
    const char *to = "";

    while (*text != '\0') {
        size_t n = strcspn(text, "\n");

        to = e2e_text(t, "%s%s%.*s\n", to, mark, (int)n, text);
        if (text[n] == '\0')
            return e2e_text(t, "%s(no newline at the end)\n", to);
        text += n + 1;
    }
    return to;
}

void e2e_show_ended(struct e2e *t, const char *command)
{
    const char *before = t->transcript == NULL ? "" : t->transcript;
    const char *gap = before[0] == '\0' ? "" : "\n";
    const char *status = t->status >= E2E_DIED(0)
                             ? e2e_text(t, "[died of %s]", sigabbrev_np(t->status - E2E_DIED(0)))
                             : e2e_text(t, "[%d]", t->status);

    t->transcript =
        e2e_text(t, "%s%s$ stagegraph %s\n%s%s%s\n", before, gap, command,
                 marked(t, narrowed(t, t->out), ""), marked(t, narrowed(t, t->err), "2> "), status);
}

void e2e_show(struct e2e *t, const char *command)
{
    e2e_run(t, E2E_ANY, "%s", command);
    e2e_show_ended(t, command);
}

void e2e_transcript_is_at(struct e2e *t, const char *name, const char *file, int line)
{
    const char *path = e2e_text(t, "%s/tests/e2e/texts/%s.txt", getenv("SRC_DIR"), name);
    const char *text = replaced(t, t->transcript, t->dir, "DIR");
    const char *want;
    struct words w = { .n = 0 };

    for (size_t k = 0; k < sizeof(varying) / sizeof(varying[0]); k++)
        text = put_words(t, &w, text, k);
    if (getenv("E2E_WRITE_TEXTS") != NULL)
        e2e_write(t, path, text);
    want = e2e_read(t, path);
    if (want != NULL && strcmp(text, want) == 0)
        return;
    e2e_write(t, "said", text);
    e2e_wait(e2e_start_argv(
                 t, (const char *const[]){ "/usr/bin/env", "diff", "-u", path, "said", NULL }),
             E2E_ANY);
    e2e_tell("---- not as %s says (E2E_WRITE_TEXTS=1 writes it anew):\n%s", path, t->out);
    _fail(file, line);
}
