/*
 * demo: what the demonstration leaves behind when it does not come to its end: no daemon.
 */
#include "hdfs.h"

#include "../e2e/fixture_impl.h"

/* It has started the daemons, and not more: there is no jar of jobs in this one. */
static struct e2e_proc *demonstrate(struct e2e *t)
{
    static const char *const passed[] = { "SRC_DIR",        "STAGEGRAPH_BIN", "HOME",
                                          "XDG_CACHE_HOME", "HADOOP_JARS",    "JAVA_HOME" };
    const char *source = getenv("SRC_DIR"), *argv[3] = { "/bin/sh" };

    assert_non_null(source);
    for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
        e2e_setenv(t, passed[i], getenv(passed[i]));
    e2e_write(t, "no.jar", "");
    e2e_setenv(t, "FLIGHTS_JAR", e2e_path(t, "no.jar"));
    e2e_setenv(t, "DEMO_DIR", e2e_path(t, "demo"));
    argv[1] = e2e_text(t, "%s/graphs/flights/demo-hdfs.sh", source);
    return e2e_start_argv(t, argv);
}

static pid_t daemon_of(struct e2e *t, const char *name)
{
    const char *path = e2e_text(t, "demo/hdfs/run/%s", name);
    pid_t pid;

    e2e_until_exists(t, path);
    pid = e2e_pid_in(t, path);
    assert_true(e2e_is_alive(pid));
    return pid;
}

static void after_an_interrupt_no_daemon_is_left(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *demo = demonstrate(t);
    pid_t namenode = daemon_of(t, "nn1"), datanode = daemon_of(t, "dn");

    e2e_kill_group(demo, SIGINT);
    assert_int_not_equal(e2e_end(demo), 0);
    assert_false(e2e_is_alive(namenode));
    assert_false(e2e_is_alive(datanode));
}

static void after_a_failure_no_daemon_is_left(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *demo = demonstrate(t);
    pid_t namenode = daemon_of(t, "nn1"), datanode = daemon_of(t, "dn");

    e2e_until(demo, "Data arrives");
    assert_int_not_equal(e2e_end(demo), 0);
    assert_false(e2e_is_alive(namenode));
    assert_false(e2e_is_alive(datanode));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        e2e_test(after_an_interrupt_no_daemon_is_left),
        e2e_test(after_a_failure_no_daemon_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
