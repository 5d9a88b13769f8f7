#include "hdfs.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../e2e/fixture_impl.h"
#include "io.h"

extern char **environ;

static struct {
    char kind[16], dir[2048], script[2048];
    bool alone;
    char root[256]; /* in HDFS, of the test */
    char proxy[64]; /* "localhost:PORT" */
} h;

static void die(const char *what)
{
    e2e_tell("hdfs: %s\n", what);
    exit(1);
}

/* ---- the cluster */

/* A shell's output, all of it. */
static char *output_of(const char *command)
{
    FILE *f = popen(command, "re");
    char *text = calloc(1, 65536);

    if (f == NULL || text == NULL)
        die(command);
    (void)!fread(text, 1, 65535, f);
    if (pclose(f) != 0)
        die(command);
    return text;
}

/* Lines of export NAME='VALUE'. */
static void take_environment(char *text)
{
    char *save = NULL;

    for (char *line = strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        char name[64], value[4096];

        if (sscanf(line, "export %63[A-Z0-9_]='%4095[^']'", name, value) != 2 ||
            setenv(name, value, 1) != 0)
            die(line);
    }
}

static void stop_own(void)
{
    char command[5000];

    (void)snprintf(command, sizeof(command), "'%s' -s '%s' down >&2", h.script, h.dir);
    if (system(command) != 0)
        e2e_tell("hdfs: %s\n", command);
}

void hdfs_use(const char *kind, bool alone)
{
    const char *clusters = getenv("HDFS_CLUSTERS"), *source = getenv("SRC_DIR");
    char command[9000];
    int starting;

    h.alone = alone;
    if (clusters == NULL || source == NULL)
        die("HDFS_CLUSTERS is not set: these tests are run by tests/hdfs/run.sh (ninja check-hdfs)");
    (void)snprintf(h.kind, sizeof(h.kind), "%s", strcmp(kind, "plain") == 0 ? "hdfs" : kind);
    (void)snprintf(h.dir, sizeof(h.dir), "%s/%s%s", clusters, kind, alone ? "-alone" : "");
    (void)snprintf(h.script, sizeof(h.script), "%s/tests/hdfs/cluster", source);
    /* Of several drivers that share it one starts it; the lock goes with the descriptor. */
    (void)snprintf(command, sizeof(command), "%s.starting", h.dir);
    starting = open(command, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (starting < 0 || flock(starting, LOCK_EX) != 0)
        die(command);
    (void)snprintf(command, sizeof(command), "'%s' -s '%s' up %s >&2 && '%s' -s '%s' env", h.script,
                   h.dir, h.kind, h.script, h.dir);
    take_environment(output_of(command));
    (void)close(starting);
    if (alone && atexit(stop_own) != 0)
        die("atexit");
}

const char *hdfs_env(const char *name)
{
    const char *value = getenv(name);

    if (value == NULL)
        fail_msg("cluster env says no %s", name);
    return value;
}

/* With the driver's environment: a daemon belongs to no test. */
static pid_t spawn_script(struct e2e *t, const char *args, int out)
{
    char *command = e2e_text(t, "exec '%s' -s '%s' %s", h.script, h.dir, args);
    char shell[] = "/bin/sh", dash_c[] = "-c";
    char *argv[] = { shell, dash_c, command, NULL };
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;

    if (posix_spawn_file_actions_init(&actions) != 0 ||
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) != 0 ||
        posix_spawn_file_actions_adddup2(&actions, out, 1) != 0 ||
        posix_spawn(&pid, shell, &actions, NULL, argv, environ) != 0)
        fail_msg("start %s", command);
    (void)posix_spawn_file_actions_destroy(&actions);
    return pid;
}

/* The script gives up by itself, two minutes after a daemon should have been ready. */
static void wait_for_script(struct e2e *t, pid_t pid, const char *args)
{
    int64_t deadline = e2e_patience() + 360000;
    int status;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (e2e_is_late(deadline))
            e2e_fail_at(t, __FILE__, __LINE__, "cluster %s does not end", args);
        e2e_pump(t, 10);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        e2e_fail_at(t, __FILE__, __LINE__, "cluster %s failed", args);
}

void hdfs_cluster(struct e2e *t, const char *args)
{
    wait_for_script(t, spawn_script(t, args, 2), args);
}

char *hdfs_client(struct e2e *t, const char *args)
{
    const char *path = e2e_path(t, "client.out");
    int out = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

    if (out < 0)
        fail_msg("%s: %s", path, strerror(errno));
    wait_for_script(t, spawn_script(t, e2e_text(t, "run %s", args), out), args);
    (void)close(out);
    return e2e_read(t, "client.out");
}

/* ---- YARN */

static const char client[] =
    "json() { tr -d '\"{}' | tr , '\\n' | sed -n \"s/^$1://p\"; }\n"
    "state() { curl -s --noproxy '*' --negotiate -u : $rm/apps/$1/state | json state; }\n"
    "submit() {\n"
    "    app=$(curl -s --noproxy '*' --negotiate -u : -X POST $rm/apps/new-application | json application-id)\n"
    "    curl -s --noproxy '*' --negotiate -u : -X POST -H 'Content-Type: application/json' $rm/apps -d \"{\n"
    "        \\\"application-id\\\":\\\"$app\\\",\\\"application-name\\\":\\\"sleeps\\\",\n"
    "        \\\"application-type\\\":\\\"YARN\\\",\\\"max-app-attempts\\\":1,\n"
    "        \\\"application-tags\\\":{\\\"tag\\\":[\\\"kind:test\\\",\n"
    "                                          \\\"$STAGEGRAPH_YARN_TAG\\\"]},\n"
    "        \\\"resource\\\":{\\\"memory\\\":64,\\\"vCores\\\":1},\\\"am-container-spec\\\":{\n"
    "        \\\"commands\\\":{\\\"command\\\":\\\"echo \\$\\$ >$PWD/$app; exec sleep 600\\\"}}}\"\n"
    "    while [ ! -s $app ]; do sleep 0.1; done\n"
    "    echo $app >>apps\n"
    "}\n";

void hdfs_yarn_client(struct e2e *t)
{
    e2e_write(t, "client.sh", e2e_text(t, "rm=%s/ws/v1/cluster\n%s", hdfs_env("RM_URL"), client));
}

/* ---- a test's own place */

char *hdfs_path(struct e2e *t, const char *path)
{
    return path[0] == '/' ? e2e_text(t, "%s", path) : e2e_text(t, "%s/%s", h.root, path);
}

int hdfs_setup(void **state)
{
    static const char *const told[] = { "WEBHDFS_URL", "WEBHDFS_URL2",   "SWEBHDFS_URL",
                                        "HDFS_CA",     "KRB5_CONFIG",    "KRB5CCNAME",
                                        "HDFS_URI",    "HADOOP_CONF_DIR" };
    struct e2e *t;

    if (e2e_setup(state) != 0)
        return -1;
    t = *state;
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
        e2e_setenv(t, told[i], getenv(told[i]));
    e2e_setenv(t, "HDFSIO", e2e_text(t, "%s/hdfsio", getenv("TEST_HELPERS")));
    (void)snprintf(h.root, sizeof(h.root), "/tmp/%s", strrchr(t->dir, '/') + 1);
    h.proxy[0] = '\0';
    return 0;
}

/* A test that failed may have left daemons dead. */
int hdfs_teardown(void **state)
{
    if (h.alone)
        hdfs_cluster(*state, e2e_text(*state, "up %s", h.kind));
    if (getenv("E2E_KEEP") == NULL)
        hdfs_remove(*state, h.root);
    return e2e_teardown(state);
}

char *hdfs_root(struct e2e *t, const char *scheme)
{
    const char *url, *uri = hdfs_env("HDFS_URI");

    if (strcmp(scheme, "hdfs") == 0)
        return e2e_text(t, "%s%s/warehouse", uri, h.root);
    if (strcmp(scheme, "proxy") == 0)
        return e2e_text(t, "webhdfs://%s%s/warehouse", h.proxy, h.root);
    if (strcmp(scheme, "gateway") == 0)
        return e2e_text(t, "webhdfs://%s/gateway/default/webhdfs/v1%s/warehouse", h.proxy, h.root);
    url = hdfs_env(strcmp(scheme, "swebhdfs") == 0 ? "SWEBHDFS_URL"
                   : strcmp(scheme, "httpfs") == 0 ? "HTTPFS_URL"
                                                   : "WEBHDFS_URL");
    url = strchr(url, ':') + 3;
    return e2e_text(t, "%s://%.*s%s/warehouse",
                    strcmp(scheme, "swebhdfs") == 0 ? "swebhdfs" : "webhdfs",
                    (int)strcspn(url, "/"), url, h.root);
}

/* As the local store's, but for how it reads and writes; and it looks for a stop beside it, for
 * tests that kill what would let it wait. */
static const char job_script[] = //
    "node=$1 out=$2 stage=${1%%@*}\n"
    "exec 9>>\"lock.$node\"\n"
    "flock -n 9 || echo \"overlap $node $$\" >>ran\n"
    "echo \"start $node $$\" >>ran\n"
    "body() {\n"
    "    echo \"$node\"\n"
    "    cut -f3 \"$STAGEGRAPH_INPUTS_FILE\" | while IFS= read -r uri; do\n"
    "        \"$HDFSIO\" get \"$uri/data\" || return 1\n"
    "    done\n"
    "}\n"
    "[ ! -e \"do/$stage\" ] || . \"./do/$stage\"\n"
    "[ ! -e \"do/$node\" ] || . \"./do/$node\"\n"
    "body >\"body.$$\" || exit 1\n"
    "echo \"whole $(cksum <\"body.$$\")\" >>\"body.$$\"\n"
    "\"$HDFSIO\" put \"$out/data\" <\"body.$$\" || exit 1\n"
    "rm -f \"body.$$\"\n"
    "echo \"end $node $$\" >>ran\n";

void hdfs_land(struct e2e *t, const char *label, const char *text)
{
    const char *dir = e2e_text(t, "warehouse/landing/dt=%.10s/hr=%s", label, label + 11);

    hdfs_write(t, e2e_text(t, "%s/data", dir), text);
    hdfs_write(t, e2e_text(t, "%s/_DONE", dir), "");
}

void hdfs_flights(struct e2e *t, const char *root, const char *keys)
{
    e2e_flights(t);
    e2e_remove(t, "warehouse");
    e2e_edit(t, "stagegraph.ini", "root = warehouse\nsync = no\n",
             e2e_text(t, "root = %s\n%s", root, keys));
    e2e_write(t, "job.sh", job_script);
    hdfs_land(t, "2024-01-01T21", "a\n");
    hdfs_land(t, "2024-01-01T22", "b\n");
    hdfs_land(t, "2024-01-01T23", "c\n");
}

void hdfs_other_graph(struct e2e *t, const char *host)
{
    const char *name = e2e_text(t, "%s.ini", host);

    e2e_write(t, name, e2e_read(t, "stagegraph.ini"));
    e2e_edit(t, name, "[graph]\n", e2e_text(t, "[graph]\nstate = .stagegraph-%s\n", host));
}

void hdfs_contend(struct e2e *t, size_t n, const char *node)
{
    struct e2e_proc *runs[HDFS_CONTENDERS];
    int won = 0;

    assert_true(n <= HDFS_CONTENDERS);
    for (size_t i = 0; i < n; i++) {
        hdfs_other_graph(t, e2e_text(t, "h%zu", i));
        runs[i] = hdfs_start_on(t, e2e_text(t, "h%zu", i), "run --json=events.%zu %s", i, node);
    }
    for (size_t i = 0; i < n; i++) {
        int status = e2e_end(runs[i]);

        if (status != 0 && status != 4)
            e2e_fail(t, "contender %zu: status %d: %s", i, status, e2e_stderr(runs[i]));
        won += strstr(e2e_read(t, e2e_text(t, "events.%zu", i)), "\"result\":\"ok\"") != NULL;
    }
    assert_int_equal(won, 1);
    e2e_ran(t, node);
    assert_true(hdfs_is_whole(t, node));
    hdfs_is_tidy(t);
}

/* ---- looking and changing */

static struct io_answer ask(struct e2e *t, const char *method, const char *path, const char *query,
                            const char *text)
{
    struct io_answer a;

    (void)io_do(method, hdfs_path(t, path), query, text, strlen(text), &a);
    a.body = e2e_keep(t, a.body);
    return a;
}

static struct io_answer must(struct e2e *t, const char *method, const char *path, const char *query,
                             const char *text)
{
    struct io_answer a = ask(t, method, path, query, text);

    if (a.status < 200 || a.status > 299)
        fail_msg("HDFS: %s %s: %ld %.600s", query, path, a.status, a.body);
    return a;
}

static bool is_absent(const struct io_answer *a)
{
    return a->status == 404 && strstr(a->body, "FileNotFoundException") != NULL;
}

char *hdfs_read(struct e2e *t, const char *path)
{
    struct io_answer a = ask(t, "GET", path, "OPEN", "");

    if (is_absent(&a))
        return NULL;
    if (a.status != 200)
        fail_msg("HDFS: OPEN %s: %ld %.600s", path, a.status, a.body);
    return a.body;
}

void hdfs_write(struct e2e *t, const char *path, const char *text)
{
    (void)must(t, "PUT", path, "CREATE&overwrite=true", text);
}

bool hdfs_exists(struct e2e *t, const char *path)
{
    struct io_answer a = ask(t, "GET", path, "GETFILESTATUS", "");

    if (!is_absent(&a) && a.status != 200)
        fail_msg("HDFS: GETFILESTATUS %s: %ld %.600s", path, a.status, a.body);
    return a.status == 200;
}

void hdfs_remove(struct e2e *t, const char *path)
{
    (void)must(t, "DELETE", path, "DELETE&recursive=true", "");
}

void hdfs_make_dir(struct e2e *t, const char *path)
{
    (void)must(t, "PUT", path, "MKDIRS", "");
}

void hdfs_move(struct e2e *t, const char *from, const char *to)
{
    char *encoded = e2e_keep(t, io_encoded(hdfs_path(t, to)));

    (void)must(t, "PUT", from, e2e_text(t, "RENAME&renameoptions=NONE&destination=%s", encoded),
               "");
}

void hdfs_make_many(struct e2e *t, char **paths, size_t n, bool dirs)
{
    const char *query = dirs ? "MKDIRS" : "CREATE&overwrite=true";
    struct io_answer a;
    size_t which;

    for (size_t i = 0; i < n; i++)
        paths[i] = hdfs_path(t, paths[i]);
    if (io_many("PUT", query, paths, n, &which, &a))
        return;
    a.body = e2e_keep(t, a.body);
    fail_msg("HDFS: %s %s: %ld %.600s", query, paths[which], a.status, a.body);
}

void hdfs_set_mode(struct e2e *t, const char *path, const char *octal)
{
    (void)must(t, "PUT", path, e2e_text(t, "SETPERMISSION&permission=%s", octal), "");
}

struct e2e_doc *hdfs_status(struct e2e *t, const char *path)
{
    return e2e_json(t, must(t, "GET", path, "GETFILESTATUS", "").body);
}

char *hdfs_names(struct e2e *t, const char *dir)
{
    struct io_answer a = ask(t, "GET", dir, "LISTSTATUS", "");
    struct e2e_doc *d;
    char *list = e2e_keep(t, calloc(1, 1));
    const char *name;

    if (is_absent(&a))
        return list;
    if (a.status != 200)
        fail_msg("HDFS: LISTSTATUS %s: %ld %.600s", dir, a.status, a.body);
    d = e2e_json(t, a.body);
    for (size_t i = 0; (name = e2e_get(d, "FileStatuses.FileStatus[%zu].pathSuffix", i)) != NULL;
         i++)
        list = e2e_text(t, "%s%s%s", list, i == 0 ? "" : " ", name);
    return list;
}

char *hdfs_attribute(struct e2e *t, const char *path)
{
    struct io_answer a = ask(t, "GET", path, "GETXATTRS&encoding=text", "");
    struct e2e_doc *d;
    const char *name;

    if (is_absent(&a))
        return NULL;
    if (a.status != 200)
        fail_msg("HDFS: GETXATTRS %s: %ld %.600s", path, a.status, a.body);
    d = e2e_json(t, a.body);
    for (size_t i = 0; (name = e2e_get(d, "XAttrs[%zu].name", i)) != NULL; i++)
        if (strcmp(name, "user.stagegraph") == 0)
            return e2e_text(t, "%s", e2e_get(d, "XAttrs[%zu].value", i));
    return NULL;
}

/* The file's text where the local fixture looks for it. */
bool hdfs_is_whole(struct e2e *t, const char *node)
{
    const char *path = e2e_text(t, "%s/data", e2e_output(t, node)), *text = hdfs_read(t, path);

    if (text == NULL)
        return false;
    e2e_write(t, path, text);
    return e2e_is_whole(t, node);
}

bool hdfs_has_receipt(struct e2e *t, const char *node)
{
    const char *text = hdfs_attribute(t, e2e_marker(t, node));

    return text != NULL &&
           (strstr(text, "\"state\":\"done\"") != NULL ||
            strstr(text, "\"state\":\"accepted\"") != NULL) &&
           strcmp(e2e_get(hdfs_status(t, e2e_marker(t, node)), "FileStatus.length"), "0") == 0;
}

static void is_tidy_below(struct e2e *t, const char *dir, const char *file, int line)
{
    char *names = hdfs_names(t, dir), *save = NULL;

    for (char *name = strtok_r(names, " ", &save); name != NULL;
         name = strtok_r(NULL, " ", &save)) {
        const char *path = e2e_text(t, "%s/%s", dir, name);

        if (name[0] == '.' || strstr(name, ".tmp") != NULL)
            e2e_fail_with(t, file, line, "left in HDFS: %s", path);
        if (strcmp(e2e_get(hdfs_status(t, path), "FileStatus.type"), "DIRECTORY") == 0)
            is_tidy_below(t, path, file, line);
    }
}

void hdfs_is_tidy_at(struct e2e *t, const char *file, int line)
{
    static const char *const empty[] = { "claims/bronze", "claims/silver", "claims/gold", "aside" };

    for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
        const char *dir = e2e_text(t, "warehouse/_stagegraph/%s", empty[i]);
        const char *names = hdfs_names(t, dir);

        if (names[0] != '\0')
            e2e_fail_with(t, file, line, "left in HDFS: %s: %s", dir, names);
    }
    is_tidy_below(t, "warehouse", file, line);
}

size_t hdfs_audit(struct e2e *t, const char *part)
{
    return e2e_count(e2e_read(t, e2e_text(t, "%s/log/nn1.out", h.dir)), part);
}

/* ---- hosts */

/* In a chroot the root is no mount, so what is made private is /proc alone. */
struct e2e_proc *hdfs_start_on(struct e2e *t, const char *host, const char *fmt, ...)
{
    static const char script[] = //
        "if [ \"$(id -u)\" = 0 ]; then map=; else map=-r; fi\n"
        "exec unshare $map --mount --propagation unchanged --uts sh -c '\n"
        "    mount --make-rprivate /proc &&\n"
        "    mount --bind \"$PWD/boot.$0\" /proc/sys/kernel/random/boot_id &&\n"
        "    hostname \"$0\" && eval \"exec \\\"$STAGEGRAPH_BIN\\\" -f $0.ini $1\"' \"$0\" \"$1\"\n";
    const char *argv[] = { "/bin/sh", "-c", script, host, NULL, NULL };
    char *words = NULL;
    unsigned long id = 0;
    va_list ap;
    int n;

    for (const char *p = host; *p != '\0'; p++)
        id = id * 31 + (unsigned char)*p;
    va_start(ap, fmt);
    n = vasprintf(&words, fmt, ap);
    va_end(ap);
    if (n < 0)
        fail_msg("out of memory");
    argv[4] = e2e_keep(t, words);
    e2e_write(t, e2e_text(t, "boot.%s", host),
              e2e_text(t, "00000000-0000-4000-8000-%012lx\n", id & 0xffffffffffffu));
    e2e_setenv(t, "STAGEGRAPH_BIN", getenv("STAGEGRAPH_BIN"));
    return e2e_start_argv(t, argv);
}

/* ---- the proxy */

void hdfs_proxy(struct e2e *t)
{
    const char *url = strchr(hdfs_env("WEBHDFS_URL"), ':') + 3;
    const char *argv[] = { e2e_text(t, "%s/faultproxy", getenv("TEST_HELPERS")),
                           e2e_text(t, "%.*s", (int)strcspn(url, "/"), url), NULL };
    struct e2e_proc *p = e2e_start_argv(t, argv);

    e2e_until(p, "\n");
    (void)snprintf(h.proxy, sizeof(h.proxy), "localhost:%d", atoi(e2e_stdout(p)));
}

static char *ask_proxy(struct e2e *t, const char *method, const char *path, const char *text)
{
    struct io_answer a;

    if (!io_plain(method, e2e_text(t, "http://%s%s", h.proxy, path), text, &a))
        fail_msg("the proxy: %ld %s", a.status, a.body);
    return e2e_keep(t, a.body);
}

void hdfs_spoil(struct e2e *t, const char *rules)
{
    (void)ask_proxy(t, "PUT", "/-/rules", rules);
}

char *hdfs_log(struct e2e *t)
{
    return ask_proxy(t, "GET", "/-/log", "");
}

size_t hdfs_requests(struct e2e *t, const char *part)
{
    char *log = hdfs_log(t), *save = NULL;
    size_t n = 0;

    for (char *line = strtok_r(log, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
        n += strstr(line, part) != NULL;
    return n;
}
