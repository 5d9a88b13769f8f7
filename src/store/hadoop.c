/*
 * The files: parsed, merged and expanded as Hadoop's Configuration does it. What a root's addresses
 * are is hadoop_namenodes.c. Each rule was tried on Hadoop 3.4.3's own class.
 */
#include "stagegraph/hadoop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <libxml/xinclude.h>
#include <libxml/xmlerror.h>

#include "hadoop_impl.h"

/* Configuration gives up at the 20th. */
#define ROUNDS 20

static const char *const FILES[] = { "core-site.xml", "hdfs-site.xml", "yarn-site.xml" };

/* The old names that are still met, of what anybody here asks for. */
static const struct {
    const char *old, *now;
} DEPRECATED[] = {
    { "fs.default.name", "fs.defaultFS" },
    { "dfs.federation.nameservices", "dfs.nameservices" },
    { "dfs.http.address", "dfs.namenode.http-address" },
    { "dfs.https.address", "dfs.namenode.https-address" },
};

static const char *name_now(const char *name)
{
    for (size_t i = 0; i < sizeof(DEPRECATED) / sizeof(DEPRECATED[0]); i++)
        if (strcmp(name, DEPRECATED[i].old) == 0)
            return DEPRECATED[i].now;
    return name;
}

static struct hadoop_property *find(const struct sg_hadoop *h, const char *name)
{
    for (size_t i = 0; i < h->n; i++)
        if (strcmp(h->at[i].name, name) == 0)
            return &h->at[i];
    return NULL;
}

static struct sg_span trimmed(struct sg_span s)
{
    static const char blank[] = " \t\r\n";

    while (s.len > 0 && strchr(blank, s.at[0]) != NULL)
        s = (struct sg_span){ s.at + 1, s.len - 1 };
    while (s.len > 0 && strchr(blank, s.at[s.len - 1]) != NULL)
        s.len--;
    return s;
}

/* ---- one file ---- */

/* What is written for one property; texts are libxml2's. */
struct written {
    xmlChar *name, *value, *final;
};

static void forget(struct written *w)
{
    xmlFree(w->name);
    xmlFree(w->value);
    xmlFree(w->final);
}

/* Takes the text over; an empty one says nothing, as with Hadoop. */
static void replace(xmlChar **field, xmlChar *text)
{
    if (text == NULL || *text == '\0') {
        xmlFree(text);
        return;
    }
    xmlFree(*field);
    *field = text;
}

static void read_property(const xmlNode *property, struct written *w)
{
    static const char *const names[] = { "name", "value", "final" };
    xmlChar **const fields[] = { &w->name, &w->value, &w->final };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        replace(fields[i], xmlGetNoNsProp(property, (const xmlChar *)names[i]));
        for (const xmlNode *n = property->children; n != NULL; n = n->next)
            if (n->type == XML_ELEMENT_NODE && xmlStrEqual(n->name, (const xmlChar *)names[i]))
                replace(fields[i], xmlNodeGetContent(n));
    }
}

static bool add_property(struct sg_hadoop *h, const struct written *w, struct sg_error *err)
{
    struct hadoop_property *p;
    const char *name;

    if (w->name == NULL)
        return true;
    name = sg_arena_copy(&h->arena, trimmed(sg_span_of((const char *)w->name)), err);
    if (name == NULL)
        return false;
    name = name_now(name);
    p = find(h, name);
    if (p == NULL) {
        if (!sg_arena_grow(&h->arena, (void **)&h->at, h->n, &h->cap, sizeof(*h->at), err))
            return false;
        p = &h->at[h->n++];
        p->name = name;
    }
    if (p->final)
        return true;
    if (w->value != NULL) {
        p->value = sg_arena_text(&h->arena, (const char *)w->value, err);
        if (p->value == NULL)
            return false;
    }
    p->final = w->final != NULL && xmlStrEqual(w->final, (const xmlChar *)"true");
    return true;
}

static bool broken(const char *path, int line, const char *why, struct sg_error *err)
{
    size_t len = strcspn(why, "\n");

    if (line <= 0)
        return sg_error_set(err, SG_ERROR_GRAPH, 0, "%s: %.*s", path, (int)len, why);
    return sg_error_set(err, SG_ERROR_GRAPH, 0, "%s:%d: %.*s", path, line, (int)len, why);
}

/* The next element in document order below `top`, into the node or past it. */
static xmlNode *following(const xmlNode *top, xmlNode *node, bool into)
{
    if (into && node->children != NULL)
        return node->children;
    while (node != top && node->next == NULL)
        node = node->parent;
    return node != top ? node->next : NULL;
}

/* An included file's <configuration> lies within ours. */
static bool read_tree(struct sg_hadoop *h, const char *path, xmlNode *top, struct sg_error *err)
{
    struct written w;
    bool ok = true, property;

    if (top == NULL || !xmlStrEqual(top->name, (const xmlChar *)"configuration"))
        return broken(path, 0, "not a <configuration>", err);
    for (xmlNode *n = top->children; n != NULL && ok; n = following(top, n, !property)) {
        property =
            n->type != XML_ELEMENT_NODE || !xmlStrEqual(n->name, (const xmlChar *)"configuration");
        if (n->type != XML_ELEMENT_NODE)
            continue;
        if (xmlStrEqual(n->name, (const xmlChar *)"include"))
            return broken(path, (int)xmlGetLineNo(n),
                          "include is not of XInclude: write xmlns:xi="
                          "\"http://www.w3.org/2001/XInclude\" and <xi:include href=\"…\"/>",
                          err);
        if (!xmlStrEqual(n->name, (const xmlChar *)"property"))
            continue;
        w = (struct written){ NULL, NULL, NULL };
        read_property(n, &w);
        ok = add_property(h, &w, err);
        forget(&w);
    }
    return ok;
}

/* libxml2 prints what nobody takes. The first error is kept; warnings (a file that is not there,
 * before its fallback is looked for) are not errors. */
struct complaint {
    bool there;
    int line;
    char path[500], text[300];
};

static void keep_first(void *ctx, xmlErrorPtr error)
{
    struct complaint *c = ctx;

    if (c->there || error->level < XML_ERR_ERROR)
        return;
    c->there = true;
    c->line = error->line;
    (void)snprintf(c->path, sizeof(c->path), "%s", error->file != NULL ? error->file : "");
    (void)snprintf(c->text, sizeof(c->text), "%s",
                   error->message != NULL ? error->message : "broken");
}

/* No DTD and no entity is fetched, nothing comes from the network, sizes are bounded by libxml2. */
static xmlDoc *parse(int fd, const char *path, struct complaint *c)
{
    const int options = XML_PARSE_NONET | XML_PARSE_NOCDATA;
    xmlStructuredErrorFunc old = xmlStructuredError;
    void *old_ctx = xmlStructuredErrorContext;
    xmlDoc *doc;

    xmlSetStructuredErrorFunc(c, keep_first);
    doc = xmlReadFd(fd, path, NULL, options);
    if (doc != NULL && xmlXIncludeProcessFlags(doc, options | XML_PARSE_NOXINCNODE) < 0) {
        xmlFreeDoc(doc);
        doc = NULL;
    }
    xmlSetStructuredErrorFunc(old_ctx, old);
    return doc;
}

static bool read_file(struct sg_hadoop *h, const char *name, struct sg_error *err)
{
    struct complaint c = { .there = false };
    const char *path = sg_arena_printf(&h->arena, err, "%s/%s", h->dir, name);
    xmlDoc *doc;
    bool ok;
    int fd;

    if (path == NULL)
        return false;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || sg_error_set(err, SG_ERROR_GRAPH, errno, "%s: open", path);
    h->files++;
    doc = parse(fd, path, &c);
    (void)close(fd); /* was only read */
    if (doc == NULL)
        return broken(c.path[0] != '\0' ? c.path : path, c.line, c.there ? c.text : "can't be read",
                      err);
    ok = read_tree(h, path, xmlDocGetRootElement(doc), err);
    xmlFreeDoc(doc);
    return ok;
}

bool sg_hadoop_open(const char *dir, const char *(*getenv_fn)(const char *name), const char *user,
                    struct sg_hadoop **ret, struct sg_error *err)
{
    struct sg_hadoop *h = calloc(1, sizeof(*h));
    bool ok = true;

    if (h == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "out of memory");
    h->getenv = getenv_fn;
    h->dir = sg_arena_text(&h->arena, dir != NULL ? dir : "", err);
    h->user = user != NULL && h->dir != NULL ? sg_arena_text(&h->arena, user, err) : NULL;
    ok = h->dir != NULL && (user == NULL || h->user != NULL);
    for (size_t i = 0; ok && *h->dir != '\0' && i < sizeof(FILES) / sizeof(FILES[0]); i++)
        ok = read_file(h, FILES[i], err);
    if (!ok) {
        sg_hadoop_free(h);
        return sg_error_wrap(err, "Hadoop's configuration");
    }
    *ret = h;
    return true;
}

/* xmlCleanupParser() is not for us to call: others in this process may use libxml2. */
void sg_hadoop_free(struct sg_hadoop *h)
{
    if (h == NULL)
        return;
    sg_arena_done(&h->arena);
    free(h);
}

/* ---- ${var} ---- */

/* The first innermost ${NAME} whose name has no blank, '$' or '}'; NULL: none. *ret_len is the
 * name's length; what comes back points at '$'. */
static const char *next_variable(const char *text, size_t *ret_len)
{
    size_t len;

    while ((text = strstr(text, "${")) != NULL) {
        len = strcspn(text + 2, "} $");
        if (text[2 + len] == '\0')
            return NULL;
        if (text[2 + len] == '}' && len > 0) {
            *ret_len = len;
            return text;
        }
        text += 2 + len + (text[2 + len] == '$' ? 0 : 1);
    }
    return NULL;
}

/* NAME, NAME-DEFAULT or NAME:-DEFAULT, of which ':' takes an empty one for none. */
static const char *environment(const struct sg_hadoop *h, char *name)
{
    char *dash = strchr(name, '-');
    const char *value;
    bool or_empty = dash != NULL && dash > name && dash[-1] == ':';

    if (dash != NULL)
        dash[or_empty ? -1 : 0] = '\0';
    value = h->getenv != NULL ? h->getenv(name) : NULL;
    if (value == NULL || (or_empty && *value == '\0'))
        return dash != NULL ? dash + 1 : NULL;
    return value;
}

/* NULL: unknown. Java's system properties, of which we have one, come before the files' own. */
static const char *variable(const struct sg_hadoop *h, char *name)
{
    const struct hadoop_property *p;

    if (strcmp(name, "user.name") == 0 && h->user != NULL)
        return h->user;
    if (strncmp(name, "env.", 4) == 0 && name[4] != '\0')
        return environment(h, name + 4);
    p = find(h, name_now(name));
    return p != NULL ? p->value : NULL;
}

static bool expand(const struct sg_hadoop *h, struct sg_arena *a, const char *name,
                   const char *text, const char **ret, struct sg_error *err)
{
    const char *at, *value;
    size_t len = 0;
    char *var;

    for (int i = 0; i < ROUNDS; i++) {
        at = next_variable(text, &len);
        if (at == NULL) {
            *ret = text;
            return true;
        }
        var = sg_arena_copy(a, (struct sg_span){ at + 2, len }, err);
        if (var == NULL)
            return false;
        value = variable(h, var);
        if (value == NULL) {
            *ret = text;
            return true;
        }
        text = sg_arena_printf(a, err, "%.*s%s%s", (int)(at - text), text, value, at + len + 3);
        if (text == NULL)
            return false;
    }
    return sg_error_set(err, SG_ERROR_GRAPH, 0, "%s: %s: more than %d variables, or in a circle",
                        h->dir, name, ROUNDS - 1);
}

bool sg_hadoop_get(const struct sg_hadoop *h, struct sg_arena *a, const char *name,
                   const char **ret, struct sg_error *err)
{
    const struct hadoop_property *p = find(h, name_now(name));
    const char *text = "";

    if (p == NULL || p->value == NULL) {
        *ret = NULL;
        return true;
    }
    if (!expand(h, a, name, p->value, &text, err))
        return false;
    text = sg_arena_copy(a, trimmed(sg_span_of(text)), err);
    if (text == NULL)
        return false;
    *ret = text;
    return true;
}
