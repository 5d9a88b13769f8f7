/*
 * faults: a system call of the executor, of its shim or of a child fails: each of an attempt's
 * calls, with each error that it can meet in the world. After each fault: no process is left, no
 * node is fresh that is not whole, the exit status is one that the fault explains, what failed and
 * why is said, and the next run makes the node and leaves nothing to do.
 *
 * The calls fail by tests/e2e/helpers/killat.c. By default a sample of them, spread over the run,
 * which E2E_SEED shifts; every one with E2E_SWEEP=all. All that goes wrong in a sweep is told.
 */
#include "fixture.h"

#include <errno.h>

/* One graph in which calls fail. */
struct world {
    struct e2e *t;
    const char *command;      /* what is run, and after it in peace */
    const char *const *nodes; /* that it makes; NULL ends them */
    bool is_large;            /* too much for every call, in any sweep */
    long wrong;               /* trials that went wrong */
};

/* The call that failed: the last line of the log. */
struct failed {
    bool is; /* none did: the run had fewer calls this time */
    char who[16], call[32], error[32], object[512];
};

static bool is_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
    return true;
#endif
#endif
    return false;
}

static void start_over(struct e2e *t)
{
    e2e_remove(t, "warehouse/bronze");
    e2e_remove(t, "warehouse/silver");
    e2e_remove(t, "warehouse/gold");
    e2e_remove(t, "warehouse/_stagegraph");
    e2e_remove(t, ".stagegraph");
    e2e_remove(t, "ran");
    t->ran_seen = 0;
}

/* Runs the command with the call failing; how many calls there were, -1: ptrace is not permitted.
 */
static long run_failing(struct world *w, const char *how, long at, struct failed *ret)
{
    struct e2e *t = w->t;
    const char *argv[32] = { e2e_text(t, "%s/killat", getenv("TEST_HELPERS")), how,
                             e2e_text(t, "%ld", at), "killat.log", getenv("STAGEGRAPH_BIN") };
    size_t n = 5, lines;
    char *words = e2e_text(t, "%s", w->command), *text, *last;
    struct e2e_proc *p;

    for (char *at_word = strtok(words, " "); at_word != NULL; at_word = strtok(NULL, " "))
        argv[n++] = at_word;
    argv[n] = NULL;
    p = e2e_start_argv(t, argv);
    e2e_wait(p, E2E_ANY);
    *ret = (struct failed){ .is = false };
    if (t->status == 125)
        return -1;
    text = e2e_read(t, "killat.log");
    lines = e2e_count(text, "\n");
    last = lines > 0 ? strstr(text, "\nfailed ") : NULL;
    if (last != NULL)
        ret->is = sscanf(last, "\nfailed %*d %15s %31s %31s %511[^\n]", ret->who, ret->call,
                         ret->error, ret->object) >= 3;
    return (long)lines - (last != NULL);
}

static bool is_one_of(const char *word, const char *words)
{
    const char *at = strstr(words, word);
    size_t n = strlen(word);

    return at != NULL && (at == words || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0');
}

/*
 * What the contract's section 3 says of a run that met this fault: the store is 74, or where it is
 * an attempt's own operation the node's failure; the state directory, processes, descriptors and
 * memory are 71. The graph file and its code that can't be read are 2 before there is an attempt.
 */
static bool is_status_right(const struct failed *f, int status)
{
    if (status == 0)
        return true;
    if (is_one_of(f->error, "EMFILE ENFILE ENOMEM EAGAIN") || f->object[0] == '\0' ||
        strstr(f->object, "/.stagegraph") != NULL)
        /* a command that may not be executed is the node's */
        return status == 71 || (status == 1 && strcmp(f->error, "EACCES") == 0);
    if (strstr(f->object, "/warehouse") != NULL)
        return status == 74 || status == 1;
    return status == 71 || status == 2 || status == 1;
}

/* From a call on many fail, and what ended the run need not be the first. */
static bool is_status_of_many(int status)
{
    return status == 0 || status == 1 || status == 2 || status == 71 || status == 74;
}

static const char *text_of(const char *error)
{
    static const struct {
        const char *name;
        int value;
    } known[] = { { "ENOSPC", ENOSPC }, { "EIO", EIO },       { "EROFS", EROFS },
                  { "EACCES", EACCES }, { "EDQUOT", EDQUOT }, { "EMFILE", EMFILE },
                  { "ENFILE", ENFILE }, { "ENOMEM", ENOMEM }, { "EAGAIN", EAGAIN },
                  { "EINTR", EINTR },   { "ENOLCK", ENOLCK } };

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (strcmp(known[i].name, error) == 0)
            return strerror(known[i].value);
    return error;
}

static void wrong(struct world *w, const char *when, const char *what)
{
    w->wrong++;
    print_error("%s: %s\n%s\n", when, what, w->t->err);
}

static bool says_why(const struct failed *f, const char *said)
{
    /* pthread_create() makes EAGAIN of ENOMEM */
    return strstr(said, text_of(f->error)) != NULL ||
           (strcmp(f->error, "ENOMEM") == 0 &&
            (strstr(said, strerror(EAGAIN)) != NULL || strstr(said, "no memory") != NULL));
}

/* The file's name, or where it is a temporary one the name that it is for. */
static bool says_what(struct e2e *t, const struct failed *f, const char *said)
{
    const char *slash = strrchr(f->object, '/');
    size_t n;

    if (strcmp(f->who, "child") == 0 || slash == NULL)
        return true; /* "start the shim", or nothing that has a name */
    if (slash[1] != '.' || strcmp(slash, "/.stagegraph") == 0)
        return strstr(said, slash + 1) != NULL;
    n = strcspn(slash + 2, ".");
    return strstr(said, e2e_text(t, "%.*s", (int)n, slash + 2)) != NULL;
}

/* What holds after each trial: what is fresh is whole, and the next run makes the rest. */
static void check_after(struct world *w, const char *when, bool success)
{
    struct e2e *t = w->t;

    for (size_t i = 0; w->nodes[i] != NULL; i++) {
        if (e2e_has_receipt(t, w->nodes[i]) && !e2e_is_whole(t, w->nodes[i]))
            wrong(w, when, e2e_text(t, "%s has a receipt and is not whole", w->nodes[i]));
        if (success && !e2e_has_receipt(t, w->nodes[i]))
            wrong(w, when, e2e_text(t, "success, and no receipt of %s", w->nodes[i]));
    }
    e2e_run(t, E2E_ANY, "%s", w->command);
    if (t->status != 0)
        wrong(w, when, e2e_text(t, "the next run's status is %d", t->status));
    (void)e2e_jobs(t); /* fails if one ran twice at once */
    for (size_t i = 0; w->nodes[i] != NULL; i++)
        if (!e2e_has_receipt(t, w->nodes[i]) || !e2e_is_whole(t, w->nodes[i]))
            wrong(w, when, e2e_text(t, "the next run does not make %s", w->nodes[i]));
    e2e_run(t, E2E_ANY, "plan --exit-code %s", strchr(w->command, ' ') + 1);
    if (t->status != 0)
        wrong(w, when, "the run after the next would run something");
}

static void tell(const char *when)
{
    if (getenv("E2E_TRACE") != NULL)
        print_message("%s\n", when);
}

static void one_fault(struct world *w, const char *how, long at)
{
    struct e2e *t = w->t;
    bool many = strncmp(how, "from=", 5) == 0;
    struct failed f;
    const char *when, *said;
    int status;

    (void)run_failing(w, how, at, &f);
    if (!f.is)
        return;
    status = t->status;
    when = e2e_text(t, "%s %ld: %s %s %s %s, status %d", how, at, f.who, f.call, f.error, f.object,
                    status);
    tell(when);
    said = e2e_text(t, "%s%s", t->out, t->err);
    e2e_until_gone(t, E2E_ALL);
    if (many ? !is_status_of_many(status) : !is_status_right(&f, status))
        wrong(w, when, "this is no status of such a fault");
    if (status != 0 && !says_why(&f, said))
        wrong(w, when, "the reason is not told");
    if (status != 0 && !many && !says_what(t, &f, said))
        wrong(w, when, "what failed is not named");
    check_after(w, when, status == 0);
}

/* `executor` or `shim` is killed; what is left of its jobs is ended before the next run. */
static void one_kill(struct world *w, const char *who, long at)
{
    struct e2e *t = w->t;
    struct failed none;
    const char *when;

    (void)run_failing(w, who, at, &none);
    when = e2e_text(t, "%s killed at %ld, status %d", who, at, t->status);
    tell(when);
    e2e_until_gone(t, E2E_ALL);
    check_after(w, when, t->status == 0);
}

static long shift(long step)
{
    const char *seed = getenv("E2E_SEED");

    return seed == NULL ? 0 : atol(seed) % step;
}

/* How many errors the call can meet, by its line in the log of a run without a fault. */
static long n_errors(const char *log, long at)
{
    const char *line = log;
    int n = 1;

    while (--at > 0 && line != NULL)
        line = (line = strchr(line, '\n')) == NULL ? NULL : line + 1;
    return line != NULL && sscanf(line, "%*d %*s %*s %d", &n) == 1 ? n : 1;
}

/*
 * Trials at even distances over the run, how: an error each (`fail`), errors from there on
 * (`from=…`), a death (`executor`, `shim`). With E2E_SWEEP=all every call of a small world with all
 * its errors, and many more of a large one.
 */
static void sweep(struct world *w, const char *how, long trials)
{
    const char *sweep_all = getenv("E2E_SWEEP"), *log;
    bool all = sweep_all != NULL && strcmp(sweep_all, "all") == 0;
    bool fails = strcmp(how, "fail") == 0, kills = !fails && strncmp(how, "from=", 5) != 0;
    struct failed f;
    long n, step;

    start_over(w->t);
    n = run_failing(w, fails ? "fail=0" : kills ? "none" : how, 0, &f);
    if (n < 0) {
        print_message("SKIPPED: ptrace is not permitted here: nothing failed\n");
        skip();
    }
    if (w->t->status != 0 || n < 20)
        e2e_fail(w->t, "without a fault: status %d after %ld calls", w->t->status, n);
    log = e2e_read(w->t, "killat.log");
    step = all && !w->is_large ? 1 : n / (all ? 25 * trials : trials) + 1;
    print_message("%s: every %ld of %ld calls, E2E_SEED=%ld\n", how, step, n, shift(step));
    for (long at = 1 + shift(step); at <= n; at += step) {
        bool each = fails && step == 1;

        for (long k = each ? n_errors(log, at) - 1 : 0; k >= 0; k--) {
            e2e_lives(w->t);
            start_over(w->t);
            if (kills)
                one_kill(w, how, at);
            else
                one_fault(w, fails ? e2e_text(w->t, "fail=%ld", each ? k : at) : how, at);
        }
    }
    if (w->wrong > 0)
        fail_msg("%ld things went wrong", w->wrong);
}

static void traceable(struct e2e *t)
{
    /* LeakSanitizer can't work under ptrace. */
    e2e_setenv(t, "ASAN_OPTIONS", "detect_leaks=0");
    if (is_sanitized())
        e2e_setenv(t, "KILLAT_NO_MEMORY", "1");
}

static struct world one_node(struct e2e *t, const char *sync)
{
    static const char *const nodes[] = { "bronze@2024-01-01T21", NULL };

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "sync = no", e2e_text(t, "sync = %s", sync));
    traceable(t);
    return (struct world){ .t = t, .command = "run bronze@2024-01-01T21", .nodes = nodes };
}

static void any_call_of_an_attempt_may_fail(void **state)
{
    struct world w = one_node(*state, "no");

    sweep(&w, "fail", 30);
}

static void any_call_of_a_durable_attempt_may_fail(void **state)
{
    struct world w = one_node(*state, "yes");

    sweep(&w, "fail", 30);
}

static void the_disk_may_be_full_from_any_call_on(void **state)
{
    struct world w = one_node(*state, "yes");

    sweep(&w, "from=ENOSPC", 10);
}

static void the_disk_may_be_lost_from_any_call_on(void **state)
{
    struct world w = one_node(*state, "yes");

    sweep(&w, "from=EIO", 10);
}

/* Fourteen hours, a day that is over and one that is not: a pool, batches, two jobs at a time. */
static const char large[] = //
    "[graph]\n"
    "start     = 2024-01-01T12\n"
    "partition = hour\n"
    "delay     = 5m\n"
    "jobs      = 2\n"
    "[store]\n"
    "root = warehouse\n"
    "sync = yes\n"
    "[source landing]\n"
    "path   = landing/dt=${ds}/hr=${HH}\n"
    "marker = _DONE\n"
    "[stage bronze]\n"
    "needs   = landing\n"
    "command = sh job.sh ${node} ${output}\n"
    "output  = bronze/dt=${ds}/hr=${HH}\n"
    "pool    = yarn\n"
    "[stage silver]\n"
    "needs   = bronze\n"
    "batch   = 6\n"
    "command = sh batch.sh ${output_root}\n"
    "output  = silver/dt=${ds}/hr=${HH}\n"
    "[stage gold]\n"
    "partition = day\n"
    "partial   = yes\n"
    "needs     = silver\n"
    "command   = sh job.sh ${node} ${output}\n"
    "output    = gold/dt=${ds}\n"
    "[pool yarn]\n"
    "size = 2\n";

/* job.sh for each partition of the batch. */
static const char batch_script[] = //
    "inputs=$STAGEGRAPH_INPUTS_FILE\n"
    "while read -r label; do\n"
    "    day=${label%T*} hour=${label#*T}\n"
    "    export STAGEGRAPH_INPUTS_FILE=\"inputs.$label\"\n"
    "    grep \"\t$label\t\" \"$inputs\" >\"$STAGEGRAPH_INPUTS_FILE\"\n"
    "    sh job.sh \"silver@$label\" \"$1/dt=$day/hr=$hour\" || exit 1\n"
    "    echo \"$label\" >>\"$STAGEGRAPH_DONE_FILE\"\n"
    "done <\"$STAGEGRAPH_PARTITIONS\"\n";

static struct world many_nodes(struct e2e *t)
{
    static const char *nodes[64];
    size_t n = 0;

    e2e_flights(t);
    e2e_write(t, "stagegraph.ini", large);
    e2e_write(t, "batch.sh", batch_script);
    e2e_setenv(t, "STAGEGRAPH_NOW", "2024-01-02T02:10Z");
    for (int hour = 12; hour < 26; hour++) {
        const char *label = e2e_text(t, "2024-01-%02dT%02d", 1 + hour / 24, hour % 24);

        e2e_land(t, label, e2e_text(t, "%s\n", label));
        nodes[n++] = e2e_text(t, "bronze@%s", label);
        nodes[n++] = e2e_text(t, "silver@%s", label);
    }
    nodes[n++] = "gold@2024-01-01";
    nodes[n] = NULL;
    traceable(t);
    return (struct world){ .t = t, .command = "run -j2", .nodes = nodes, .is_large = true };
}

static void any_call_of_a_run_of_many_may_fail(void **state)
{
    struct world w = many_nodes(*state);

    sweep(&w, "fail", 8);
}

static void a_run_of_many_may_be_killed_at_any_call(void **state)
{
    struct world w = many_nodes(*state);

    sweep(&w, "executor", 3);
    sweep(&w, "shim", 3);
}

/* ---- without a fault: what there is not enough of, or not as it should be */

static void a_store_whose_root_is_a_file_is_an_error_of_the_store(void **state)
{
    static const char *const commands[] = { "plan", "run", "run bronze@2024-01-01T21",
                                            "explain bronze@2024-01-01T21", "check --store" };
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_remove(t, "warehouse");
    e2e_write(t, "warehouse", "");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        e2e_run(t, 74, "%s", commands[i]);
        e2e_says(t->err, e2e_text(t, "open the store %s/warehouse: Not a directory", t->dir));
    }
    assert_false(e2e_exists(t, ".stagegraph"));
}

/* Forty jobs at once under a limit of 100 open files: the run gets what it needs, and each job the
 * limit that the caller had. */
static void many_jobs_need_no_larger_limit_of_open_files(void **state)
{
    static const char script[] = //
        "mkdir -p $1 && ulimit -Sn >$1/data && mkdir -p up && : >up/$2 || exit 1\n"
        "until [ \"$(ls up | wc -l)\" -ge 40 ]; do sleep 0.2; done\n";
    struct e2e *t = *state;
    const char *const argv[] = { "/bin/sh", "-c",
                                 e2e_text(t, "ulimit -Sn 100 && exec %s --now 2024-04-01 run -j40",
                                          getenv("STAGEGRAPH_BIN")),
                                 NULL };

    e2e_write(t, "stagegraph.ini",
              "[graph]\nstart = 2024-01-01\nend = 2024-02-10\npartition = day\n"
              "[store]\nroot = warehouse\nsync = no\n"
              "[stage many]\ncommand = sh many.sh ${output} ${ds}\noutput = many/${ds}\n"
              "timeout = 60s\n");
    e2e_write(t, "many.sh", script);
    e2e_wait(e2e_start_argv(t, argv), 0);
    assert_string_equal(e2e_read(t, "warehouse/many/2024-01-01/data"), "100\n");
    assert_string_equal(e2e_read(t, "warehouse/many/2024-02-09/data"), "100\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        e2e_test(a_store_whose_root_is_a_file_is_an_error_of_the_store),
        e2e_test(many_jobs_need_no_larger_limit_of_open_files),
        e2e_test(any_call_of_an_attempt_may_fail),
        e2e_test(any_call_of_a_durable_attempt_may_fail),
        e2e_test(any_call_of_a_run_of_many_may_fail),
        e2e_test(a_run_of_many_may_be_killed_at_any_call),
        e2e_test(the_disk_may_be_full_from_any_call_on),
        e2e_test(the_disk_may_be_lost_from_any_call_on),
    };

    return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
