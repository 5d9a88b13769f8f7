/*
 * Names of claims. docs/formats.md, "Claims on HDFS".
 *
 *   TOKEN                                                  a claim that says nothing more
 *   TOKEN~run~attempt~host~boot~pid~started~nonce[~node]   what the text of a claim says
 *
 *   TOKEN is SESSION.NUMBER, SESSION is <boot>-<random>-<lease>: 16 hex, 16 hex, decimal seconds
 *
 * `started` is in seconds since 1970. ':', '/', '%', '~', and bytes below ' ' are written %XX. A
 * name has at most 255 bytes: the host is cut first, then the node. The node is left out where the
 * path says it: _stagegraph/claims/STAGE/LABEL is of STAGE@LABEL, or of STAGE where LABEL is "_".
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stagegraph/files.h"
#include "stagegraph/hash.h"
#include "stagegraph/json.h"

#include "webhdfs_claim.h"

#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"
#define CLAIMS       "_stagegraph/claims/"

enum field { RUN, ATTEMPT, HOST, BOOT, PID, STARTED, NONCE, NODE, FIELDS };

static const char *const keys[FIELDS] = {
    "run", "attempt", "host", "boot", "pid", "started", "nonce", "node",
};

bool wh_session_format(int64_t lease_s, char ret[WH_SESSION], struct sg_error *err)
{
    struct sg_buf boot = SG_BUF_INIT;
    char hash[SG_HASH64_TEXT], nonce[17];
    bool found, ok;

    ok = sg_files_read(BOOT_ID_FILE, &boot, &found, err) && wh_nonce(nonce, err);
    if (ok) {
        sg_hash64_format(sg_hash64_of(sg_buf_text(&boot), boot.len), hash);
        (void)snprintf(ret, WH_SESSION, "%s-%s-%" PRId64, hash, nonce, lease_s); /* fits */
    }
    sg_buf_done(&boot);
    return ok;
}

bool wh_session_parse(struct sg_span name, int64_t *ret_lease_s)
{
    uint64_t ignored;
    int64_t lease = 0;

    if (name.len < 35 || name.len >= WH_SESSION || name.at[16] != '-' || name.at[33] != '-' ||
        !sg_hash64_parse(name.at, 16, &ignored) || !sg_hash64_parse(name.at + 17, 16, &ignored) ||
        name.len > 34 + 12)
        return false;
    for (size_t i = 34; i < name.len; i++) {
        if (name.at[i] < '0' || name.at[i] > '9')
            return false;
        lease = lease * 10 + (name.at[i] - '0');
    }
    *ret_lease_s = lease;
    return true;
}

bool wh_name_token(const char *name, char ret_token[WH_TOKEN], char ret_session[WH_SESSION])
{
    size_t n = strcspn(name, "~"), dot = strcspn(name, ".");
    int64_t lease;

    if (n >= WH_TOKEN || dot + 1 >= n || !wh_session_parse((struct sg_span){ name, dot }, &lease))
        return false;
    for (size_t i = dot + 1; i < n; i++)
        if (name[i] < '0' || name[i] > '9')
            return false;
    memcpy(ret_token, name, n);
    ret_token[n] = '\0';
    memcpy(ret_session, name, dot);
    ret_session[dot] = '\0';
    return true;
}

const char *wh_name_facts(const char *name)
{
    const char *tilde = strchr(name, '~');

    return tilde != NULL ? tilde + 1 : "";
}

bool wh_name_format(const char *token, const char *facts, char ret[WH_NAME], struct sg_error *err)
{
    int n = snprintf(ret, WH_NAME, "%s%s%s", token, facts[0] != '\0' ? "~" : "", facts);

    return SG_EXPECT(n > 0 && n < WH_NAME, err);
}

/* ---- text to facts */

struct texts {
    struct sg_buf at[FIELDS];
};

static void texts_done(struct texts *t)
{
    for (int i = 0; i < FIELDS; i++)
        sg_buf_done(&t->at[i]);
}

/* The members of a claim's text; *ret_valid false: it is none. */
static bool read_text(struct sg_span text, struct texts *t, bool *ret_valid, struct sg_error *err)
{
    struct sg_json_reader r;
    enum sg_json_event ev;
    int field = FIELDS;
    bool ok = true;

    sg_json_reader_init(&r, text);
    while (ok && (ev = sg_json_next(&r)) != SG_JSON_END && ev != SG_JSON_BAD) {
        if (ev == SG_JSON_KEY) {
            for (field = 0; field < FIELDS && !sg_span_is(r.text, keys[field]);)
                field++;
        } else if (field < FIELDS && (ev == SG_JSON_STRING || ev == SG_JSON_NUMBER)) {
            sg_buf_clear(&t->at[field]);
            ok = sg_buf_add(&t->at[field], r.text.at, r.text.len, err);
        }
    }
    *ret_valid = ok && ev == SG_JSON_END;
    sg_json_reader_done(&r);
    return ok;
}

/* What the path of a claim says of its node; nothing for other paths. */
static bool node_of_path(const char *path, struct sg_buf *ret, struct sg_error *err)
{
    const char *stage, *slash;

    if (strncmp(path, CLAIMS, strlen(CLAIMS)) != 0)
        return true;
    stage = path + strlen(CLAIMS);
    slash = strchr(stage, '/');
    if (slash == NULL || strchr(slash + 1, '/') != NULL)
        return true;
    return sg_buf_add(ret, stage, (size_t)(slash - stage), err) &&
           (strcmp(slash, "/_") == 0 || sg_buf_addf(ret, err, "@%s", slash + 1));
}

/* At most `limit` bytes of it, a whole character's escapes or nothing. */
static bool escape(const struct sg_buf *text, size_t limit, struct sg_buf *out,
                   struct sg_error *err)
{
    size_t end = out->len + limit;

    for (size_t i = 0; i < text->len; i++) {
        unsigned char c = (unsigned char)text->at[i];
        bool plain = c >= ' ' && c != 0x7f && strchr(":/%~", c) == NULL;

        if (out->len + (plain ? 1 : 3) > end)
            return true;
        if (plain ? !sg_buf_addc(out, (char)c, err) : !sg_buf_addf(out, err, "%%%02X", c))
            return false;
    }
    return true;
}

static bool add_fields(struct texts *t, size_t host, size_t node, struct sg_buf *out,
                       struct sg_error *err)
{
    bool ok = true;

    for (int i = 0; ok && i < FIELDS; i++) {
        if (i == NODE && t->at[NODE].len == 0)
            break;
        ok = (i == 0 || sg_buf_addc(out, '~', err)) && escape(&t->at[i],
                                                              i == HOST   ? host
                                                              : i == NODE ? node
                                                                          : WH_NAME,
                                                              out, err);
    }
    return ok;
}

bool wh_facts_of_text(struct sg_span text, const char *path, struct sg_buf *ret,
                      struct sg_error *err)
{
    const size_t room = WH_NAME - 1 - (WH_TOKEN - 1) - 1;
    struct texts t = { .at = { SG_BUF_INIT } };
    struct sg_buf node = SG_BUF_INIT;
    int64_t started;
    bool valid = false, ok;

    ok = read_text(text, &t, &valid, err) && node_of_path(path, &node, err);
    if (ok && valid && t.at[NONCE].len != 0) {
        if (sg_utc_parse(sg_buf_text(&t.at[STARTED]), t.at[STARTED].len, &started)) {
            sg_buf_clear(&t.at[STARTED]);
            ok = sg_buf_addf(&t.at[STARTED], err, "%" PRId64, started);
        }
        if (strcmp(sg_buf_text(&node), sg_buf_text(&t.at[NODE])) == 0)
            sg_buf_clear(&t.at[NODE]);
        ok = ok && add_fields(&t, WH_NAME, WH_NAME, ret, err);
        for (size_t host = 64; ok && ret->len > room; host -= 16) {
            sg_buf_clear(ret);
            ok = add_fields(&t, host, host < 32 ? 32 : WH_NAME, ret, err);
            if (host == 0)
                break;
        }
        ok = ok && SG_EXPECT(ret->len <= room, err);
    }
    texts_done(&t);
    sg_buf_done(&node);
    return ok;
}

/* ---- facts to text */

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool unescape(const char *at, size_t n, struct sg_buf *out, struct sg_error *err)
{
    for (size_t i = 0; i < n; i++) {
        char c = at[i];

        if (c == '%' && i + 2 < n && hex(at[i + 1]) >= 0 && hex(at[i + 2]) >= 0) {
            c = (char)(hex(at[i + 1]) * 16 + hex(at[i + 2]));
            i += 2;
        }
        if (!sg_buf_addc(out, c, err))
            return false;
    }
    return true;
}

static void add_number(struct sg_json_writer *j, const char *key, const struct sg_buf *text)
{
    int64_t v;

    if (sg_json_int(sg_buf_span(text), &v))
        sg_json_i64(j, key, v);
}

static bool write_text(const struct texts *t, struct sg_buf *ret, struct sg_error *err)
{
    char utc[SG_UTC_TEXT] = "";
    struct sg_json_writer j;
    int64_t started;

    if (sg_json_int(sg_buf_span(&t->at[STARTED]), &started))
        sg_utc_format(started, utc);
    sg_json_writer_init(&j, ret);
    sg_json_begin(&j, NULL, '{');
    sg_json_i64(&j, "stagegraph_claim", 1);
    sg_json_text(&j, "node", sg_buf_text(&t->at[NODE]));
    sg_json_text(&j, "run", sg_buf_text(&t->at[RUN]));
    add_number(&j, "attempt", &t->at[ATTEMPT]);
    sg_json_text(&j, "host", sg_buf_text(&t->at[HOST]));
    sg_json_text(&j, "boot", sg_buf_text(&t->at[BOOT]));
    add_number(&j, "pid", &t->at[PID]);
    sg_json_text(&j, "started", utc);
    sg_json_text(&j, "nonce", sg_buf_text(&t->at[NONCE]));
    sg_json_end(&j);
    return sg_json_writer_end(&j, err) && sg_buf_addc(ret, '\n', err);
}

bool wh_facts_text(const char *name, const char *path, struct sg_buf *ret, struct sg_error *err)
{
    char token[WH_TOKEN], session[WH_SESSION];
    struct texts t = { .at = { SG_BUF_INIT } };
    const char *at = wh_name_facts(name);
    bool ok = true;
    int i = 0;

    if (*at == '\0' || !wh_name_token(name, token, session))
        return true;
    for (; ok && i < FIELDS; i++) {
        size_t n = strcspn(at, "~");

        ok = unescape(at, n, &t.at[i], err);
        at += n;
        if (*at == '\0') {
            i++;
            break;
        }
        at++;
    }
    if (ok && i >= NODE) {
        if (i == NODE)
            ok = node_of_path(path, &t.at[NODE], err);
        ok = ok && write_text(&t, ret, err);
    }
    texts_done(&t);
    return ok;
}
