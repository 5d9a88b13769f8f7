/*
 * hadoop: what Hadoop's own configuration says of a cluster: its files, nameservices, addresses.
 *
 * Floor: store. docs/design.md, "Hadoop's configuration". libxml2 parses (XInclude is its own).
 *
 *   sg_hadoop_open(dir) → sg_hadoop_get, sg_hadoop_namenodes … → sg_hadoop_free
 *
 * Read as Hadoop's Configuration reads: core-site.xml, hdfs-site.xml and yarn-site.xml of one
 * directory, later files over earlier ones, a property with <final>true</final> never replaced;
 * ${var} expanded when asked for (properties, ${env.NAME} and ${user.name}; at most 20 rounds; what
 * is unknown stays as written), names trimmed. A missing file is fine, a broken one an error with
 * file and line. Without a directory everything is unset.
 */
#ifndef STAGEGRAPH_HADOOP_H
#define STAGEGRAPH_HADOOP_H

#include <stdbool.h>
#include <stddef.h>

#include "stagegraph/arena.h"
#include "stagegraph/error.h"

struct sg_hadoop;

/* dir NULL or "": an empty configuration. getenv_fn may be NULL: ${env.X} stays as written. */
bool sg_hadoop_open(const char *dir, const char *(*getenv_fn)(const char *name), const char *user,
                    struct sg_hadoop **ret, struct sg_error *err) SG_MUST;
void sg_hadoop_free(struct sg_hadoop *h);
/* The expanded value, trimmed, in the arena; *ret NULL: not set. */
bool sg_hadoop_get(const struct sg_hadoop *h, struct sg_arena *a, const char *name,
                   const char **ret, struct sg_error *err) SG_MUST;

/* Where the NameNodes of a root answer WebHDFS. */
struct sg_namenodes {
    const char **bases; /* "http://host:9870", "https://host:9871": without "/webhdfs/v1" */
    size_t n;           /* 1, or those of an HA nameservice in the file's order */
    const char *path;   /* the root's path within the file system, "/…", no slash at its end */
    bool kerberos;      /* hadoop.security.authentication says so */
};
/*
 * root is hdfs://…, webhdfs://… or swebhdfs://…. hdfs://NS and webhdfs://NS of a nameservice take
 * its dfs.ha.namenodes.NS and for each dfs.namenode.http(s)-address.NS.NN, by dfs.http.policy
 * (HTTPS_ONLY: https, else http; swebhdfs always https); hdfs://HOST:PORT finds the HTTP address
 * whose dfs.namenode.rpc-address (of any nameservice, or without one, or fs.defaultFS) matches;
 * hdfs:/// is fs.defaultFS; webhdfs://HOST:PORT is that address (default ports 9870, 9871). Errors:
 * code graph, naming the root, what was looked for and in which directory.
 */
bool sg_hadoop_namenodes(const struct sg_hadoop *h, struct sg_arena *a, const char *root,
                         struct sg_namenodes *ret, struct sg_error *err) SG_MUST;

#endif
