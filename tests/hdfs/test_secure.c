/*
 * secure: Kerberos, delegation tokens and TLS; and what nobody may read.
 */
#include "hdfs.h"

#include <dirent.h>

#include "../e2e/fixture_impl.h"
#include "io.h"

static const char all_bronze[] = "bronze@2024-01-01T21 bronze@2024-01-01T22 bronze@2024-01-01T23";

/* swebhdfs, with the certificate authority of the cluster. */
static void secure_flights(struct e2e *t)
{
    hdfs_flights(t, hdfs_root(t, "swebhdfs"), e2e_text(t, "ca = %s\n", hdfs_env("HDFS_CA")));
}

static void the_usual_graph_runs_with_kerberos_and_tls(void **state)
{
    struct e2e *t = *state;

    secure_flights(t);
    e2e_run(t, 0, "run -j2");
    assert_true(hdfs_has_receipt(t, "gold@2024-01-01"));
    assert_true(hdfs_is_whole(t, "gold@2024-01-01"));
    e2e_run(t, 0, "check --store");
    e2e_says(t->out, "NameNode https://localhost:");
    e2e_says(t->out, "DataNodes: 1 live");
    assert_string_equal(
        e2e_get(hdfs_status(t, e2e_marker(t, "gold@2024-01-01")), "FileStatus.owner"), "tester");
    e2e_plan_is(t, "", "");
    hdfs_is_tidy(t);
}

/* auth = auto: hadoop.security.authentication says kerberos. */
static void an_hdfs_root_takes_kerberos_from_the_configuration(void **state)
{
    struct e2e *t = *state;

    hdfs_flights(t, hdfs_root(t, "hdfs"), "");
    e2e_run(t, 0, "run --only bronze");
    e2e_ran_sorted(t, all_bronze);
    assert_true(hdfs_has_receipt(t, "bronze@2024-01-01T21"));
}

static void without_the_authority_a_server_is_not_trusted(void **state)
{
    struct e2e *t = *state;

    hdfs_flights(t, hdfs_root(t, "swebhdfs"), "");
    e2e_run(t, 74, "run");
    e2e_says(t->err, "certificate");
    e2e_says(t->err, "localhost:");
    e2e_ran(t, "");
}

static void without_a_ticket_the_store_refuses_and_says_why(void **state)
{
    struct e2e *t = *state;

    secure_flights(t);
    e2e_setenv(t, "KRB5CCNAME", "FILE:/nonexistent/ticket");
    e2e_run(t, 74, "run");
    e2e_says(t->err, "Kerberos");
    e2e_ran(t, "");
}

static void a_directory_of_somebody_else_is_an_error_at_once(void **state)
{
    struct e2e *t = *state;

    secure_flights(t);
    hdfs_make_dir(t, "warehouse/bronze");
    hdfs_make_dir(t, "warehouse/_stagegraph");
    hdfs_set_mode(t, "warehouse/bronze", "555");
    hdfs_set_mode(t, "warehouse/_stagegraph", "555");
    e2e_run(t, E2E_ANY, "run --only bronze");
    assert_true(t->status == 74 || t->status == 1);
    e2e_says(e2e_text(t, "%s%s", t->out, t->err), "AccessControlException: Permission denied");
    e2e_ran(t, "");
    hdfs_set_mode(t, "warehouse/_stagegraph", "755");
    hdfs_set_mode(t, "warehouse/bronze", "755");
}

/* Every file below the scratch directory but the ticket's and the tests' own. */
static void no_file_holds(struct e2e *t, const char *dir, const char *secret)
{
    DIR *d = opendir(e2e_path(t, dir));
    struct dirent *e;

    assert_non_null(d);
    while ((e = readdir(d)) != NULL) {
        const char *path = e2e_text(t, "%s/%s", dir, e->d_name);

        if (e->d_name[0] == '.' && (e->d_name[1] == '\0' || e->d_name[1] == '.'))
            continue;
        if (e->d_type == DT_DIR)
            no_file_holds(t, path, secret);
        else if (e->d_type == DT_REG)
            e2e_says_not(e2e_read(t, path), secret);
    }
    (void)closedir(d);
}

/* A token is a long text that begins with the owner's name, base64: of "tester" after its length
 * comes "tester" in any case. The cookie of SPNEGO has a signature, "s=". */
static void secrets_are_in_no_log_event_or_command_line(void **state)
{
    static const char *const secrets[] = { "hadoop.auth=",       "delegation=", "\"urlString\"",
                                           "WEBHDFS delegation", "&s=",         "Negotiate YI" };
    struct e2e *t = *state;
    struct e2e_proc *run;
    int gate;

    secure_flights(t);
    e2e_gate(t, "a");
    e2e_does(
        t, "bronze@2024-01-01T22",
        "env >job.env; cat /proc/[0-9]*/cmdline | tr '\\0' ' ' >cmdlines; read -r x <gate.a\n");
    run = e2e_start(t, "run -v --json=events");
    gate = e2e_gate_reached(t, "a");
    e2e_gate_let_go(gate);
    e2e_wait(run, 0);
    e2e_says(e2e_read(t, "cmdlines"), "stagegraph");
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        e2e_says_not(t->out, secrets[i]);
        e2e_says_not(t->err, secrets[i]);
        no_file_holds(t, ".", secrets[i]);
    }
    /* And when it fails: the address is named, what was sent with it isn't. */
    e2e_edit(t, "stagegraph.ini", "localhost", "127.0.0.1");
    e2e_run(t, 74, "run -v --force");
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
        e2e_says_not(t->err, secrets[i]);
}

/* SPNEGO for each request would cost three times as much. What was fetched is cancelled at the end.
 * (NameNodes make tokens of their own for each redirect, so what was fetched can't be counted.) */
static void a_run_is_known_by_a_token_and_cancels_it(void **state)
{
    static const char by_token[] = "(auth:TOKEN)\tip=/127.0.0.1\tcmd=setXAttr\t";
    struct e2e *t = *state;
    size_t set = hdfs_audit(t, by_token), cancelled = hdfs_audit(t, "cmd=cancelDelegationToken");

    secure_flights(t);
    e2e_run(t, 0, "run -j2");
    assert_int_equal(hdfs_audit(t, by_token), set + 7); /* the receipts */
    assert_int_equal(hdfs_audit(t, "cmd=cancelDelegationToken"), cancelled + 1);
}

/* The cluster's tokens end after 15 seconds, before anybody would renew one. */
static void a_token_that_has_ended_is_replaced_in_the_middle_of_a_run(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *run;
    int gate;

    secure_flights(t);
    e2e_gate(t, "a");
    e2e_does(t, "bronze@2024-01-01T22", "read -r x <gate.a\n");
    run = e2e_start(t, "run bronze@2024-01-01T22");
    gate = e2e_gate_reached(t, "a");
    e2e_pause(t, 17000);
    e2e_gate_let_go(gate);
    e2e_wait(run, 0);
    assert_true(hdfs_has_receipt(t, "bronze@2024-01-01T22"));
    hdfs_is_tidy(t);
}

/* As we ask for it, who may be no renewer by name. */
static void a_token_may_be_renewed_and_cancelled_by_who_got_it(void **state)
{
    struct e2e *t = *state;
    struct io_answer a;
    const char *token;

    assert_true(io_do("GET", "/", "GETDELEGATIONTOKEN", "", 0, &a));
    token = e2e_text(t, "%s", e2e_get(e2e_json(t, e2e_keep(t, a.body)), "Token.urlString"));
    assert_true(io_do("PUT", "/", e2e_text(t, "RENEWDELEGATIONTOKEN&token=%s", token), "", 0, &a));
    assert_non_null(e2e_get(e2e_json(t, e2e_keep(t, a.body)), "long"));
    assert_true(io_do("PUT", "/", e2e_text(t, "CANCELDELEGATIONTOKEN&token=%s", token), "", 0, &a));
    free(a.body);
    assert_false(io_do("PUT", "/", e2e_text(t, "RENEWDELEGATIONTOKEN&token=%s", token), "", 0, &a));
    e2e_says(e2e_keep(t, a.body), "InvalidToken");
}

/* yarn.acl.enable: who has no name may not kill. */
static void an_application_is_found_and_killed_with_a_ticket(void **state)
{
    struct e2e *t = *state;
    const char *killed = "killed application_";

    secure_flights(t);
    hdfs_yarn_client(t);
    e2e_does(t, "bronze", ". ./client.sh; submit; exit 3\n");
    e2e_run(t, 1, "run --json=events bronze@2024-01-01T21");
    e2e_says(t->err, killed);
    e2e_says(e2e_read(t, "events"), "\"state\":\"KILLED\"");
    e2e_run(t, 0, "check --yarn");
    e2e_has_line(t->out, "ResourceManager http://localhost:*: ACTIVE, STARTED, version 3.*");
    e2e_setenv(t, "KRB5CCNAME", "FILE:/nonexistent/ticket");
    e2e_append(t, "stagegraph.ini", "[yarn]\n");
    e2e_edit(t, "stagegraph.ini", "root = swebhdfs", "; = ");
    e2e_edit(t, "stagegraph.ini", "[store]\n", "[store]\nroot = here\n");
    e2e_run(t, 74, "check --yarn");
    e2e_says(t->err, "it wants to know who we are (401): ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        hdfs_test(the_usual_graph_runs_with_kerberos_and_tls),
        hdfs_test(an_hdfs_root_takes_kerberos_from_the_configuration),
        hdfs_test(without_the_authority_a_server_is_not_trusted),
        hdfs_test(without_a_ticket_the_store_refuses_and_says_why),
        hdfs_test(a_directory_of_somebody_else_is_an_error_at_once),
        hdfs_test(secrets_are_in_no_log_event_or_command_line),
        hdfs_test(a_run_is_known_by_a_token_and_cancels_it),
        hdfs_test(a_token_that_has_ended_is_replaced_in_the_middle_of_a_run),
        hdfs_test(a_token_may_be_renewed_and_cancelled_by_who_got_it),
        hdfs_test(an_application_is_found_and_killed_with_a_ticket),
    };

    hdfs_use("secure", false);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
