#include "stagegraph/ini.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stagegraph/text.h"

#define LINE_MAX_BYTES 199
#define NAME_MAX_BYTES 49
#define FILE_MAX       ((off_t)16 << 20)

/* What the reader has found the current line to be; inih finds the same. */
enum line_kind { LINE_NOTHING, LINE_SECTION, LINE_KEY, LINE_MORE };

struct reader {
    struct sg_arena *arena;
    const char *file;
    struct sg_span text;
    struct sg_ini *ini;
    struct sg_diags *diags;
    struct sg_error *err;
    bool failed; /* err is set: memory */

    size_t pos;
    unsigned line;
    enum line_kind kind;
    bool has_section;   /* some header was seen, good or bad */
    bool skips_section; /* it was refused: its keys are looked at and dropped */
    bool has_key;       /* indented lines go on with a value */
    bool skips_key;     /* that of a line that was refused */
    enum sg_section section_kind;
    unsigned key_line;
    char key[NAME_MAX_BYTES + 1]; /* of the value above */

    struct sg_buf value; /* of the last entry, while more may follow */
    bool has_value;
    size_t entry; /* its place in the last section */
};

#define WRONG(r, ...) sg_diags_error((r)->diags, (r)->file, (r)->line, __VA_ARGS__)

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct sg_span trim(struct sg_span s)
{
    while (s.len > 0 && is_blank(s.at[0])) {
        s.at++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.at[s.len - 1]))
        s.len--;
    return s;
}

/* At most some 60 bytes of foreign text, for a message. */
struct quoted {
    char text[256];
};

static const char *quote(struct quoted *q, struct sg_span s)
{
    struct sg_buf b = SG_BUF_INIT;
    struct sg_error err = SG_ERROR_INIT;
    size_t n = 0;

    if (sg_text_add_quoted(&b, s, 60, &err) && b.len < sizeof(q->text))
        n = b.len;
    memcpy(q->text, sg_buf_text(&b), n);
    q->text[n] = '\0';
    sg_buf_done(&b);
    return q->text;
}

/* Where inih would begin a comment: the first ';' behind a blank; s.len if nowhere. */
static size_t find_comment(struct sg_span s)
{
    for (size_t i = 1; i < s.len; i++) {
        if (s.at[i] == ';' && is_blank(s.at[i - 1]))
            return i;
    }
    return s.len;
}

/*
 * Whether position `at` lies inside quotes, as the shell counts them. In a value that is not split
 * into words a quote may be just a character, so one that is never closed doesn't count there.
 */
static bool is_quoted(struct sg_span s, size_t at, bool words)
{
    char q = '\0';
    bool escaped = false;

    for (size_t i = 0; i < at; i++) {
        escaped = false;
        if (s.at[i] == '\\' && q != '\'' && words) {
            i++;
            escaped = i + 1 == at; /* the blank before the ';' is the one it protects */
        } else if (q == '\0' && (s.at[i] == '"' || s.at[i] == '\'')) {
            q = s.at[i];
        } else if (s.at[i] == q) {
            q = '\0';
        }
    }
    if (q == '\0')
        return escaped;
    return words || memchr(s.at + at, q, s.len - at) != NULL;
}

static bool is_words(enum sg_section kind, const char *key)
{
    const struct sg_key *k = sg_key_find(kind, key);
    const char *dot = strchr(key, '.');

    if (kind == SG_SECTION_PROFILE && k == NULL && dot != NULL)
        k = sg_key_find(SG_SECTION_STAGE, dot + 1);
    return k != NULL && (k->type == SG_KEY_COMMAND || k->type == SG_KEY_CHECK);
}

/* Whether the file has a [param NAME], above or below. */
static bool has_param(const struct reader *r, const char *name)
{
    const char *p = r->text.at, *end = p + r->text.len, *close;
    struct sg_span inside;

    while (p < end && (p = memchr(p, '[', (size_t)(end - p))) != NULL) {
        p++;
        close = memchr(p, ']', (size_t)(end - p));
        if (close == NULL)
            break;
        inside = trim((struct sg_span){ .at = p, .len = (size_t)(close - p) });
        if (inside.len > 6 && memcmp(inside.at, "param", 5) == 0 && is_blank(inside.at[5])) {
            inside = trim((struct sg_span){ .at = inside.at + 5, .len = inside.len - 5 });
            if (sg_span_is(inside, name))
                return true;
        }
    }
    return false;
}

/* Whether a bare word is a key of the section that the line lies in. */
static bool is_known_key(const struct reader *r, struct sg_span word)
{
    char key[NAME_MAX_BYTES + 1];
    const char *dot;

    if (word.len == 0 || word.len > NAME_MAX_BYTES)
        return false;
    for (size_t i = 0; i < word.len; i++) {
        if (is_blank(word.at[i]))
            return false;
    }
    memcpy(key, word.at, word.len);
    key[word.len] = '\0';
    if (sg_key_find(r->section_kind, key) != NULL)
        return true;
    if (r->section_kind != SG_SECTION_PROFILE)
        return false;
    dot = strchr(key, '.');
    return dot != NULL ? sg_key_find(SG_SECTION_STAGE, dot + 1) != NULL : has_param(r, key);
}

/* "[stage x]", not any other "[...]": a pattern may begin like that. */
static bool is_header(struct sg_span s)
{
    const char *close = s.len > 0 && s.at[0] == '[' ? memchr(s.at, ']', s.len) : NULL;
    struct sg_span kind;
    char text[16];

    if (close == NULL)
        return false;
    kind = trim((struct sg_span){ .at = s.at + 1, .len = (size_t)(close - s.at) - 1 });
    for (size_t i = 0; i < kind.len; i++) {
        if (is_blank(kind.at[i]))
            kind.len = i;
    }
    if (kind.len == 0 || kind.len >= sizeof(text))
        return false;
    memcpy(text, kind.at, kind.len);
    text[kind.len] = '\0';
    return sg_section_find(text) != SG_SECTION_COUNT;
}

/* The value that has been gathered is complete. */
static bool end_value(struct reader *r)
{
    struct sg_ini_section *s = r->ini->n > 0 ? &r->ini->sections[r->ini->n - 1] : NULL;
    const char *value;

    if (!r->has_value || s == NULL)
        return true;
    r->has_value = false;
    value = sg_arena_copy(r->arena, sg_buf_span(&r->value), r->err);
    if (value == NULL)
        return false;
    s->entries[r->entry].value = value;
    return true;
}

static bool add_section(struct reader *r, enum sg_section kind, const char *name)
{
    struct sg_ini *ini = r->ini;

    if (!sg_arena_grow(r->arena, (void **)&ini->sections, ini->n, &ini->cap, sizeof(*ini->sections),
                       r->err))
        return false;
    ini->sections[ini->n++] =
        (struct sg_ini_section){ .kind = kind, .name = name, .line = r->line };
    r->skips_section = false;
    return true;
}

static void unknown_kind(struct reader *r, const char *kind)
{
    const char *kinds[SG_SECTION_COUNT], *near;
    struct quoted q;

    for (enum sg_section s = 0; s < SG_SECTION_COUNT; s++)
        kinds[s] = sg_section_row(s)->kind;
    near = sg_text_nearest(kind, kinds, SG_SECTION_COUNT);
    quote(&q, sg_span_of(kind));
    if (near != NULL)
        WRONG(r, "unknown section [%s]; did you mean [%s%s]?", q.text, near,
              sg_section_row(sg_section_find(near))->named ? " NAME" : "");
    else
        WRONG(r,
              "unknown section [%s] (there are [graph], [store], [source NAME], [stage NAME], "
              "[param NAME], [pool NAME], [profile NAME], [yarn])",
              q.text);
}

/* What is between the brackets, trimmed. */
static bool begin_section(struct reader *r, struct sg_span inside)
{
    char *kind_text = sg_arena_copy(r->arena, inside, r->err), *name, *end;
    const struct sg_ini_section *first;
    enum sg_section kind;
    struct quoted q;

    if (kind_text == NULL)
        return false;
    name = kind_text + strcspn(kind_text, " \t");
    if (*name != '\0')
        *name++ = '\0';
    name += strspn(name, " \t");
    end = name + strlen(name);
    kind = sg_section_find(kind_text);
    quote(&q, sg_span_of(name));
    first = kind != SG_SECTION_COUNT ? sg_ini_section(r->ini, kind, name) : NULL;
    if (kind == SG_SECTION_COUNT) {
        unknown_kind(r, kind_text);
        return true;
    }
    r->section_kind = kind;
    if (sg_section_row(kind)->named && name == end)
        WRONG(r, "[%s] without a name: write [%s NAME]", kind_text, kind_text);
    else if (!sg_section_row(kind)->named && name != end)
        WRONG(r, "[%s %s]: there is one [%s], without a name", kind_text, q.text, kind_text);
    else if (first != NULL)
        WRONG(r, "a second [%s%s%s]; the first is in line %u", kind_text, *name != '\0' ? " " : "",
              q.text, first->line);
    else
        return add_section(r, kind, name);
    return true;
}

/* A line that begins with '['. *ret_good: inih may see it. */
static bool look_at_section(struct reader *r, struct sg_span s, bool *ret_good)
{
    const char *close = memchr(s.at, ']', s.len);
    struct sg_span inside, rest;

    r->has_section = r->skips_section = true;
    r->has_key = r->skips_key = false;
    r->section_kind = SG_SECTION_COUNT;
    *ret_good = false;
    if (!end_value(r))
        return false;
    if (close == NULL) {
        WRONG(r, "a section without its ]");
        return true;
    }
    inside = (struct sg_span){ .at = s.at + 1, .len = (size_t)(close - s.at) - 1 };
    rest = trim((struct sg_span){ .at = close + 1, .len = s.len - inside.len - 2 });
    if (rest.len > 0 && rest.at[0] != ';' && rest.at[0] != '#')
        WRONG(r, "what stands behind ] would be ignored: put it on a line of its own");
    if (inside.len > NAME_MAX_BYTES) {
        WRONG(r, "a section name of %zu bytes, %d are read: choose a shorter one", inside.len,
              NAME_MAX_BYTES);
        return true;
    }
    if (find_comment(inside) < inside.len) {
        WRONG(r, "a comment inside [ ]");
        return true;
    }
    if (!begin_section(r, trim(inside)))
        return false;
    *ret_good = !r->skips_section;
    return true;
}

/* Whether " ;" would do something that nobody means. */
static bool check_semicolon(struct reader *r, struct sg_span value, bool more, bool words)
{
    size_t at = find_comment(value);

    if (at == value.len)
        return true;
    if (more) {
        WRONG(r,
              "\" ;\" on an indented line would become part of the value of %s: put a comment "
              "on a line of its own, and write a semicolon without the blank before it, or in "
              "quotes of its own: \";\"",
              r->key);
        return false;
    }
    if (is_quoted(value, at, words)) {
        WRONG(r,
              "\" ;\" begins a comment, inside quotes too, and would cut the value of %s: write "
              "the semicolon without the blank before it, or in quotes of its own: \";\"",
              r->key);
        return false;
    }
    return true;
}

/* An entry of the section that was begun last. *ret_first: the line where the key is already. */
static bool add_entry(struct reader *r, const char *key, bool refused, unsigned *ret_first)
{
    struct sg_ini_section *s = &r->ini->sections[r->ini->n - 1];
    struct sg_ini_entry *e = NULL;

    *ret_first = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->entries[i].key, key) == 0)
            e = &s->entries[i];
    }
    if (e == NULL) {
        if (!sg_arena_grow(r->arena, (void **)&s->entries, s->n, &s->cap, sizeof(*s->entries),
                           r->err))
            return false;
        e = &s->entries[s->n];
        e->key = sg_arena_text(r->arena, key, r->err);
        if (e->key == NULL)
            return false;
        s->n++;
    } else if (!e->refused) {
        *ret_first = e->line;
        return true;
    }
    *e = (struct sg_ini_entry){ .key = e->key, .value = "", .line = r->line, .refused = refused };
    r->entry = (size_t)(e - s->entries);
    return true;
}

/* A key whose value will not do. */
static bool refuse(struct reader *r, struct sg_span key)
{
    unsigned unused;

    if (r->skips_section || !r->has_section || key.len == 0 || key.len > NAME_MAX_BYTES)
        return true;
    memcpy(r->key, key.at, key.len);
    r->key[key.len] = '\0';
    return add_entry(r, r->key, true, &unused);
}

/* A line that begins with something else. */
static bool look_at_key(struct reader *r, struct sg_span s, bool *ret_good)
{
    size_t end = find_comment(s), at = 0;
    struct sg_span key, value;
    struct quoted q, v;

    *ret_good = false;
    r->has_key = r->skips_key = true;
    r->key[0] = '\0';
    if (!end_value(r))
        return false;
    while (at < end && s.at[at] != '=' && s.at[at] != ':')
        at++;
    key = trim((struct sg_span){ .at = s.at, .len = at });
    if (at == end) {
        WRONG(r,
              "no \"=\" in \"%s\": write key = value, or indent the line to go on with the value "
              "above",
              quote(&q, trim((struct sg_span){ .at = s.at, .len = end })));
        return true;
    }
    value = trim((struct sg_span){ .at = s.at + at + 1, .len = s.len - at - 1 });
    if (s.at[at] == ':') {
        WRONG(r, "\"%s:\" would be read as \"%s =\": write %s = %s", quote(&q, key), q.text, q.text,
              quote(&v, value));
        return refuse(r, key);
    }
    if (key.len == 0 || key.len > NAME_MAX_BYTES) {
        if (key.len == 0)
            WRONG(r, "\"=\" without a key before it");
        else
            WRONG(r, "a key of %zu bytes, %d are read: choose a shorter one", key.len,
                  NAME_MAX_BYTES);
        return true;
    }
    memcpy(r->key, key.at, key.len);
    r->key[key.len] = '\0';
    r->key_line = r->line;
    if (!r->has_section) {
        WRONG(r, "%s = … before the first section: write [graph] above it", quote(&q, key));
        return true;
    }
    /* As inih sees it: a ';' is behind a blank only if the blank is behind the '='. */
    value = (struct sg_span){ .at = s.at + at + 1, .len = s.len - at - 1 };
    *ret_good = check_semicolon(r, value, false, is_words(r->section_kind, r->key));
    if (!*ret_good && !refuse(r, key))
        return false;
    *ret_good = *ret_good && !r->skips_section;
    r->skips_key = !*ret_good;
    return true;
}

/* A backslash that a shell would need at the end of the line above is in the way here. */
static void check_backslash(struct reader *r)
{
    const char *text = sg_buf_text(&r->value);
    size_t n = 0;

    while (n < r->value.len && text[r->value.len - 1 - n] == '\\')
        n++;
    if (r->has_value && n % 2 == 1 && is_words(r->section_kind, r->key))
        sg_diags_error(r->diags, r->file, r->line - 1,
                       "a backslash at the end of a line would protect the blank that follows: "
                       "indented lines go on without it");
}

static bool look_at_more(struct reader *r, struct sg_span s)
{
    const char *equals = memchr(s.at, '=', s.len);
    struct sg_span word;
    struct quoted q;

    if (is_header(s)) {
        WRONG(r,
              "the indented \"%s\" would be read as more of the value of %s: begin the line with "
              "the [",
              quote(&q, s), r->key);
        return false;
    }
    word = trim((struct sg_span){ .at = s.at, .len = equals ? (size_t)(equals - s.at) : 0 });
    if (is_known_key(r, word)) {
        WRONG(r,
              "the indented \"%s\" would be read as more of the value of %s (line %u): begin the "
              "line with the key, or quote it if it is meant so",
              quote(&q, s), r->key, r->key_line);
        return false;
    }
    if (!check_semicolon(r, s, true, false))
        return false;
    check_backslash(r);
    return !r->skips_key;
}

/* What makes any line unfit. */
static bool is_unfit(struct reader *r, struct sg_span s, size_t len)
{
    if (len > LINE_MAX_BYTES) {
        WRONG(r, "a line of %zu bytes, %d are read: go on in an indented line below", len,
              LINE_MAX_BYTES);
        return true;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (((unsigned char)s.at[i] < 0x20 && s.at[i] != '\t') || s.at[i] == 0x7f) {
            WRONG(r, "a control character (\\x%02x)", (unsigned)(unsigned char)s.at[i]);
            return true;
        }
    }
    return false;
}

/* What follows an unfit header or key belongs to it, and is dropped with it. */
static bool drop(struct reader *r, bool header)
{
    r->has_key = r->skips_key = !header;
    if (header)
        r->has_section = r->skips_section = true;
    return end_value(r);
}

/* Sets r->kind to what inih shall see, NOTHING for a line that is kept from it. */
static bool look(struct reader *r, struct sg_span line)
{
    struct sg_span s = trim(line);
    bool indented = s.at != line.at, good = false, ok = true, more = indented && r->has_key;

    r->kind = LINE_NOTHING;
    if (s.len == 0 || s.at[0] == ';' || s.at[0] == '#')
        return true;
    if (is_unfit(r, s, (size_t)(s.at - line.at) + s.len))
        return more || drop(r, s.at[0] == '[');
    if (more) {
        good = look_at_more(r, s);
        r->kind = good ? LINE_MORE : LINE_NOTHING;
    } else if (s.at[0] == '[') {
        ok = look_at_section(r, s, &good);
        r->kind = good ? LINE_SECTION : LINE_NOTHING;
    } else {
        ok = look_at_key(r, s, &good);
        r->kind = good ? LINE_KEY : LINE_NOTHING;
    }
    return ok;
}

/* inih's reader: like fgets, a line a call. */
static char *read_line(char *to, int size, void *stream)
{
    struct reader *r = stream;
    const char *at = r->text.at + r->pos, *newline;
    struct sg_span line;

    if (r->failed || r->pos >= r->text.len)
        return NULL;
    newline = memchr(at, '\n', r->text.len - r->pos);
    line = (struct sg_span){ .at = at, .len = r->text.len - r->pos };
    if (newline != NULL)
        line.len = (size_t)(newline - at);
    r->pos += line.len + 1;
    r->line++;
    if (!look(r, line)) {
        r->failed = true;
        return NULL;
    }
    to[0] = '\0';
    while (line.len > 0 && is_blank(line.at[line.len - 1]))
        line.len--;
    if (r->kind != LINE_NOTHING && line.len < (size_t)size) {
        memcpy(to, line.at, line.len);
        to[line.len] = '\0';
    }
    return to;
}

static bool begin_value(struct reader *r, const char *key)
{
    struct sg_ini_section *s = &r->ini->sections[r->ini->n - 1];
    struct quoted q;
    unsigned first;

    if (!add_entry(r, key, false, &first))
        return false;
    sg_buf_clear(&r->value);
    r->has_value = first == 0;
    r->skips_key = first != 0;
    if (first != 0)
        WRONG(r, "a second %s in [%s%s%s]; the first is in line %u", quote(&q, sg_span_of(key)),
              sg_section_row(s->kind)->kind, *s->name != '\0' ? " " : "", s->name, first);
    return true;
}

/* inih's handler, for the line that read_line has just given it. */
static int take(void *user, const char *section, const char *name, const char *value)
{
    struct reader *r = user;
    bool ok = true;

    (void)section; /* the reader knows it, with its line */
    if (r->kind == LINE_KEY)
        ok = begin_value(r, name);
    if (ok && r->has_value && *value != '\0')
        ok = (r->value.len == 0 || sg_buf_addc(&r->value, ' ', r->err)) &&
             sg_buf_adds(&r->value, value, r->err);
    r->failed = r->failed || !ok;
    return ok;
}

bool sg_ini_parse(struct sg_arena *a, const char *file, struct sg_span text, struct sg_ini *ret,
                  struct sg_diags *diags, struct sg_error *err)
{
    struct sg_ini ini = { .sections = NULL };
    struct reader r = { .arena = a,
                        .file = file,
                        .text = text,
                        .ini = &ini,
                        .diags = diags,
                        .err = err,
                        .section_kind = SG_SECTION_COUNT };
    const char *nul = text.len > 0 ? memchr(text.at, '\0', text.len) : NULL;

    if (text.len >= 3 && memcmp(text.at, "\xef\xbb\xbf", 3) == 0)
        r.pos = 3;
    if (nul != NULL) {
        r.line = 1;
        for (const char *p = text.at; p < nul; p++)
            r.line += *p == '\n';
        WRONG(&r, "a NUL byte: save the file as UTF-8 text");
    } else {
        /* What it finds wrong, the reader has said. */
        (void)ini_parse_stream(read_line, &r, take, &r);
        r.failed = r.failed || !end_value(&r);
    }
    sg_buf_done(&r.value);
    if (!r.failed)
        *ret = ini;
    return !r.failed;
}

static bool read_text(int fd, struct sg_buf *text, struct sg_error *err)
{
    struct stat st;
    ssize_t n;

    if (fstat(fd, &st) != 0)
        return sg_error_set(err, SG_ERROR_GRAPH, errno, "stat");
    if (S_ISDIR(st.st_mode))
        return sg_error_set(err, SG_ERROR_GRAPH, EISDIR, "read");
    text->limit = (size_t)FILE_MAX;
    for (;;) {
        if (!sg_buf_reserve(
                text, 4096 + (size_t)(text->len == 0 && st.st_size < FILE_MAX / 2 ? st.st_size : 0),
                err)) {
            if (err->code == SG_ERROR_LIMIT)
                sg_error_set(err, SG_ERROR_GRAPH, 0, "more than %lld MiB: is it one?",
                             (long long)(FILE_MAX >> 20));
            return false;
        }
        n = read(fd, text->at + text->len, text->cap - text->len - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sg_error_set(err, SG_ERROR_GRAPH, errno, "read");
        if (n == 0)
            break;
        text->len += (size_t)n;
        text->at[text->len] = '\0';
    }
    return true;
}

bool sg_ini_read(struct sg_arena *a, const char *file, struct sg_ini *ret, struct sg_diags *diags,
                 struct sg_error *err)
{
    struct sg_buf text = SG_BUF_INIT;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    bool ok;

    if (fd < 0)
        return sg_error_set(err, SG_ERROR_GRAPH, errno, "open the graph file %s", file);
    ok = read_text(fd, &text, err);
    (void)close(fd); /* only read from */
    if (!ok)
        sg_error_wrap(err, "the graph file %s", file);
    ok = ok && sg_ini_parse(a, file, sg_buf_span(&text), ret, diags, err);
    sg_buf_done(&text);
    return ok;
}

const struct sg_ini_section *sg_ini_section(const struct sg_ini *ini, enum sg_section kind,
                                            const char *name)
{
    for (size_t i = 0; i < ini->n; i++) {
        if (ini->sections[i].kind == kind && strcmp(ini->sections[i].name, name) == 0)
            return &ini->sections[i];
    }
    return NULL;
}

const struct sg_ini_entry *sg_ini_entry(const struct sg_ini_section *s, const char *key)
{
    for (size_t i = 0; s != NULL && i < s->n; i++) {
        if (strcmp(s->entries[i].key, key) == 0 && !s->entries[i].refused)
            return &s->entries[i];
    }
    return NULL;
}
