/* Where the ResourceManagers of a cluster answer REST, by what hadoop.c has read. */
#include <string.h>
#include <strings.h>

#include "hadoop_impl.h"
#include "stagegraph/hadoop.h"
#include "stagegraph/text.h"

#define PREFIX     "yarn.resourcemanager."
#define HTTP_PORT  "8088"
#define HTTPS_PORT "8090"
#define SEPARATORS ", \t\r\n"

/* What one question is about. */
struct asked {
    const struct sg_hadoop *h;
    struct sg_arena *a;
    struct sg_resource_managers *ret;
    size_t cap;
    struct sg_error *err;
};

static bool get(const struct asked *q, const char *key, const char *suffix, const char **ret)
{
    const char *name = sg_arena_printf(q->a, q->err, "%s%s%s%s", PREFIX, key,
                                       suffix[0] != '\0' ? "." : "", suffix);

    return name != NULL && sg_hadoop_get(q->h, q->a, name, ret, q->err);
}

static bool is_true(const struct asked *q, const char *name, const char *wanted, bool *ret)
{
    const char *value;

    if (!sg_hadoop_get(q->h, q->a, name, &value, q->err))
        return false;
    *ret = value != NULL && strcasecmp(value, wanted) == 0;
    return true;
}

/* The port of "HOST:PORT", which may be missing; false: neither. "[::1]" keeps its brackets. */
static bool has_port(const char *address, bool *ret)
{
    size_t host = address[0] == '[' ? strcspn(address, "]") + 1 : strcspn(address, ":");
    int64_t port;

    *ret = host < strlen(address) && address[host] == ':';
    return host > 0 && strpbrk(address, "${}/@?# \t") == NULL &&
           (!*ret || (sg_text_int(address + host + 1, &port) && port > 0 && port < 65536)) &&
           (*ret || host >= strlen(address));
}

static bool add(struct asked *q, const char *what, bool https, const char *address)
{
    bool port;
    const char *base;

    if (!has_port(address, &port))
        return sg_error_set(q->err, SG_ERROR_GRAPH, 0, "%s = %s is no HOST:PORT", what, address);
    base = sg_arena_printf(q->a, q->err, "%s://%s%s%s", https ? "https" : "http", address,
                           port ? "" : ":",
                           port    ? ""
                           : https ? HTTPS_PORT
                                   : HTTP_PORT);
    if (base == NULL ||
        !sg_arena_grow(q->a, (void **)&q->ret->bases, q->ret->n, &q->cap, sizeof(base), q->err))
        return false;
    q->ret->bases[q->ret->n++] = base;
    return true;
}

/* ---- as the graph file gives them ---- */

static bool add_url(struct asked *q, const char *url)
{
    size_t scheme = strncmp(url, "https://", 8) == 0  ? 8
                    : strncmp(url, "http://", 7) == 0 ? 7
                                                      : 0; /* then it is no HOST:PORT */
    size_t n = strlen(url), host = strcspn(url + scheme, "/");
    const char *address = sg_arena_copy(q->a, (struct sg_span){ url + scheme, host }, q->err);
    const char *path;

    while (n > scheme + host && url[n - 1] == '/')
        n--;
    path = sg_arena_copy(q->a, (struct sg_span){ url + scheme + host, n - scheme - host }, q->err);
    if (address == NULL || path == NULL || !add(q, "resource_manager", scheme == 8, address))
        return false;
    q->ret->bases[q->ret->n - 1] =
        sg_arena_printf(q->a, q->err, "%s%s", q->ret->bases[q->ret->n - 1], path);
    return q->ret->bases[q->ret->n - 1] != NULL;
}

static bool add_given(struct asked *q, const char *given, bool https)
{
    for (size_t n; *(given += strspn(given, SEPARATORS)) != '\0'; given += n) {
        const char *one;

        n = strcspn(given, SEPARATORS);
        one = sg_arena_copy(q->a, (struct sg_span){ given, n }, q->err);
        if (one == NULL || !(strstr(one, "://") != NULL ? add_url(q, one)
                                                        : add(q, "resource_manager", https, one)))
            return false;
    }
    return true;
}

/* ---- as yarn-site.xml does ---- */

static bool is_wildcard(const char *address)
{
    return address[0] == ':' || strncmp(address, "0.0.0.0", 7) == 0;
}

/* One ResourceManager, whose keys end in ".ID"; id "": the only one. */
static bool add_one(struct asked *q, bool https, const char *id)
{
    const char *key = https ? "webapp.https.address" : "webapp.address", *address, *host, *colon;

    if (!get(q, key, id, &address) || !get(q, "hostname", id, &host))
        return false;
    if (address != NULL && !is_wildcard(address))
        return add(q, https ? PREFIX "webapp.https.address" : PREFIX "webapp.address", https,
                   address);
    if (host == NULL || is_wildcard(host))
        return true; /* it is not named */
    colon = address != NULL ? strrchr(address, ':') : NULL;
    host = sg_arena_printf(q->a, q->err, "%s%s", host, colon != NULL ? colon : "");
    return host != NULL && add(q, PREFIX "hostname", https, host);
}

static bool add_configured(struct asked *q, bool https)
{
    const char *ids;
    bool ha;

    if (!is_true(q, PREFIX "ha.enabled", "true", &ha))
        return false;
    if (!ha)
        return add_one(q, https, "");
    if (!get(q, "ha.rm-ids", "", &ids))
        return false;
    for (size_t n; ids != NULL && *(ids += strspn(ids, SEPARATORS)) != '\0'; ids += n) {
        const char *id;

        n = strcspn(ids, SEPARATORS);
        id = sg_arena_copy(q->a, (struct sg_span){ ids, n }, q->err);
        if (id == NULL || !add_one(q, https, id))
            return false;
    }
    return true;
}

bool sg_hadoop_resource_managers(const struct sg_hadoop *h, struct sg_arena *a, const char *given,
                                 struct sg_resource_managers *ret, struct sg_error *err)
{
    struct sg_resource_managers found = { .n = 0 };
    struct asked q = { .h = h, .a = a, .ret = &found, .err = err };
    bool https = false;

    if (!is_true(&q, "yarn.http.policy", "HTTPS_ONLY", &https) ||
        !is_true(&q, "hadoop.security.authentication", "kerberos", &found.kerberos) ||
        !(given != NULL && given[0] != '\0' ? add_given(&q, given, https)
                                            : add_configured(&q, https)))
        return false;
    *ret = found;
    return true;
}
