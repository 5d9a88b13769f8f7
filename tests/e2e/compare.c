/*
 * compare: texts against texts and patterns, told so that a person sees where they differ.
 */
#include "fixture_impl.h"

void e2e_tell(const char *fmt, ...)
{
    va_list ap;

    (void)fflush(stdout);
    va_start(ap, fmt);
    (void)vfprintf(stderr, fmt, ap);
    va_end(ap);
}

/* What a file holds may be compared without asking whether it is there. */
static const char *there(const char *text)
{
    return text != NULL ? text : "(there is none)";
}

void e2e_same(const char *got, const char *want, const char *file, int line)
{
    got = there(got);
    if (strcmp(got, want) == 0)
        return;
    e2e_tell("---- got\n%s\n---- wanted\n%s\n----\n", got, want);
    _fail(file, line);
}

void e2e_says_at(const char *text, const char *part, bool want, const char *file, int line)
{
    text = there(text);
    if ((strstr(text, part) != NULL) == want)
        return;
    e2e_tell("---- got\n%s\n---- which should %shave\n%s\n----\n", text, want ? "" : "not ", part);
    _fail(file, line);
}

/* The usual walk with one point of return: the last `*`. */
bool e2e_line_matches(const char *line, size_t n, const char *pattern, size_t pattern_n)
{
    size_t i = 0, p = 0, star = SIZE_MAX, back = 0;

    while (i < n) {
        if (p < pattern_n && pattern[p] == '*') {
            star = p++;
            back = i;
        } else if (p < pattern_n && pattern[p] == line[i]) {
            p++;
            i++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            i = ++back;
        } else {
            return false;
        }
    }
    while (p < pattern_n && pattern[p] == '*')
        p++;
    return p == pattern_n;
}

static const char *line_end(const char *at)
{
    const char *end = strchr(at, '\n');

    return end != NULL ? end : at + strlen(at);
}

static const char *next_line(const char *end)
{
    return *end == '\n' ? end + 1 : end;
}

void e2e_looks_at(const char *text, const char *pattern, const char *file, int line)
{
    const char *at = text, *p = pattern, *after = NULL, *back = NULL;

    while (*at != '\0' || *p != '\0') {
        const char *at_end = line_end(at), *p_end = line_end(p);

        if (p_end - p == 3 && strncmp(p, "...", 3) == 0) {
            p = after = next_line(p_end);
            back = at;
            if (*p == '\0')
                return;
        } else if (*at != '\0' && *p != '\0' &&
                   e2e_line_matches(at, (size_t)(at_end - at), p, (size_t)(p_end - p))) {
            at = next_line(at_end);
            p = next_line(p_end);
        } else if (after != NULL && *back != '\0') {
            at = back = next_line(line_end(back));
            p = after;
        } else {
            e2e_tell("---- got\n%s\n---- wanted\n%s\n---- differs at \"%.*s\", wanted \"%.*s\"\n",
                     text, pattern, (int)(at_end - at), at, (int)(p_end - p), p);
            _fail(file, line);
            return;
        }
    }
}

void e2e_has_line_at(const char *text, const char *pattern, const char *file, int line)
{
    for (const char *at = text; *at != '\0'; at = next_line(line_end(at)))
        if (e2e_line_matches(at, (size_t)(line_end(at) - at), pattern, strlen(pattern)))
            return;
    e2e_tell("---- got\n%s\n---- which should have a line like\n%s\n----\n", text, pattern);
    _fail(file, line);
}

size_t e2e_count(const char *text, const char *part)
{
    size_t n = 0;

    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + strlen(part), part))
        n++;
    return n;
}

void e2e_fail_with(struct e2e *t, const char *file, int line, const char *fmt, ...)
{
    va_list ap;

    e2e_tell("---- ");
    va_start(ap, fmt);
    (void)vfprintf(stderr, fmt, ap);
    va_end(ap);
    e2e_tell("\n---- the last program: status %d\n%s---- its standard error\n%s----\n", t->status,
             t->out, t->err);
    _fail(file, line);
}
