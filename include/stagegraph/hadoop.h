/*
 * hadoop: what Hadoop's own configuration says of a cluster: its files, nameservices, addresses.
 *
 * Floor: store. docs/design.md, "Hadoop's configuration". libxml2 parses (XInclude is its own).
 *
 *   sg_hadoop_open(dir) → sg_hadoop_get, sg_hadoop_namenodes … → sg_hadoop_free
 *
 * Read as Hadoop's Configuration reads: core-site.xml, hdfs-site.xml and yarn-site.xml of one
 * directory, what comes later over what came earlier, a property with <final>true</final> never
 * replaced, one without a value as if it weren't there; names trimmed; both ways to write a
 * property (elements, attributes); deprecated names of what we ask for as their new ones. ${var} is
 * expanded when asked for: ${user.name}, properties, and ${env.NAME}, ${env.NAME-default},
 * ${env.NAME:-default}; what is unknown ends the expansion and stays as written, and after 20
 * rounds it is an error. A missing file is fine, a broken one an error (code graph) with file and
 * line. Nothing is ever read from the network. Without a directory everything is unset; Hadoop's
 * own defaults (core-default.xml) are not here.
 */
#ifndef STAGEGRAPH_HADOOP_H
#define STAGEGRAPH_HADOOP_H

#include <stdbool.h>
#include <stddef.h>

#include "stagegraph/arena.h"
#include "stagegraph/error.h"

struct sg_hadoop;

/* dir NULL or "": an empty configuration. getenv_fn may be NULL: ${env.X} stays as written, or is
 * its default. user may be NULL: ${user.name} stays. The struct is read-only afterwards. */
bool sg_hadoop_open(const char *dir, const char *(*getenv_fn)(const char *name), const char *user,
                    struct sg_hadoop **ret, struct sg_error *err) SG_MUST;
void sg_hadoop_free(struct sg_hadoop *h);
/* The expanded value, trimmed, in the arena; *ret NULL: not set. */
bool sg_hadoop_get(const struct sg_hadoop *h, struct sg_arena *a, const char *name,
                   const char **ret, struct sg_error *err) SG_MUST;

/* Where the NameNodes of a root answer WebHDFS. */
struct sg_namenodes {
    const char **bases; /* "http://host:9870", "https://gateway:8443/gateway/default": what comes
                           before "/webhdfs/v1" */
    size_t n;           /* 1, or those of an HA nameservice in the file's order */
    const char *path; /* the root's path within the file system: "/…" without a slash at its end;
                         "" is "/" itself */
    bool kerberos;    /* hadoop.security.authentication says so */
};
/*
 * root is hdfs://…, webhdfs://… or swebhdfs://…; all that is returned lies in the arena.
 *
 *   SCHEME://NS              a nameservice: for each of dfs.ha.namenodes.NS (or for itself alone)
 *                            dfs.namenode.http-address.NS.NN or https-address
 *   hdfs://HOST[:8020]       the NameNode whose dfs.namenode.(service)rpc-address it is, of any
 *                            nameservice or of none (where that is fs.defaultFS)
 *   webhdfs://HOST[:9870]    that address; swebhdfs://HOST[:9871] the same over TLS
 *   webhdfs://GATEWAY:8443/PREFIX/webhdfs/v1/PATH
 *                            that address and prefix; the root's path is PATH
 *   SCHEME:///PATH           fs.defaultFS
 *
 * https is for swebhdfs and where dfs.http.policy is HTTPS_ONLY. An address without a host, or of
 * all interfaces (0.0.0.0), has the host of the rpc-address; its default ports are 9870 and 9871.
 * Errors: code graph, naming what was looked for and in which directory, not the root.
 */
bool sg_hadoop_namenodes(const struct sg_hadoop *h, struct sg_arena *a, const char *root,
                         struct sg_namenodes *ret, struct sg_error *err) SG_MUST;

/* Where the ResourceManagers of a cluster answer REST. */
struct sg_resource_managers {
    const char **bases; /* "http://host:8088": what comes before "/ws/v1" */
    size_t n;           /* 0: none is named; more than one: those of a pair, in the file's order */
    bool kerberos;
};
/*
 * given: HOST, HOST:PORT or http[s]://HOST:PORT[/PREFIX], separated by commas or blanks. NULL: by
 * yarn-site.xml, where yarn.resourcemanager.webapp.address (webapp.https.address where
 * yarn.http.policy is HTTPS_ONLY), or yarn.resourcemanager.hostname names one; with ha.enabled the
 * same keys with each of ha.rm-ids behind them. Default ports are 8088 and 8090. All that is
 * returned lies in the arena. Errors: code graph.
 */
bool sg_hadoop_resource_managers(const struct sg_hadoop *h, struct sg_arena *a, const char *given,
                                 struct sg_resource_managers *ret, struct sg_error *err) SG_MUST;

#endif
