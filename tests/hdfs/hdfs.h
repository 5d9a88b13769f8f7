/*
 * hdfs: the end-to-end tests' fixture with the store in a real HDFS.
 *
 *   int main(void) { hdfs_use("plain", false); return cmocka_run_group_tests(tests, 0, 0); }
 *
 * hdfs_use() starts the cluster of that kind below $HDFS_CLUSTERS where it isn't running (run.sh
 * stops it) and shares it with other drivers, or has one alone, as long as the driver runs: for who
 * kills daemons.
 *
 * A test has a directory of its own in HDFS, /tmp/NAME; paths of HDFS are relative to it, so the
 * usual graph's outputs have the same paths as in a local store: "warehouse/silver/dt=…/hr=…".
 */
#ifndef HDFS_H
#define HDFS_H

#include "../e2e/fixture.h"

void hdfs_use(const char *kind, bool alone);
int hdfs_setup(void **state);
int hdfs_teardown(void **state);
#define hdfs_test(f) cmocka_unit_test_setup_teardown(f, hdfs_setup, hdfs_teardown)

/* Of `cluster env`, e.g. "HDFS_URI"; fails where it isn't told. */
const char *hdfs_env(const char *name);
/* From the test's directory to the file system's root: for hdfs_client(). */
char *hdfs_path(struct e2e *t, const char *path);
/* "webhdfs" "swebhdfs" "hdfs" "httpfs" (start it: hdfs_cluster), with hdfs_proxy() "proxy" and
 * "gateway", which has a path before that of WebHDFS: what to write as root for the test's
 * warehouse. */
char *hdfs_root(struct e2e *t, const char *scheme);
/* The usual graph, its jobs and its landing hours in HDFS, `root` as above, `keys` of [store]. */
void hdfs_flights(struct e2e *t, const char *root, const char *keys);
void hdfs_land(struct e2e *t, const char *label, const char *text);
/* HOST.ini: the same graph with its state elsewhere. */
void hdfs_other_graph(struct e2e *t, const char *host);

/* ---- looking and changing, as another client */

char *hdfs_read(struct e2e *t, const char *path); /* NULL when it is not there */
void hdfs_write(struct e2e *t, const char *path, const char *text);
bool hdfs_exists(struct e2e *t, const char *path);
void hdfs_remove(struct e2e *t, const char *path);
void hdfs_make_dir(struct e2e *t, const char *path);
void hdfs_move(struct e2e *t, const char *from, const char *to);
/* Many empty files, or with `dirs` directories, at once. */
void hdfs_make_many(struct e2e *t, char **paths, size_t n, bool dirs);
void hdfs_set_mode(struct e2e *t, const char *path, const char *octal);
/* Names in a directory, sorted, separated by blanks; "" when it is not there. */
char *hdfs_names(struct e2e *t, const char *dir);
/* The status object's JSON. */
struct e2e_doc *hdfs_status(struct e2e *t, const char *path);
/* The attribute user.stagegraph; NULL: it has none, or isn't there. */
char *hdfs_attribute(struct e2e *t, const char *path);
bool hdfs_is_whole(struct e2e *t, const char *node);
/* An empty marker with a receipt of state done or accepted as its attribute. */
bool hdfs_has_receipt(struct e2e *t, const char *node);
/* Nothing of ours is left but recipes and input lists: no claim, no temporary name. */
#define hdfs_is_tidy(t) hdfs_is_tidy_at(t, __FILE__, __LINE__)
void hdfs_is_tidy_at(struct e2e *t, const char *file, int line);
/* Output of `cluster run ARGS`: the ordinary client. */
char *hdfs_client(struct e2e *t, const char *args);

/* ---- daemons and hosts */

/* Lines of the NameNode's log that have the part, e.g. "cmd=mkdirs". */
size_t hdfs_audit(struct e2e *t, const char *part);
/* `cluster ARGS`; programs of the test go on meanwhile. */
void hdfs_cluster(struct e2e *t, const char *args);
/* stagegraph -f HOST.ini … in namespaces of its own: another host name and boot id. */
struct e2e_proc *hdfs_start_on(struct e2e *t, const char *host, const char *fmt, ...)
    E2E_PRINTF(3, 4);
/* So many of them, each on a host of its own, run the node at once: one makes it, and the others
 * see that. */
#define HDFS_CONTENDERS 16
void hdfs_contend(struct e2e *t, size_t n, const char *node);

/* ---- YARN: clusters of kind yarn, and secure */

/* client.sh, for jobs: `submit` starts an application with the attempt's tag, a container that
 * sleeps; its id is in $app then and a line of the file apps, the container's pid in a file of that
 * name. It never registers, so it stays ACCEPTED. `state ID` says so. */
void hdfs_yarn_client(struct e2e *t);

/* ---- the proxy: see helpers/faultproxy.c */

/* Starts it; what hdfs_root(t, "proxy") says then leads through it. */
void hdfs_proxy(struct e2e *t);
/* Forgets what was counted. */
void hdfs_spoil(struct e2e *t, const char *rules);
char *hdfs_log(struct e2e *t);
/* Requests since hdfs_spoil() whose line has the part; "" all. */
size_t hdfs_requests(struct e2e *t, const char *part);

#endif
