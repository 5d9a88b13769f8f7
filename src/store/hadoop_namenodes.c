/* Where a root's NameNodes answer WebHDFS, by what hadoop.c has read. */
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "hadoop_impl.h"
#include "stagegraph/hadoop.h"
#include "stagegraph/text.h"

#define RPC_PORT   8020
#define HTTP_PORT  9870
#define HTTPS_PORT 9871
#define PREFIX_END "/webhdfs/v1"

static const char *const RPC_KEYS[] = { "dfs.namenode.rpc-address",
                                        "dfs.namenode.servicerpc-address" };

enum scheme { HDFS, WEBHDFS, SWEBHDFS };

struct address {
    const char *host; /* "[::1]" with its brackets; "" not said */
    int64_t port;     /* 0: not said */
};

/* What one question is about. */
struct asked {
    const struct sg_hadoop *h;
    struct sg_arena *a;
    struct sg_error *err;
};

static bool get(const struct asked *q, const char *key, const char *suffix, const char **ret)
{
    const char *name = sg_arena_printf(q->a, q->err, "%s%s", key, suffix);

    return name != NULL && sg_hadoop_get(q->h, q->a, name, ret, q->err);
}

/* Always false: what was not found, and where it was looked for. */
static bool lacking(const struct asked *q, const char *what)
{
    const char *dir = q->h->dir;

    if (*dir == '\0')
        return sg_error_set(q->err, SG_ERROR_GRAPH, 0,
                            "%s: no directory of Hadoop's configuration is set (HADOOP_CONF_DIR)",
                            what);
    if (access(dir, F_OK) != 0)
        return sg_error_set(q->err, SG_ERROR_GRAPH, 0,
                            "%s: HADOOP_CONF_DIR is %s, which is not there", what, dir);
    if (q->h->files == 0)
        return sg_error_set(q->err, SG_ERROR_GRAPH, 0,
                            "%s: there is no core-site.xml or hdfs-site.xml in %s", what, dir);
    return sg_error_set(q->err, SG_ERROR_GRAPH, 0, "%s in %s", what, dir);
}

/* "host:port", "host", ":port", "[::1]:port"; `what` is the key that has it, "" for the root. */
static bool split(const struct asked *q, const char *what, struct sg_span text, struct address *ret)
{
    const char *whole = sg_arena_copy(q->a, text, q->err);
    size_t host;
    struct address at = { "", 0 };

    if (whole == NULL)
        return false;
    host = *whole == '[' ? strcspn(whole, "]") + 1 : strcspn(whole, ":");
    if (host > text.len || strpbrk(whole, "${}/@?# \t") != NULL ||
        (whole[host] != '\0' && (whole[host] != ':' || !sg_text_int(whole + host + 1, &at.port) ||
                                 at.port < 1 || at.port > 65535)))
        return *what == '\0'
                   ? sg_error_set(q->err, SG_ERROR_GRAPH, 0, "%s is no HOST:PORT", whole)
                   : sg_error_set(q->err, SG_ERROR_GRAPH, 0, "%s = %s is no HOST:PORT in %s", what,
                                  whole, q->h->dir);
    at.host = sg_arena_copy(q->a, (struct sg_span){ whole, host }, q->err);
    if (at.host == NULL)
        return false;
    *ret = at;
    return true;
}

/* The address under key + suffix; *ret_there false: not set. */
static bool get_address(const struct asked *q, const char *key, const char *suffix,
                        struct address *ret, bool *ret_there)
{
    const char *text, *name = sg_arena_printf(q->a, q->err, "%s%s", key, suffix);

    if (name == NULL || !get(q, name, "", &text))
        return false;
    *ret_there = text != NULL && *text != '\0';
    return !*ret_there || split(q, name, sg_span_of(text), ret);
}

/* ---- the root ---- */

/* False: not of ours. */
static bool split_uri(const char *uri, enum scheme *ret, struct sg_span *ret_authority,
                      const char **ret_path)
{
    static const char *const names[] = {
        [HDFS] = "hdfs://", [WEBHDFS] = "webhdfs://", [SWEBHDFS] = "swebhdfs://"
    };
    size_t len;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        len = strlen(names[i]);
        if (strncmp(uri, names[i], len) != 0)
            continue;
        *ret = (enum scheme)i;
        *ret_authority = (struct sg_span){ uri + len, strcspn(uri + len, "/") };
        *ret_path = uri + len + ret_authority->len;
        return true;
    }
    return false;
}

/* fs.defaultFS, for a root without an authority. *ret_authority is empty where it isn't set. */
static bool default_root(const struct asked *q, enum scheme *ret, struct sg_span *ret_authority)
{
    const char *text, *path;

    if (!get(q, "fs.defaultFS", "", &text))
        return false;
    *ret_authority = (struct sg_span){ NULL, 0 };
    if (text == NULL || split_uri(text, ret, ret_authority, &path))
        return true;
    if (strpbrk(text, "/ ") != NULL)
        return true; /* of another file system */
    *ret = HDFS;
    *ret_authority = sg_span_of(text); /* "host:8020", as it was written once */
    return true;
}

/* The prefix of a gateway and the path within the file system. */
static bool split_path(const struct asked *q, enum scheme scheme, const char *path,
                       const char **ret_prefix, const char **ret_path)
{
    const char *end = NULL;
    size_t len;

    if (scheme != HDFS)
        for (const char *at = path; end == NULL && (at = strstr(at, PREFIX_END)) != NULL;
             at += sizeof(PREFIX_END) - 1)
            if (at[sizeof(PREFIX_END) - 1] == '/' || at[sizeof(PREFIX_END) - 1] == '\0')
                end = at;
    *ret_prefix = sg_arena_copy(
        q->a, (struct sg_span){ path, end != NULL ? (size_t)(end - path) : 0 }, q->err);
    if (end != NULL)
        path = end + sizeof(PREFIX_END) - 1;
    for (len = strlen(path); len > 0 && path[len - 1] == '/'; len--)
        ;
    *ret_path = sg_arena_copy(q->a, (struct sg_span){ path, len }, q->err);
    return *ret_prefix != NULL && *ret_path != NULL;
}

/* ---- addresses ---- */

static const char *base_of(const struct asked *q, bool https, const struct address *at,
                           const char *prefix)
{
    const int64_t port = at->port != 0 ? at->port : https ? HTTPS_PORT : HTTP_PORT;

    return sg_arena_printf(q->a, q->err, "%s://%s:%lld%s", https ? "https" : "http", at->host,
                           (long long)port, prefix);
}

static bool is_wildcard(const char *host)
{
    return *host == '\0' || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "[::]") == 0;
}

/* The host on which a NameNode takes RPC; NULL: not said. */
static bool rpc_host(const struct asked *q, const char *suffix, const char **ret)
{
    struct address at;
    bool there;

    *ret = NULL;
    for (size_t i = 0; i < sizeof(RPC_KEYS) / sizeof(RPC_KEYS[0]) && *ret == NULL; i++) {
        if (!get_address(q, RPC_KEYS[i], suffix, &at, &there))
            return false;
        if (there && !is_wildcard(at.host))
            *ret = at.host;
    }
    return true;
}

/* The base of the NameNode whose keys end in `suffix`; `host`: where it is known to be, or NULL.
 * A nameservice of one NameNode may have its keys without a suffix (alone). */
static bool http_base(const struct asked *q, bool https, const char *suffix, bool alone,
                      const char *host, const char **ret)
{
    const char *key = https ? "dfs.namenode.https-address" : "dfs.namenode.http-address";
    struct address at = { "", 0 };
    bool there;

    if (!get_address(q, key, suffix, &at, &there) ||
        (!there && alone && !get_address(q, key, "", &at, &there)))
        return false;
    if (is_wildcard(at.host)) {
        if (host == NULL &&
            (!rpc_host(q, suffix, &host) || (host == NULL && alone && !rpc_host(q, "", &host))))
            return false;
        if (host == NULL) {
            const char *what = sg_arena_printf(q->a, q->err,
                                               "neither %s%s nor dfs.namenode.rpc-address%s says "
                                               "its host",
                                               key, suffix, suffix);
            return what != NULL && lacking(q, what);
        }
        at.host = host;
    }
    *ret = base_of(q, https, &at, "");
    return *ret != NULL;
}

/* The words of a list as "a, b" or over lines; NULL is none. */
static bool next_word(const char **list, struct sg_span *ret)
{
    static const char between[] = ", \t\r\n";

    if (*list == NULL)
        return false;
    *list += strspn(*list, between);
    *ret = (struct sg_span){ *list, strcspn(*list, between) };
    *list += ret->len;
    return ret->len > 0;
}

static bool has_word(const char *list, const char *word)
{
    struct sg_span s;

    while (next_word(&list, &s))
        if (sg_span_is(s, word))
            return true;
    return false;
}

/* Of a nameservice; *ret_n 0: `name` is none. */
static bool of_nameservice(const struct asked *q, const char *name, bool https,
                           const char ***ret_bases, size_t *ret_n)
{
    const char *services, *ids, *suffix, **bases = NULL;
    size_t n = 0, cap = 0;
    struct sg_span id;

    suffix = sg_arena_printf(q->a, q->err, ".%s", name);
    if (suffix == NULL || !get(q, "dfs.nameservices", "", &services) ||
        !get(q, "dfs.ha.namenodes", suffix, &ids))
        return false;
    while (next_word(&ids, &id)) {
        suffix = sg_arena_printf(q->a, q->err, ".%s.%.*s", name, (int)id.len, id.at);
        if (suffix == NULL ||
            !sg_arena_grow(q->a, (void **)&bases, n, &cap, sizeof(*bases), q->err) ||
            !http_base(q, https, suffix, false, NULL, &bases[n]))
            return false;
        n++;
    }
    if (n == 0 && has_word(services, name)) {
        bases = SG_ARENA_NEW(q->a, 1, const char *, q->err);
        if (bases == NULL || !http_base(q, https, suffix, true, NULL, &bases[0]))
            return false;
        n = 1;
    }
    *ret_bases = bases;
    *ret_n = n;
    return true;
}

static bool same_rpc(const struct address *a, const struct address *b)
{
    return strcasecmp(a->host, b->host) == 0 &&
           (a->port != 0 ? a->port : RPC_PORT) == (b->port != 0 ? b->port : RPC_PORT);
}

/* The suffix (".NS.NN", ".NS", "") of the NameNode that takes RPC there; NULL: unknown. */
static bool suffix_of_rpc(const struct asked *q, const struct address *wanted, const char **ret)
{
    struct sg_span authority;
    enum scheme scheme = HDFS;
    struct address at;
    const char *rest;
    size_t len;
    bool there;

    *ret = NULL;
    for (size_t i = 0; i < q->h->n; i++)
        for (size_t k = 0; k < sizeof(RPC_KEYS) / sizeof(RPC_KEYS[0]); k++) {
            len = strlen(RPC_KEYS[k]);
            rest = q->h->at[i].name + len;
            if (strncmp(q->h->at[i].name, RPC_KEYS[k], len) != 0 || (*rest != '\0' && *rest != '.'))
                continue;
            if (!get_address(q, q->h->at[i].name, "", &at, &there))
                return false;
            if (there && same_rpc(wanted, &at)) {
                *ret = rest;
                return true;
            }
        }
    if (!default_root(q, &scheme, &authority) ||
        (authority.len > 0 && !split(q, "fs.defaultFS", authority, &at)))
        return false;
    if (authority.len > 0 && scheme == HDFS && same_rpc(wanted, &at))
        *ret = "";
    return true;
}

static bool of_rpc(const struct asked *q, const struct address *wanted, bool https,
                   const char **ret)
{
    const char *suffix, *what;

    if (!suffix_of_rpc(q, wanted, &suffix))
        return false;
    if (suffix != NULL)
        return http_base(q, https, suffix, false, wanted->host, ret);
    what = wanted->port != 0
               ? sg_arena_printf(q->a, q->err,
                                 "no dfs.namenode.rpc-address is %s:%lld (write webhdfs://%s:%d/… "
                                 "to name its HTTP address)",
                                 wanted->host, (long long)wanted->port, wanted->host, HTTP_PORT)
               : sg_arena_printf(q->a, q->err,
                                 "%s is no nameservice (dfs.nameservices), and no "
                                 "dfs.namenode.rpc-address is %s:%d",
                                 wanted->host, wanted->host, RPC_PORT);
    return what != NULL && lacking(q, what);
}

static bool find_bases(const struct asked *q, enum scheme scheme, struct sg_span authority,
                       const char *prefix, bool tls, bool https_only, struct sg_namenodes *nn)
{
    const bool https = tls || https_only;
    struct address at;

    if (!split(q, "", authority, &at))
        return false;
    nn->n = 0;
    if (at.port == 0 && *prefix == '\0' && !of_nameservice(q, at.host, https, &nn->bases, &nn->n))
        return false;
    if (nn->n > 0)
        return true;
    if (*at.host == '\0')
        return sg_error_set(q->err, SG_ERROR_GRAPH, 0, "its host is missing");
    nn->bases = SG_ARENA_NEW(q->a, 1, const char *, q->err);
    if (nn->bases == NULL)
        return false;
    nn->n = 1;
    if (scheme == HDFS)
        return of_rpc(q, &at, https, &nn->bases[0]);
    nn->bases[0] = base_of(q, tls, &at, prefix);
    return nn->bases[0] != NULL;
}

/* fs.defaultFS in the root's place. */
static bool take_default(const struct asked *q, enum scheme *scheme, struct sg_span *authority)
{
    return default_root(q, scheme, authority) &&
           (authority->len > 0 ||
            lacking(q, "it names no host, and fs.defaultFS is no hdfs://NAMESERVICE"));
}

bool sg_hadoop_namenodes(const struct sg_hadoop *h, struct sg_arena *a, const char *root,
                         struct sg_namenodes *ret, struct sg_error *err)
{
    const struct asked q = { h, a, err };
    const char *policy, *security, *prefix, *path;
    struct sg_span authority;
    enum scheme scheme;
    struct sg_namenodes nn = { .n = 0 };
    bool tls;

    if (!split_uri(root, &scheme, &authority, &path))
        return sg_error_set(err, SG_ERROR_GRAPH, 0, "not hdfs://, webhdfs:// or swebhdfs://");
    tls = scheme == SWEBHDFS;
    if (!split_path(&q, scheme, path, &prefix, &nn.path) ||
        (authority.len == 0 && !take_default(&q, &scheme, &authority)) ||
        !get(&q, "dfs.http.policy", "", &policy) ||
        !get(&q, "hadoop.security.authentication", "", &security) ||
        !find_bases(&q, scheme, authority, prefix, tls || scheme == SWEBHDFS,
                    policy != NULL && strcasecmp(policy, "HTTPS_ONLY") == 0, &nn))
        return false;
    nn.kerberos = security != NULL && strcasecmp(security, "kerberos") == 0;
    *ret = nn;
    return true;
}
