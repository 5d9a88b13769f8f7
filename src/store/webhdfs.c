/*
 * The store over WebHDFS: opening it. docs/design.md, "WebHDFS".
 */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stagegraph/text.h"

#include "webhdfs_impl.h"

#define CONNECT_MS 10000
#define PAUSE_MS   100
#define SILENCE_MS 5000

static void wh_free(struct sg_store *s)
{
    struct sg_webhdfs *w = wh_of(s);

    wh_claims_free(w);
    wh_scan_free(w);
    if (w->http != NULL)
        wh_token_cancel(w);
    sg_http_free(w->http);
    sg_buf_done(&w->token);
    sg_arena_done(&w->arena);
    pthread_mutex_destroy(&w->lock);
    pthread_mutex_destroy(&w->token_lock);
    wh_seen_free(w->seen);
    free(w);
}

static void wh_counted(struct sg_store *s, struct sg_store_traffic *ret)
{
    const struct sg_http_count c = sg_http_counted(wh_of(s)->http);

    *ret = (struct sg_store_traffic){ c.requests, c.sent_bytes + c.received_bytes };
}

static const struct sg_store_ops wh_ops = {
    .free = wh_free,
    .stat = wh_store_stat,
    .stat_many = wh_store_stat_many,
    .stat_again = wh_store_stat_again,
    .look_many = wh_store_look_many,
    .receipts = wh_store_receipts,
    .stat_dirs = wh_store_stat_dirs,
    .counted = wh_counted,
    .list = wh_store_list,
    .walk = wh_store_walk,
    .read = wh_store_read,
    .checksum = wh_store_checksum,
    .is_open = wh_store_is_open,
    .flush_file = wh_store_flush, /* what is closed is on its DataNodes; more can't be asked for */
    .flush_dir = wh_store_flush,
    .make_dir = wh_store_make_dir,
    .remove_tree = wh_store_remove_tree,
    .put = wh_store_put,
    .read_marker = wh_store_read_marker,
    .read_seen = wh_store_read_seen,
    .put_marker = wh_store_put_marker,
    .rename_marker = wh_store_rename_marker,
    .remove_marker = wh_store_remove_marker,
    .remove_listed_marker = wh_store_remove_listed_marker,
    .claim_take = wh_claim_take,
    .claim_replace = wh_claim_replace,
    .claim_verify = wh_claim_verify,
    .claim_time = wh_claim_time,
    .claim_drop = wh_claim_drop,
    .claim_leave = wh_claim_leave,
    .claim_list = wh_claim_list,
    .claim_look = wh_claim_look,
    .fenced = wh_claim_fenced,
    .trouble = wh_trouble,
    .now = wh_store_now,
    .health = wh_store_health,
};

/* ---- the umask of Hadoop's configuration, which its clients apply: the servers don't ---- */

/* "u=rwx,g=rx,o=": what each may; the umask is the rest. One with + or - would change ours. */
static bool parse_symbolic(const char *text, unsigned *ret)
{
    unsigned mask = 0777;

    while (*text != '\0') {
        unsigned who = 0, what = 0;

        for (; *text != '\0' && strchr("ugoa", *text) != NULL; text++)
            who |= *text == 'u' ? 0700 : *text == 'g' ? 0070 : *text == 'o' ? 0007 : 0777;
        if (who == 0 || *text++ != '=')
            return false;
        for (; *text != '\0' && strchr("rwx", *text) != NULL; text++)
            what |= *text == 'r' ? 0444 : *text == 'w' ? 0222 : 0111;
        mask = (mask | who) & ~(who & what);
        if (*text == ',')
            text++;
        else if (*text != '\0')
            return false;
    }
    *ret = mask;
    return true;
}

static bool parse_umask(const char *text, unsigned *ret)
{
    unsigned v = 0;

    if (text[0] == '\0')
        return false;
    if (strspn(text, "01234567") != strlen(text))
        return parse_symbolic(text, ret);
    for (; *text != '\0' && v <= 0777; text++)
        v = v * 8 + (unsigned)(*text - '0');
    if (v > 0777)
        return false;
    *ret = v;
    return true;
}

static bool take_umask(struct sg_webhdfs *w, const struct sg_hadoop *h, struct sg_error *err)
{
    const char *text = NULL;
    unsigned umask = 022;

    if (!sg_hadoop_get(h, &w->arena, "fs.permissions.umask-mode", &text, err))
        return false;
    if (text != NULL && !parse_umask(text, &umask))
        return sg_error_set(err, SG_ERROR_GRAPH, 0,
                            "fs.permissions.umask-mode = %s in Hadoop's configuration: expected "
                            "octal digits or u=rwx,g=rx,o=rx",
                            text);
    w->dir_mode =
        sg_arena_printf(&w->arena, err, "&permission=%03o&unmaskedpermission=777", 0777 & ~umask);
    w->file_mode =
        sg_arena_printf(&w->arena, err, "&permission=%03o&unmaskedpermission=666", 0666 & ~umask);
    return w->dir_mode != NULL && w->file_mode != NULL;
}

/* ---- who we are ---- */

bool wh_own_user(char *ret, size_t cap, struct sg_error *err)
{
    char buf[4096];
    struct passwd pw, *found = NULL;

    if (getpwuid_r(geteuid(), &pw, buf, sizeof(buf), &found) != 0 || found == NULL)
        return sg_error_set(err, SG_ERROR_GRAPH, 0,
                            "user %u has no name on this machine: write user = NAME in [store]",
                            (unsigned)geteuid());
    snprintf(ret, cap, "%s", pw.pw_name);
    return true;
}

static bool take_user(struct sg_webhdfs *w, const char *user, struct sg_error *err)
{
    struct sg_buf encoded = SG_BUF_INIT;
    bool ok;

    ok = wh_add_value(&encoded, user, err);
    if (ok) {
        w->user = sg_arena_text(&w->arena, sg_buf_text(&encoded), err);
        ok = w->user != NULL;
    }
    sg_buf_done(&encoded);
    return ok;
}

/* ---- opening ---- */

static bool take_copy(struct sg_webhdfs *w, const char *text, const char **ret,
                      struct sg_error *err)
{
    *ret = text != NULL ? sg_arena_text(&w->arena, text, err) : NULL;
    return text == NULL || *ret != NULL;
}

static enum wh_receipts receipts_of(const char *text)
{
    if (text != NULL && strcmp(text, "attribute") == 0)
        return WH_RECEIPTS_ATTRIBUTE;
    return text != NULL && strcmp(text, "content") == 0 ? WH_RECEIPTS_CONTENT : WH_RECEIPTS_AUTO;
}

static bool read_hadoop(struct sg_webhdfs *w, const struct sg_store_config *config,
                        const char *user, struct sg_error *err)
{
    struct sg_hadoop *h = NULL;
    bool ok;

    if (!sg_hadoop_open(config->conf_dir, config->getenv, user, &h, err))
        return false;
    ok = sg_hadoop_namenodes(h, &w->arena, config->root, &w->nn, err) && take_umask(w, h, err);
    sg_hadoop_free(h);
    if (!ok)
        return false;
    w->kerberos = config->auth != NULL && strcmp(config->auth, "kerberos") == 0;
    if (config->auth == NULL || strcmp(config->auth, "auto") == 0)
        w->kerberos = w->nn.kerberos;
    return w->kerberos || take_user(w, user, err);
}

static bool open_http(struct sg_webhdfs *w, const struct sg_store_config *config,
                      struct sg_error *err)
{
    struct sg_http_config http = { .connections =
                                       config->connections > 0 ? (unsigned)config->connections : 16,
                                   .negotiate = w->kerberos,
                                   .ca = config->ca,
                                   .connect_ms = CONNECT_MS,
                                   .stopped = &w->base.stopped };

    /* Two attempts within the deadline, so that the other one of a pair has its chance. */
    if (http.connect_ms > w->deadline_ms / 2)
        http.connect_ms = w->deadline_ms / 2;
    w->base.threads = http.connections;
    return sg_http_open(&http, &w->http, err);
}

static bool fill(struct sg_webhdfs *w, const struct sg_store_config *config, struct sg_error *err)
{
    char name[256];
    const char *user = config->user;

    if (user == NULL) {
        if (!wh_own_user(name, sizeof(name), err))
            return false;
        user = name;
    }
    w->deadline_ms = (config->deadline_s > 0 ? config->deadline_s : 60) * 1000;
    w->lease_s = config->lease_s;
    w->pause_ms = PAUSE_MS;
    w->receipts = receipts_of(config->receipts);
    if (!take_copy(w, config->state, &w->state, err) || !read_hadoop(w, config, user, err) ||
        !open_http(w, config, err))
        return false;
    w->base.root = strdup(config->root);
    w->base.uri = strdup(config->root);
    if (w->base.root == NULL || w->base.uri == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "out of memory");
    for (char **text = (char *[]){ w->base.root, w->base.uri, NULL }; *text != NULL; text++) {
        size_t n = strlen(*text);

        while (n > 1 && (*text)[n - 1] == '/' && (*text)[n - 2] != '/')
            (*text)[--n] = '\0';
    }
    return wh_scan_open(w, err) && wh_claims_open(w, err);
}

__attribute__((visibility("default"))) bool
sg_webhdfs_open(const struct sg_store_config *config, struct sg_store **ret, struct sg_error *err)
{
    struct sg_webhdfs *w = calloc(1, sizeof(*w));

    if (w == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "out of memory");
    w->base.ops = &wh_ops;
    w->base.sync = config->sync;
    w->base.write_once = true; /* what is appended to is not looked for */
    w->silence_ms = SILENCE_MS;
    pthread_mutex_init(&w->lock, NULL);
    pthread_mutex_init(&w->token_lock, NULL);
    if (!fill(w, config, err)) {
        free(w->base.root);
        free(w->base.uri);
        wh_free(&w->base);
        return sg_error_wrap(err, "root %s", config->root);
    }
    *ret = &w->base;
    return true;
}
