/*
 * escape: whatever a job starts is gone when its attempt is over.
 *
 * All behaviours of helpers/flee.c, each the job of a stage, at once in one run; a test is a way in
 * which that run ends. What a job started is known by pid and start time from the logs that its
 * processes write themselves.
 */
#include "fixture.h"

#include <unistd.h>

#include "stagegraph/proc.h"

static const char *const all[] = {
    "plain",     "session", "group",   "daemon",  "bare",          "cleared",
    "scribbled", "renamed", "secret",  "deaf",    "stopped",       "headless",
    "zombie",    "reaper",  "vforked", "traced",  "pid-namespace", "user-namespace",
    "execs",     "comet",   "bush",    "wrapper", "nohup",         "java",
};
enum { N_ALL = sizeof(all) / sizeof(all[0]) };

static const char java[] = //
    "import java.nio.file.*;\n"
    "public class Flee {\n"
    "    public static void main(String[] args) throws Exception {\n"
    "        String stat = Files.readString(Path.of(\"/proc/self/stat\"));\n"
    "        String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(\" \");\n"
    "        String line = ProcessHandle.current().pid() + \" \" + fields[19] + \"\\n\";\n"
    "        Files.writeString(Path.of(args[1], \"log.\" + args[2]), line,\n"
    "                          StandardOpenOption.APPEND);\n"
    "        new ProcessBuilder(args[0], \"sit-noted\", \"stay\", args[1], args[2]).start();\n"
    "        Thread.sleep(120000);\n"
    "    }\n"
    "}\n";

/* Compiled once for all tests. */
static char classes[200];
static bool has_java;

static int compile(void **state)
{
    const char *tmp = getenv("TMPDIR");
    char command[640];
    FILE *f;

    (void)state;
    (void)snprintf(classes, sizeof(classes), "%s/stagegraph-flee-XXXXXX", tmp ? tmp : "/tmp");
    if (mkdtemp(classes) == NULL)
        return -1;
    (void)snprintf(command, sizeof(command), "%s/Flee.java", classes);
    f = fopen(command, "we");
    if (f == NULL || fputs(java, f) < 0 || fclose(f) != 0)
        return -1;
    (void)snprintf(command, sizeof(command),
                   "cd %s && command -v javac java >/dev/null && javac Flee.java", classes);
    has_java = system(command) == 0;
    return 0;
}

static int remove_classes(void **state)
{
    char command[256];

    (void)state;
    (void)snprintf(command, sizeof(command), "rm -r %s", classes);
    return system(command);
}

static bool is_left_out(const char *behaviour)
{
    return strcmp(behaviour, "java") == 0 && !has_java;
}

/* ---- the lab */

/* `end` as flee understands it; `keys` go to each stage. */
static void prepare(struct e2e *t, const char *end, const char *keys)
{
    const char *flee = e2e_text(t, "%s/flee", getenv("TEST_HELPERS"));

    e2e_write(t, "stagegraph.ini",
              "[graph]\nname = lab\nstart = 2024-01-01\npartition = once\n"
              "[store]\nroot = warehouse\nsync = no\n");
    for (size_t i = 0; i < N_ALL; i++) {
        if (is_left_out(all[i]))
            continue;
        e2e_append(t, "stagegraph.ini",
                   e2e_text(t,
                            "[stage %s]\noutput = out/%s\ncheck = none\nempty = ok\n"
                            "command = %s %s %s %s\n%s",
                            all[i], all[i], flee, all[i], end, t->dir, keys));
        e2e_write(t, e2e_text(t, "warehouse/out/%s/data", all[i]), "x\n");
    }
    /* The scratch directory is the class path too. */
    if (has_java && system(e2e_text(t, "cp %s/Flee.class %s", classes, t->dir)) != 0)
        fail_msg("copy Flee.class");
}

static struct e2e_proc *start_lab(struct e2e *t)
{
    return e2e_start(t, "run -j%d", (int)N_ALL);
}

static void until_ready(struct e2e *t)
{
    for (size_t i = 0; i < N_ALL; i++)
        if (!is_left_out(all[i]))
            e2e_until_exists(t, e2e_text(t, "ready.%s", all[i]));
}

struct noted {
    unsigned n, n_living;
    pid_t living[64]; /* the first of them */
};

static struct noted look_at(struct e2e *t, const char *behaviour)
{
    const char *line = e2e_read(t, e2e_text(t, "log.%s", behaviour));
    struct noted found = { .n = 0 };

    for (; line != NULL && strchr(line, '\n') != NULL; line = strchr(line, '\n') + 1) {
        unsigned long long start;
        struct sg_proc p;
        int pid;

        if (sscanf(line, "%d %llu", &pid, &start) != 2)
            fail_msg("log.%s is broken: %s", behaviour, line);
        found.n++;
        if (!sg_proc_read(pid, &p) || p.start_ticks != start || sg_proc_is_dead(&p))
            continue;
        if (found.n_living < sizeof(found.living) / sizeof(found.living[0]))
            found.living[found.n_living] = pid;
        found.n_living++;
    }
    return found;
}

/* What still lives, for people; empty: nothing. Each behaviour has left its mark in the log. */
static const char *survivors(struct e2e *t)
{
    const char *text = "";

    for (size_t i = 0; i < N_ALL; i++) {
        struct noted found;

        if (is_left_out(all[i]))
            continue;
        found = look_at(t, all[i]);
        if (found.n == 0)
            e2e_fail(t, "%s did not begin", all[i]);
        if (found.n_living > 0)
            text = e2e_text(t, "%s%s: %u of %u, first %d\n", text, all[i], found.n_living, found.n,
                            (int)found.living[0]);
    }
    return text;
}

static void assert_none_lives(struct e2e *t)
{
    const char *text = survivors(t);

    if (*text != '\0')
        e2e_fail(t, "alive after the end:\n%s", text);
}

static void until_none_lives(struct e2e *t)
{
    const char *text = survivors(t);

    for (int ms = 0; *text != '\0' && ms < E2E_PATIENCE_MS; ms += 50) {
        e2e_pause(t, 50);
        text = survivors(t);
    }
    if (*text != '\0')
        e2e_fail(t, "never ended:\n%s", text);
}

static void tell_what_was_left_out(struct e2e *t)
{
    for (size_t i = 0; i < N_ALL; i++)
        if (is_left_out(all[i]))
            print_message("LEFT OUT: %s: no JDK here\n", all[i]);
        else if (e2e_exists(t, e2e_text(t, "refused.%s", all[i])))
            print_message("LEFT OUT: %s: %s\n", all[i],
                          e2e_read(t, e2e_text(t, "refused.%s", all[i])));
}

/* The shims of all jobs, none of them twice. */
static size_t find_shims(struct e2e *t, pid_t shims[64])
{
    size_t n = e2e_find(t, E2E_SHIM, shims, 64);

    assert_true(n >= N_ALL - (has_java ? 0 : 1));
    return n;
}

/* ---- endings that the executor sees to: nothing is left at the instant in which it exits */

static void after_exit_0_nothing_lives(void **state)
{
    struct e2e *t = *state;

    prepare(t, "0", "");
    e2e_run(t, 0, "run -j%d", (int)N_ALL);
    assert_none_lives(t);
    e2e_says(e2e_text(t, "%s%s", t->out, t->err), "outlived the command");
    tell_what_was_left_out(t);
}

static void after_a_failure_nothing_lives(void **state)
{
    struct e2e *t = *state;

    prepare(t, "3", "");
    e2e_run(t, 1, "run -j%d", (int)N_ALL);
    assert_none_lives(t);
}

static void after_a_timeout_nothing_lives(void **state)
{
    struct e2e *t = *state;

    prepare(t, "stay", "timeout = 3s\ngrace = 1s\n");
    e2e_run(t, 5, "run -j%d", (int)N_ALL);
    assert_none_lives(t);
}

static void ends_of_signal(struct e2e *t, int signo)
{
    struct e2e_proc *p;

    prepare(t, "stay", "grace = 1s\n");
    p = start_lab(t);
    until_ready(t);
    e2e_kill_group(p, signo);
    e2e_wait(p, E2E_DIED(signo));
    assert_none_lives(t);
}

static void after_an_interrupt_nothing_lives(void **state)
{
    ends_of_signal(*state, SIGINT);
}

static void after_a_term_nothing_lives(void **state)
{
    ends_of_signal(*state, SIGTERM);
}

static void after_a_hangup_nothing_lives(void **state)
{
    ends_of_signal(*state, SIGHUP);
}

/* The grace alone would last longer than the test has patience. */
static void after_a_second_interrupt_nothing_lives_without_a_grace(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;

    prepare(t, "stay", "grace = 1h\n");
    p = start_lab(t);
    until_ready(t);
    e2e_kill_group(p, SIGINT);
    while (look_at(t, "plain").n_living > 0) /* by TERM */
        e2e_pause(t, 10);
    e2e_kill_group(p, SIGINT);
    e2e_wait(p, E2E_DIED(SIGINT));
    assert_none_lives(t);
}

static void after_a_kill_of_the_shims_nothing_lives(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;
    pid_t shims[64];
    size_t n;

    prepare(t, "stay", "grace = 1s\n");
    p = start_lab(t);
    until_ready(t);
    n = find_shims(t, shims);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(kill(shims[i], SIGKILL), 0);
    e2e_wait(p, 1);
    assert_none_lives(t);
}

/* ---- endings that the shims see to */

static void after_a_kill_of_the_executor_nothing_lives(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;

    prepare(t, "stay", "grace = 1s\n");
    p = start_lab(t);
    until_ready(t);
    e2e_kill(p, SIGKILL);
    e2e_wait(p, E2E_DIED(SIGKILL));
    until_none_lives(t);
}

static void after_a_kill_of_the_executors_group_nothing_lives(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;

    prepare(t, "stay", "grace = 1s\n");
    p = start_lab(t);
    until_ready(t);
    e2e_kill_group(p, SIGKILL);
    e2e_wait(p, E2E_DIED(SIGKILL));
    until_none_lives(t);
}

static void after_a_kill_of_the_executors_session_nothing_lives(void **state)
{
    struct e2e *t = *state;
    const char *const argv[] = {
        "/usr/bin/setsid", "-w", getenv("STAGEGRAPH_BIN"), "run", "-j64", NULL,
    };
    struct e2e_proc *p;
    pid_t pids[512], sid = 0;
    size_t n;

    prepare(t, "stay", "grace = 1s\n");
    p = e2e_start_argv(t, argv);
    until_ready(t);
    n = e2e_find(t, E2E_SHIM, pids, 512);
    assert_true(n > 0);
    for (size_t i = 0; i < n; i++) {
        struct sg_proc shim;

        if (sg_proc_read(pids[i], &shim))
            sid = getsid(shim.ppid);
    }
    assert_true(sid > 1 && sid != getsid(0));
    n = e2e_find(t, E2E_ALL, pids, 512);
    for (size_t i = 0; i < n; i++)
        if (getsid(pids[i]) == sid)
            (void)kill(pids[i], SIGKILL);
    e2e_wait(p, E2E_ANY);
    until_none_lives(t);
}

/* ---- nobody sees to it, before the next run does */

/* Each living process is named by the status of the node that it belongs to; of many the first. */
enum { NAMED = 16 };

static void assert_status_names(struct e2e *t)
{
    struct e2e_doc *d;

    e2e_run(t, 0, "status --json");
    d = e2e_json(t, t->out);
    for (size_t i = 0; i < N_ALL; i++) {
        const char *node;
        size_t dead = 0, k;
        struct noted found;

        if (is_left_out(all[i]) || strcmp(all[i], "comet") == 0)
            continue; /* whose processes are others by now */
        while ((node = e2e_get(d, "dead[%zu].node", dead)) != NULL && strcmp(node, all[i]) != 0)
            dead++;
        if (node == NULL)
            e2e_fail(t, "status does not name %s:\n%s", all[i], t->out);
        found = look_at(t, all[i]);
        if (found.n_living > NAMED) {
            assert_non_null(e2e_get(d, "dead[%zu].processes[%d]", dead, NAMED - 1));
            continue;
        }
        for (k = 0; k < found.n_living; k++) {
            const char *pid = e2e_text(t, "%d", (int)found.living[k]), *named;
            size_t at = 0;

            while ((named = e2e_get(d, "dead[%zu].processes[%zu]", dead, at)) != NULL &&
                   strcmp(named, pid) != 0)
                at++;
            if (named == NULL)
                e2e_fail(t, "status does not name process %s of %s", pid, all[i]);
        }
    }
}

static void after_a_kill_of_both_nothing_lives_when_the_next_job_begins(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;
    pid_t shims[64];
    size_t n;

    prepare(t, "stay", "grace = 1s\n");
    p = start_lab(t);
    until_ready(t);
    n = find_shims(t, shims);
    e2e_stop(t, e2e_pid(p)); /* it shall not see them die */
    for (size_t i = 0; i < n; i++)
        assert_int_equal(kill(shims[i], SIGKILL), 0);
    e2e_kill(p, SIGKILL);
    e2e_wait(p, E2E_DIED(SIGKILL));
    e2e_until_gone(t, E2E_SHIM);
    e2e_pause(t, 200); /* what is told to end by its parent's death, does */
    assert_true(*survivors(t) != '\0');
    assert_status_names(t);
    e2e_write(t, "again", "");
    e2e_run(t, 0, "run -j%d", (int)N_ALL);
    for (size_t i = 0; i < N_ALL; i++) {
        const char *living = e2e_read(t, e2e_text(t, "living.%s", all[i]));

        if (is_left_out(all[i]))
            continue;
        assert_true(e2e_exists(t, e2e_text(t, "looked.%s", all[i])));
        if (living != NULL)
            e2e_fail(t, "%s: alive when the next job began: %s", all[i], living);
    }
    assert_none_lives(t);
}

static void a_job_that_kills_both_itself_is_gone_when_the_next_begins(void **state)
{
    struct e2e *t = *state;

    e2e_write(t, "stagegraph.ini",
              e2e_text(t,
                       "[graph]\nname = lab\nstart = 2024-01-01\npartition = once\n"
                       "[store]\nroot = warehouse\nsync = no\n"
                       "[stage king]\noutput = out/king\ncheck = none\nempty = ok\n"
                       "grace = 1s\ncommand = %s/flee regicide stay %s\n",
                       getenv("TEST_HELPERS"), t->dir));
    e2e_write(t, "warehouse/out/king/data", "x\n");
    e2e_run(t, E2E_DIED(SIGKILL), "run");
    e2e_until_gone(t, E2E_SHIM);
    assert_int_equal(look_at(t, "regicide").n_living, 2);
    e2e_run(t, 0, "status");
    e2e_says(t->out, "2 processes left:");
    e2e_write(t, "again", "");
    e2e_run(t, 0, "run");
    assert_true(e2e_exists(t, "looked.regicide"));
    assert_false(e2e_exists(t, "living.regicide"));
    assert_int_equal(look_at(t, "regicide").n_living, 0);
}

/* ---- what can't be killed */

/* Stagegraph as a user who may not kill its job: a program with root's setuid bit. `words` are a
 * command of it. */
static void run_as_nobody(struct e2e *t, int want, const char *words)
{
    const char *const argv[] = {
        "/usr/bin/setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "/bin/sh",
        "-c",
        e2e_text(t, "umask 022; exec bin/stagegraph %s", words),
        NULL,
    };

    e2e_wait_at(e2e_start_argv(t, argv), want, __FILE__, __LINE__);
}

static void prepare_stuck(struct e2e *t)
{
    const char *shim = getenv("STAGEGRAPH_SHIM"), *program = getenv("STAGEGRAPH_BIN");

    e2e_write(t, "stagegraph.ini",
              e2e_text(t,
                       "[graph]\nname = lab\nstart = 2024-01-01\npartition = once\n"
                       "[store]\nroot = warehouse\nsync = no\n"
                       "[stage stuck]\noutput = out/stuck\ncheck = none\nempty = ok\n"
                       "timeout = 1s\ngrace = 1s\ncommand = bin/flee root stay %s\n"
                       "[stage behind]\noutput = out/behind\ncheck = none\nempty = ok\n"
                       "needs = stuck\ncommand = true\n"
                       "[stage beside]\noutput = out/beside\ncheck = none\nempty = ok\n"
                       "command = sh -c 'while [ ! -e told ]; do sleep 0.05; done'\n",
                       t->dir));
    e2e_write(t, "warehouse/out/stuck/data", "x\n");
    e2e_write(t, "warehouse/out/behind/data", "x\n");
    e2e_write(t, "warehouse/out/beside/data", "x\n");
    if (system(e2e_text(t,
                        "cd %s && mkdir bin && cp %s %s %s/flee bin && chown -R 65534:65534 . && "
                        "chown 0:0 bin/flee && chmod 4755 bin/flee",
                        t->dir, program, shim, getenv("TEST_HELPERS"))) != 0)
        fail_msg("prepare");
}

static pid_t stuck_pid(struct e2e *t)
{
    struct noted found = look_at(t, "root");

    assert_int_equal(found.n_living, 1);
    return found.living[0];
}

static void what_can_not_be_killed_is_named_keeps_its_claim_and_holds_nothing_up(void **state)
{
    static const char claim[] = "warehouse/_stagegraph/claims/stuck/_";
    const char *const argv[] = {
        "/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
        "bin/stagegraph",   "run",           "-j4",           NULL,
    };
    struct e2e *t = *state;
    struct e2e_proc *p;
    const char *name;
    pid_t pid;

    if (geteuid() != 0) {
        print_message("SKIPPED: needs root, to start what another user may not kill\n");
        skip();
    }
    prepare_stuck(t);
    p = e2e_start_argv(t, argv);
    e2e_until_err(p, "can't be killed");
    e2e_write(t, "told", ""); /* another job of the run still has its end to come */
    assert_int_equal(e2e_end(p), 5);
    pid = stuck_pid(t);
    name = e2e_text(t, "flee (pid %d)", (int)pid);
    e2e_says(e2e_stderr(p), e2e_text(t, "can't be killed: %s; the claim is kept", name));
    e2e_says(e2e_stdout(p), "[TIMEOUT] STUCK");
    e2e_says(e2e_stdout(p), "[BLOCKED] BEHIND");
    e2e_says(e2e_stdout(p), "[OK] BESIDE");
    assert_true(e2e_exists(t, claim));

    /* Its shim stays with it: held. */
    run_as_nobody(t, 4, "run");
    assert_true(e2e_exists(t, claim));

    /* Without a shim: dead, named, and not taken over. */
    assert_int_equal(kill(e2e_find_one(t, E2E_SHIM), SIGKILL), 0);
    e2e_until_gone(t, E2E_SHIM);
    run_as_nobody(t, 0, "status");
    e2e_says(t->out, e2e_text(t, "1 process left: %d\n", (int)pid));
    run_as_nobody(t, 71, "run");
    e2e_says(e2e_text(t, "%s%s", t->out, t->err), name);
    assert_true(e2e_exists(t, claim));
    assert_true(e2e_is_alive(pid));

    assert_int_equal(kill(pid, SIGKILL), 0);
    while (e2e_is_alive(pid))
        e2e_pause(t, 10);
    e2e_edit(t, "stagegraph.ini", "bin/flee root stay", "true root stay");
    run_as_nobody(t, 0, "run");
    assert_false(e2e_exists(t, claim));
}

/* ---- descriptors */

/* Whatever else is open in the executor: locks of claims, slots and an exclusive stage, events,
 * logs, the history, the pipes of other jobs. */
static void a_job_has_three_descriptors_whatever_else_is_open(void **state)
{
    struct e2e *t = *state;

    const char *list = e2e_text(t, "%s/escape descriptors", getenv("TEST_HELPERS"));

    e2e_write(t, "stagegraph.ini",
              "[graph]\nname = lab\nstart = 2024-01-01\npartition = once\n"
              "[store]\nroot = warehouse\nsync = no\n"
              "[pool few]\nsize = 7\nmemory = 1g\n");
    for (int i = 0; i < 12; i++) {
        e2e_append(t, "stagegraph.ini",
                   e2e_text(t,
                            "[stage s%d]\noutput = out/s%d\nempty = ok\n"
                            "pool = few\nmemory = 1m\nexclusive = yes\n"
                            "check = %s\ncommand = %s\n",
                            i, i, list, list));
        e2e_write(t, e2e_text(t, "warehouse/out/s%d/data", i), "x\n");
    }
    e2e_run(t, 0, "run -j8 --json=events --force");
    for (int i = 0; i < 12; i++) {
        e2e_run(t, 0, "log s%d", i);
        e2e_same(t->out, "0 /dev/null\n1 pipe\n2 pipe\n0 /dev/null\n1 pipe\n2 pipe\n", __FILE__,
                 __LINE__);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        e2e_test(after_exit_0_nothing_lives),
        e2e_test(after_a_failure_nothing_lives),
        e2e_test(after_a_timeout_nothing_lives),
        e2e_test(after_an_interrupt_nothing_lives),
        e2e_test(after_a_term_nothing_lives),
        e2e_test(after_a_hangup_nothing_lives),
        e2e_test(after_a_second_interrupt_nothing_lives_without_a_grace),
        e2e_test(after_a_kill_of_the_shims_nothing_lives),
        e2e_test(after_a_kill_of_the_executor_nothing_lives),
        e2e_test(after_a_kill_of_the_executors_group_nothing_lives),
        e2e_test(after_a_kill_of_the_executors_session_nothing_lives),
        e2e_test(after_a_kill_of_both_nothing_lives_when_the_next_job_begins),
        e2e_test(a_job_that_kills_both_itself_is_gone_when_the_next_begins),
        e2e_test(what_can_not_be_killed_is_named_keeps_its_claim_and_holds_nothing_up),
        e2e_test(a_job_has_three_descriptors_whatever_else_is_open),
    };

    return cmocka_run_group_tests_name("escape", tests, compile, remove_classes);
}
