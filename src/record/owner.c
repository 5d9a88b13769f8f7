/*
 * The text of a claim: who holds a node. docs/formats.md, "Claim".
 *
 *   {"stagegraph_claim":1,"node":"silver@2024-01-01T05","run":"20240101T060012-3f2a9c","attempt":1,
 *   "host":"etl1","boot":"<boot id>","pid":4711,"started":"2024-01-01T06:00:12Z","nonce":"<32
 * hex>"}
 *
 * One line and a newline. Valid if and only if it is one JSON object with "stagegraph_claim":1,
 * "node", "run" and a nonce of 32 lower-case hex digits; further keys are skipped. Another text, or
 * none, is still a claim: one of nobody known.
 */
#include "stagegraph/claim.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "stagegraph/clock.h"
#include "stagegraph/files.h"
#include "stagegraph/json.h"

#include "record_impl.h"

#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"

bool sg_owner_format(const struct sg_owner *o, struct sg_buf *out, struct sg_error *err)
{
    char started[SG_UTC_TEXT];
    size_t before = out->len;
    struct sg_json_writer w;

    sg_utc_format(o->started_s, started);
    sg_json_writer_init(&w, out);
    sg_json_begin(&w, NULL, '{');
    sg_json_i64(&w, "stagegraph_claim", 1);
    sg_json_text(&w, "node", o->node);
    sg_json_text(&w, "run", o->run);
    sg_json_i64(&w, "attempt", o->attempt);
    sg_json_text(&w, "host", o->host);
    sg_json_text(&w, "boot", o->boot);
    sg_json_i64(&w, "pid", o->pid);
    sg_json_text(&w, "started", started);
    sg_json_text(&w, "nonce", o->nonce);
    sg_json_end(&w);
    if (sg_json_writer_end(&w, err) && sg_buf_addc(out, '\n', err))
        return true;
    sg_record_cut(out, before);
    return sg_error_wrap(err, "write the claim of %s", o->node);
}

static bool is_nonce(struct sg_span s)
{
    struct sg_hash128 ignored;

    return sg_hash128_parse(s.at, s.len, &ignored);
}

/* One key with a text; *ret_valid false: not a text that it can have. */
static bool take_text(struct sg_arena *a, struct sg_owner *o, struct sg_span key,
                      struct sg_span value, bool *ret_valid, struct sg_error *err)
{
    const struct {
        const char *key;
        const char **to;
    } texts[] = {
        { "node", &o->node },
        { "run", &o->run },
        { "host", &o->host },
        { "boot", &o->boot },
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (sg_span_is(key, texts[i].key))
            return (*texts[i].to = sg_arena_copy(a, value, err)) != NULL;
    }
    if (sg_span_is(key, "started")) {
        *ret_valid = sg_utc_parse(value.at, value.len, &o->started_s);
    } else if (sg_span_is(key, "nonce")) {
        *ret_valid = is_nonce(value);
        if (*ret_valid)
            memcpy(o->nonce, value.at, 32);
    }
    return true;
}

static bool take_number(struct sg_owner *o, struct sg_span key, int64_t v, int64_t *format)
{
    if (sg_span_is(key, "stagegraph_claim")) {
        *format = v;
    } else if (sg_span_is(key, "pid")) {
        o->pid = v;
    } else if (sg_span_is(key, "attempt")) {
        o->attempt = (uint32_t)v;
        return v >= 0 && v <= UINT32_MAX;
    }
    return true;
}

bool sg_owner_parse(struct sg_arena *a, struct sg_span text, struct sg_owner *ret, bool *ret_valid,
                    struct sg_error *err)
{
    struct sg_owner o = { .host = "", .boot = "" };
    struct sg_buf key = SG_BUF_INIT;
    struct sg_json_reader j;
    int64_t format = 0, v;
    enum sg_json_event ev;
    bool ok = true, valid;

    sg_json_reader_init(&j, text);
    valid = sg_json_next(&j) == SG_JSON_OBJECT;
    while (ok && valid && (ev = sg_json_next(&j)) != SG_JSON_OBJECT_END) {
        valid = ev == SG_JSON_KEY;
        if (!valid)
            break;
        sg_buf_clear(&key);
        ok = sg_buf_add(&key, j.text.at, j.text.len, err);
        if (!ok)
            break;
        ev = sg_json_next(&j);
        if (ev == SG_JSON_STRING)
            ok = take_text(a, &o, sg_buf_span(&key), j.text, &valid, err);
        else if (ev == SG_JSON_NUMBER)
            valid = sg_json_int(j.text, &v) ? take_number(&o, sg_buf_span(&key), v, &format) : true;
        else
            valid = sg_json_skip(&j, ev);
    }
    valid = ok && valid && sg_json_next(&j) == SG_JSON_END && format == 1 && o.node != NULL &&
            o.run != NULL && o.nonce[0] != '\0';
    sg_json_reader_done(&j);
    sg_buf_done(&key);
    if (!ok)
        return false;
    *ret_valid = valid;
    if (valid)
        *ret = o;
    return true;
}

bool sg_nonce_new(char ret[33], struct sg_error *err)
{
    struct sg_hash128 h;

    if (getrandom(&h, sizeof(h), 0) != (ssize_t)sizeof(h))
        return sg_error_set(err, SG_ERROR_SYSTEM, errno, "get random bytes");
    sg_hash128_format(h, ret);
    return true;
}

bool sg_host_facts(struct sg_arena *a, const char **ret_host, const char **ret_boot,
                   struct sg_error *err)
{
    struct sg_buf boot = SG_BUF_INIT;
    char host[256], *host_copy, *boot_copy;
    bool found, ok = false;

    if (gethostname(host, sizeof(host) - 1) != 0)
        return sg_error_set(err, SG_ERROR_SYSTEM, errno, "get the host's name");
    host[sizeof(host) - 1] = '\0';
    if (!sg_files_read(BOOT_ID_FILE, &boot, &found, err))
        goto done;
    while (boot.len != 0 && boot.at[boot.len - 1] == '\n')
        boot.len--;
    host_copy = sg_arena_text(a, host, err);
    boot_copy = host_copy != NULL ? sg_arena_copy(a, sg_buf_span(&boot), err) : NULL;
    if (boot_copy != NULL) {
        *ret_host = host_copy;
        *ret_boot = boot_copy;
        ok = true;
    }
done:
    sg_buf_done(&boot);
    return ok;
}

bool sg_claim_path(const char *stage, const char *label, struct sg_buf *out, struct sg_error *err)
{
    return sg_buf_addf(out, err, "_stagegraph/claims/%s/%s", stage, label[0] != '\0' ? label : "_");
}
