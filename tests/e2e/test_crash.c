/*
 * crash: a lab in which executors, shims and jobs are killed at random instants, singly and
 * together, over random graphs whose jobs record what they did (helpers/crashjob.c).
 *
 *   test_crash                       six graphs, seeds from 1 on
 *   SOAK_SECONDS=3600 test_crash     graph after graph until the time is over (`ninja soak`)
 *   SOAK_SEED=N test_crash           from seed N on: a failing seed is told, and begins again so
 *
 * All choices are drawn from the seed; when a kill arrives is up to the machine, so what failed may
 * need some turns to fail again (E2E_KEEP leaves its directory).
 *
 * After each round, while what was killed may still linger: what the plan says is fresh is whole
 * and made from what its inputs are now, no two jobs were at one node, no pool or exclusive stage
 * had too many, and `status` names each process that lives on. At the end of some rounds the run
 * is taken up again undisturbed: it runs what the plan says and nothing else, and leaves no
 * process, claim, slot or temporary file.
 */
#include "fixture.h"

#include <fts.h>
#include <time.h>
#include <unistd.h>

#include "stagegraph/hash.h"

#define STAGES  7
#define HOURS   6
#define NODES   (STAGES * HOURS)
#define INPUTS  16
#define GRAPHS  6   /* without SOAK_SECONDS */
#define TURNS   100 /* of a run that finds what is just ending */
#define FIRST_H 21  /* the graph begins on 2024-01-01 at this hour */

static const char *const stage_names[STAGES] = { "landing", "s1", "s2", "s3", "s4", "s5", "s6" };

struct need {
    char text[32];
    int of;       /* the stage */
    int from, to; /* offsets, if `by_offset` */
    bool by_offset, optional, order_only;
};

struct stage {
    const char *name;
    bool is_source, is_day, partial, exclusive;
    struct need needs[4];
    int n_needs;
};

struct node {
    char name[32];
    int stage, index; /* of the partition */
    struct {
        int need, node;
    } inputs[INPUTS];
    int n_inputs;
    bool stale, upstream; /* by the last plan */
    int begun;            /* jobs since forget_jobs() */
};

struct lab {
    struct e2e *t;
    uint64_t seed, chance;
    bool at_work; /* in the middle of a graph: what fails now is this seed's fault */
    struct stage stages[STAGES];
    struct node nodes[NODES];
    int n_stages, n_nodes, hours, now_h, pool_size;
    int version; /* of whatever is changed */
    size_t log_seen;
    char story[1000];
    /* of the round */
    bool two_runs, is_resumable;
    /* in all */
    int rounds, finals, kills, resumes, lingering;
    long jobs;
};

static uint32_t draw(struct lab *l, uint32_t n)
{
    l->chance = l->chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(l->chance >> 33) % n;
}

static bool percent(struct lab *l, uint32_t p)
{
    return draw(l, 100) < p;
}

static void tell(struct lab *l, const char *fmt, ...) E2E_PRINTF(2, 3);
static void tell(struct lab *l, const char *fmt, ...)
{
    size_t n = strlen(l->story);
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(l->story + n, sizeof(l->story) - n, fmt, ap);
    va_end(ap);
}

/* ---- the graph */

static int partitions(const struct lab *l, int stage)
{
    return !l->stages[stage].is_day ? l->hours : FIRST_H + l->hours > 24 ? 2 : 1;
}

/* In hours from the beginning of the first day. */
static int end_of(const struct lab *l, const struct node *n)
{
    return l->stages[n->stage].is_day ? 24 * (n->index + 1) : FIRST_H + n->index + 1;
}

static int find_node(const struct lab *l, int stage, int index)
{
    for (int i = 0; i < l->n_nodes; i++)
        if (l->nodes[i].stage == stage && l->nodes[i].index == index)
            return i;
    return -1;
}

static void add_input(struct lab *l, struct node *n, int need, int index)
{
    int input = find_node(l, l->stages[n->stage].needs[need].of, index);

    if (input < 0 || n->n_inputs == INPUTS)
        return;
    n->inputs[n->n_inputs].need = need;
    n->inputs[n->n_inputs++].node = input;
}

/* What the contract says that a node needs, for the kinds of needs that draw_needs() makes. */
static void add_inputs(struct lab *l, struct node *n)
{
    const struct stage *s = &l->stages[n->stage];

    for (int i = 0; i < s->n_needs; i++) {
        const struct need *need = &s->needs[i];
        const struct stage *of = &l->stages[need->of];

        if (need->by_offset) {
            for (int at = need->from; at <= need->to; at++)
                add_input(l, n, i, n->index + at);
        } else if (of->is_day == s->is_day) {
            add_input(l, n, i, n->index);
        } else if (of->is_day) {
            add_input(l, n, i, (FIRST_H + n->index) / 24);
        } else {
            for (int h = 0; h < l->hours; h++)
                if ((FIRST_H + h) / 24 == n->index)
                    add_input(l, n, i, h);
        }
    }
}

static void add_nodes(struct lab *l, int stage)
{
    for (int i = 0; i < partitions(l, stage); i++) {
        struct node *n = &l->nodes[l->n_nodes++];
        int h = FIRST_H + i;

        *n = (struct node){ .stage = stage, .index = i };
        if (l->stages[stage].is_day)
            (void)snprintf(n->name, sizeof(n->name), "%s@2024-01-%02d", l->stages[stage].name,
                           1 + i);
        else
            (void)snprintf(n->name, sizeof(n->name), "%s@2024-01-%02dT%02d", l->stages[stage].name,
                           1 + h / 24, h % 24);
        add_inputs(l, n);
    }
}

static void draw_need(struct lab *l, struct stage *s, int of, bool itself)
{
    const struct stage *x = &l->stages[of];
    struct need *n = &s->needs[s->n_needs++];

    *n = (struct need){ .of = of, .by_offset = itself, .from = -1, .to = -1 };
    if (!itself && x->is_day == s->is_day && percent(l, 25)) {
        n->by_offset = true;
        n->to = 0;
    }
    n->order_only = !itself && percent(l, 15);
    n->optional = !itself && !n->order_only && percent(l, 20);
    (void)snprintf(n->text, sizeof(n->text), "%s%s%s%s", n->order_only ? "|" : "", x->name,
                   itself         ? "@-1"
                   : n->by_offset ? "@-1..0"
                                  : "",
                   n->optional ? "?" : "");
}

static void write_stage(struct lab *l, int stage)
{
    const struct stage *s = &l->stages[stage];
    struct e2e *t = l->t;
    bool pool = percent(l, 40), reports = percent(l, 60);
    char *text =
        e2e_text(t, "\n[stage %s]\npartition = %s\nneeds =", s->name, s->is_day ? "day" : "hour");

    for (int i = 0; i < s->n_needs; i++)
        text = e2e_text(t, "%s %s", text, s->needs[i].text);
    text = e2e_text(t,
                    "%s\ncommand = %s/crashjob %s ${partitions} -%s%s%s\n"
                    "output = %s/dt=${ds}%s\ncode = code/%s\n"
                    "timeout = 60s\ngrace = %ds\nbackoff = 0\nbreaker = 0\nretries = %d\n",
                    text, getenv("TEST_HELPERS"), s->name,
                    !pool               ? ""
                    : l->pool_size == 1 ? "1"
                                        : "2",
                    s->exclusive ? "x" : "", reports ? "d" : "", s->name,
                    s->is_day ? "" : "/hr=${HH}", s->name, percent(l, 30), (int)draw(l, 2));
    if (pool)
        text = e2e_text(t, "%spool = p\n", text);
    if (s->exclusive)
        text = e2e_text(t, "%sexclusive = yes\n", text);
    if (s->partial)
        text = e2e_text(t, "%spartial = yes\n", text);
    if (percent(l, 45))
        text = e2e_text(t, "%sbatch = %d\n", text, 2 + (int)draw(l, 3));
    if (percent(l, 25))
        text = e2e_text(t, "%skeep_marker = yes\n", text);
    if (percent(l, 25))
        text = e2e_text(t, "%sprepare = delete\n", text);
    e2e_append(t, "stagegraph.ini", text);
    e2e_write(t, e2e_text(t, "code/%s", s->name), "v0\n");
}

static void draw_stage(struct lab *l)
{
    struct stage *s = &l->stages[l->n_stages];
    int needs = 1 + (int)draw(l, 2), last = -1;

    *s = (struct stage){ .name = stage_names[l->n_stages],
                         .is_day = l->n_stages > 1 && percent(l, 30) };
    s->partial = s->is_day && percent(l, 50);
    s->exclusive = percent(l, 20);
    for (int i = 0; i < needs; i++) {
        int of = (int)draw(l, (uint32_t)l->n_stages);

        if (of != last)
            draw_need(l, s, of, false);
        last = of;
    }
    if (percent(l, 25))
        draw_need(l, s, l->n_stages, true);
    write_stage(l, l->n_stages++);
    add_nodes(l, l->n_stages - 1);
}

/* Of few texts, so that one comes again. */
static void land(struct lab *l, int hour)
{
    e2e_land(l->t, strchr(l->nodes[hour].name, '@') + 1, e2e_text(l->t, "v%u\n", draw(l, 3)));
}

static void write_facts(struct lab *l)
{
    for (int i = 0; i < l->n_nodes; i++) {
        const struct node *n = &l->nodes[i];

        for (int j = 0; j < n->n_inputs; j++) {
            const char *input = l->nodes[n->inputs[j].node].name;
            int len = (int)strcspn(input, "@");

            e2e_append(l->t, "facts",
                       e2e_text(l->t, "%s %s %.*s %s\n", n->name,
                                l->stages[n->stage].needs[n->inputs[j].need].text, len, input,
                                input + len + 1));
        }
    }
}

static void set_now(struct lab *l, int hour)
{
    l->now_h = hour;
    l->is_resumable = false; /* that would be as of then */
    e2e_setenv(l->t, "STAGEGRAPH_NOW",
               e2e_text(l->t, "2024-01-%02dT%02d:00Z", 1 + hour / 24, hour % 24));
}

static void draw_graph(struct lab *l)
{
    int stages = 3 + (int)draw(l, STAGES - 3);

    l->hours = 4 + (int)draw(l, HOURS - 3);
    l->pool_size = 1 + (int)draw(l, 2);
    e2e_write(
        l->t, "stagegraph.ini",
        e2e_text(l->t,
                 "[graph]\nname = crash\nstart = 2024-01-01T%d\nend = 2024-01-02T%02d\n"
                 "delay = 0\n\n[store]\nroot = warehouse\nsync = %s\n\n[pool p]\nsize = %d\n\n"
                 "[source landing]\npath = landing/dt=${ds}/hr=${HH}\nmarker = _DONE\n"
                 "identity = content\n",
                 FIRST_H, FIRST_H + l->hours - 24, percent(l, 10) ? "yes" : "no", l->pool_size));
    l->stages[0] = (struct stage){ .name = stage_names[0], .is_source = true };
    l->n_stages = 1;
    l->n_nodes = 0;
    add_nodes(l, 0);
    while (l->n_stages < stages)
        draw_stage(l);
    for (int i = 0; i < l->hours; i++)
        land(l, i);
    write_facts(l);
    e2e_write(l->t, "locks/none", "");
    e2e_write(l->t, "fail/none", "");
    /* Later the days end, and with them the unfinished ones. */
    set_now(l, percent(l, 50) ? FIRST_H + l->hours - 1 : 49);
}

/* ---- what is in the store */

static bool is_due(const struct lab *l, const struct node *n)
{
    if (end_of(l, n) > l->now_h)
        return false;
    for (int i = 0; i < n->n_inputs; i++)
        if (!l->stages[n->stage].needs[n->inputs[i].need].optional &&
            !is_due(l, &l->nodes[n->inputs[i].node]))
            return false;
    return true;
}

/* As crashjob hashes it. */
static char *hash_of(struct lab *l, const char *data)
{
    char hash[SG_HASH64_TEXT];

    sg_hash64_format(sg_hash64_of(data, strlen(data)), hash);
    return e2e_text(l->t, "%s", hash);
}

static char *data_of(struct lab *l, const struct node *n)
{
    return e2e_read(l->t, e2e_text(l->t, "%s/data", e2e_output(l->t, n->name)));
}

/* Ends in the sum of all before, and is the node's. */
static bool is_whole(struct lab *l, const struct node *n, const char *data)
{
    const char *sum = data == NULL ? NULL : strstr(data, "\nsum ");
    char *want;

    if (sum == NULL)
        return false;
    want = e2e_text(l->t, "%.*s", (int)(sum + 1 - data), data);
    want = e2e_text(l->t, "%ssum %s\n", want, hash_of(l, want));
    return strcmp(data, want) == 0 &&
           strncmp(data, e2e_text(l->t, "node %s\n", n->name), strlen(n->name) + 6) == 0;
}

/* Was it made from what the input is now? */
static bool agrees_with(struct lab *l, const struct node *n, int input, const char *data)
{
    const struct node *in = &l->nodes[n->inputs[input].node];
    const struct need *need = &l->stages[n->stage].needs[n->inputs[input].need];
    char *of = data_of(l, in);

    if (need->order_only || in->stale)
        return true;
    if (!l->stages[in->stage].is_source && !e2e_has_receipt(l->t, in->name))
        return true; /* absent, or unfinished: it is there for nobody */
    return of != NULL && strstr(data, e2e_text(l->t, "\n%s %s %s\n", need->text,
                                               strchr(in->name, '@') + 1, hash_of(l, of))) != NULL;
}

static bool is_there(struct lab *l, const struct node *n)
{
    const char *partial = e2e_text(l->t, "%s/_PARTIAL", e2e_output(l->t, n->name));

    return e2e_has_receipt(l->t, n->name) ||
           (l->stages[n->stage].partial && e2e_exists(l->t, partial));
}

/* Everything that the last plan left out is there, whole, and of today's code and inputs. */
static void assert_fresh_is_whole(struct lab *l)
{
    for (int i = 0; i < l->n_nodes; i++) {
        const struct node *n = &l->nodes[i];
        const struct stage *s = &l->stages[n->stage];
        const char *data = data_of(l, n), *code;

        if (s->is_source || n->stale)
            continue;
        if (!is_there(l, n)) {
            if (is_due(l, n))
                e2e_fail(l->t, "%s is fresh and has no receipt", n->name);
            continue;
        }
        if (!is_whole(l, n, data))
            e2e_fail(l->t, "%s is fresh and not whole: %s", n->name, data == NULL ? "-" : data);
        code = e2e_read(l->t, e2e_text(l->t, "code/%s", s->name));
        if (strstr(data, e2e_text(l->t, "\ncode %s", code)) == NULL)
            e2e_fail(l->t, "%s is fresh and not of today's code: %s", n->name, data);
        for (int j = 0; j < n->n_inputs; j++)
            if (!agrees_with(l, n, j, data))
                e2e_fail(l->t, "%s is fresh and not made from what %s is: %s", n->name,
                         l->nodes[n->inputs[j].node].name, data);
    }
}

/* ---- plans */

static void mark(struct lab *l, const struct e2e_doc *d, const char *list)
{
    for (size_t i = 0;; i++) {
        const char *stage = e2e_get(d, "%s[%zu].stage", list, i);
        const char *reason = e2e_get(d, "%s[%zu].reason", list, i);
        int first, last;

        if (stage == NULL)
            return;
        first = last = -1;
        for (int j = 0; j < l->n_nodes; j++) {
            const struct node *n = &l->nodes[j];

            if (strcmp(l->stages[n->stage].name, stage) != 0)
                continue;
            if (strcmp(strchr(n->name, '@') + 1, e2e_get(d, "%s[%zu].first", list, i)) == 0)
                first = j;
            if (strcmp(strchr(n->name, '@') + 1, e2e_get(d, "%s[%zu].last", list, i)) == 0)
                last = j;
        }
        if (first < 0 || last < first)
            e2e_fail(l->t, "the plan has a group of no nodes: %s[%zu]", list, i);
        for (int j = first; j <= last; j++) {
            l->nodes[j].stale = true;
            l->nodes[j].upstream = reason != NULL && strcmp(reason, "upstream") == 0;
        }
    }
}

/* What isn't fresh by a plan; returns how many. */
static int ask_plan(struct lab *l)
{
    struct e2e_doc *d;
    int n = 0;

    e2e_run(l->t, 0, "plan --json");
    d = e2e_json(l->t, l->t->out);
    for (int i = 0; i < l->n_nodes; i++)
        l->nodes[i].stale = l->nodes[i].upstream = false;
    mark(l, d, "groups");
    mark(l, d, "blocked");
    mark(l, d, "busy");
    for (int i = 0; i < l->n_nodes; i++)
        n += l->nodes[i].stale;
    return n;
}

/* ---- the jobs' log */

/* Counts the jobs that the run began, or with NULL all: an orphan may begin late. */
static void read_log(struct lab *l, const char *of_runs)
{
    char *log = e2e_read(l->t, "log"), *save = NULL, what[16], name[64], run[64];

    if (log == NULL || strlen(log) <= l->log_seen)
        return;
    log += l->log_seen;
    l->log_seen += strlen(log);
    for (char *line = strtok_r(log, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        if (sscanf(line, "%15s %63s %*d %*d %63s", what, name, run) != 3)
            e2e_fail(l->t, "a line of the log is broken: %s", line);
        /* Another run may begin to remake an input of a job that runs: input_moved is for that. */
        if (strcmp(what, "overlap") == 0 || strcmp(what, "crowd") == 0 ||
            (strcmp(what, "torn") == 0 && !l->two_runs))
            e2e_fail(l->t, "%s", line);
        if (strcmp(what, "begin") != 0 || (of_runs != NULL && strstr(of_runs, run) == NULL))
            continue;
        for (int i = 0; i < l->n_nodes; i++)
            l->nodes[i].begun += strcmp(l->nodes[i].name, name) == 0;
        l->jobs++;
    }
}

static int forget_jobs(struct lab *l)
{
    int n = 0;

    for (int i = 0; i < l->n_nodes; i++) {
        n += l->nodes[i].begun;
        l->nodes[i].begun = 0;
    }
    return n;
}

/* ---- trouble */

static struct node *draw_node(struct lab *l)
{
    return &l->nodes[l->hours + (int)draw(l, (uint32_t)(l->n_nodes - l->hours))];
}

/* What people and other programs do between runs. */
static void change_something(struct lab *l)
{
    static const char *const ways[] = { "plain", "once", "marker", "report" };
    struct node *n = draw_node(l);
    char *marker = e2e_marker(l->t, n->name), *text = e2e_read(l->t, marker);
    uint32_t what = draw(l, 12);

    if (what < 3) {
        const char *stage = l->stages[n->stage].name;

        tell(l, " code %s,", stage);
        e2e_write(l->t, e2e_text(l->t, "code/%s", stage), e2e_text(l->t, "v%d\n", l->version++));
    } else if (what < 6) {
        int hour = (int)draw(l, (uint32_t)l->hours);

        tell(l, " land %d,", hour);
        land(l, hour);
    } else if (what == 6) {
        tell(l, " no output %s,", n->name);
        e2e_remove(l->t, e2e_output(l->t, n->name));
    } else if (what == 7 && text != NULL && strlen(text) > 50) {
        tell(l, " damage %s,", n->name);
        e2e_poke(l->t, marker, 1 + draw(l, 40), '#');
    } else if (what == 8 && text != NULL) {
        tell(l, " cut %s,", n->name);
        e2e_write(l->t, marker, e2e_text(l->t, "%.*s", 1 + (int)draw(l, 40), text));
    } else if (what == 9 && text != NULL) {
        tell(l, " invalidate %s,", n->name);
        e2e_run(l->t, 0, "invalidate --yes %s", n->name);
    } else if (what > 9) {
        const char *way = ways[draw(l, 4)];

        tell(l, " fail %s %s,", n->name, way);
        e2e_write(l->t, e2e_text(l->t, "fail/%s", n->name), way);
    }
}

enum victim {
    EXECUTOR,
    SHIM,
    SHIMS,
    JOB,
    EXECUTOR_SHIMS,
    EXECUTOR_JOB,
    EVERYTHING,
    INT,
    TERM,
    NAP,
    VICTIMS
};
static const char *const victims[VICTIMS] = {
    "executor",     "shim",       "shims", "job",  "executor+shims",
    "executor+job", "everything", "INT",   "TERM", "nap",
};

static size_t kill_some(struct lab *l, enum e2e_who who, size_t most)
{
    pid_t pids[64];
    size_t n = e2e_find(l->t, who, pids, 64), killed = 0;

    for (size_t i = 0, from = n == 0 ? 0 : draw(l, (uint32_t)n); i < n && killed < most; i++)
        killed += kill(pids[(from + i) % n], SIGKILL) == 0;
    return killed;
}

/* Whether the executor is no more. */
static bool strike(struct lab *l, struct e2e_proc *run)
{
    uint32_t drawn = draw(l, VICTIMS + 2);
    enum victim v = drawn < VICTIMS ? (enum victim)drawn : EXECUTOR_SHIMS; /* what lingers */
    bool with_executor =
        v == EXECUTOR || v == EXECUTOR_SHIMS || v == EXECUTOR_JOB || v == EVERYTHING;
    bool executor_first = percent(l, 50);

    tell(l, " %s", victims[v]);
    l->kills++;
    if (e2e_is_over(run))
        return true;
    if (v == INT || v == TERM)
        e2e_kill(run, v == INT ? SIGINT : SIGTERM);
    if (v == NAP)
        e2e_kill(run, SIGSTOP);
    if (with_executor)
        e2e_kill(run, executor_first ? SIGKILL : SIGSTOP);
    if (v == SHIM)
        (void)kill_some(l, E2E_SHIM, 1);
    if (v == SHIMS || v == EXECUTOR_SHIMS || v == EVERYTHING)
        (void)kill_some(l, E2E_SHIM, 64);
    if (v == JOB || v == EXECUTOR_JOB)
        (void)kill_some(l, E2E_JOB, 1);
    if (v == EVERYTHING)
        (void)kill_some(l, E2E_JOB, 64);
    if (with_executor)
        e2e_kill(run, SIGKILL);
    if (v == NAP) {
        e2e_pause(l->t, (int)draw(l, 100));
        e2e_kill(run, SIGCONT);
    }
    return with_executor;
}

/* One or two runs, and what happens to them. */
static void disturb(struct lab *l)
{
    struct e2e *t = l->t;
    struct e2e_proc *runs[2] = { NULL, NULL };
    bool has_range[2], dead[2] = { false, false }, died = false;
    int n = percent(l, 35) ? 2 : 1, at;

    l->two_runs = n == 2;
    (void)forget_jobs(l);
    e2e_write(t, "stall", e2e_text(t, "%d\n", l->rounds));
    for (int i = 0; i < n; i++) {
        has_range[i] = percent(l, 60);
        if (i == 1)
            e2e_pause(t, (int)draw(l, 60));
        runs[i] = e2e_start(t, "run -j%u%s%s%s%s", 1 + draw(l, 4),
                            has_range[i] ? " --from 2024-01-01" : "",
                            !has_range[i] && percent(l, 10) ? " --force" : "",
                            n == 2 && percent(l, 40) ? " --wait" : "",
                            i == 1 && percent(l, 60) ? " --order newest" : "");
    }
    for (uint32_t i = 0, times = draw(l, 3) + (l->rounds % 4 != 0); i < times; i++) {
        e2e_pause(t, (int)draw(l, 120));
        if (percent(l, 20))
            land(l, (int)draw(l, (uint32_t)l->hours));
        at = (int)draw(l, (uint32_t)n);
        dead[at] = strike(l, runs[at]) || dead[at];
    }
    /* Those that stand still go on with a living executor; without it they are to be ended. */
    if (!dead[0] || (n == 2 && !dead[1]))
        e2e_write(t, e2e_text(t, "go.%d", l->rounds), "");
    for (int i = 0; i < n; i++) {
        int status = e2e_end(runs[i]);

        died = status >= E2E_DIED(0);
        tell(l, " =%d", status);
        if (status == 2 || (status >= 70 && status < 1000))
            e2e_fail(t, "the run's status is %d", status);
    }
    read_log(l, NULL);
    l->is_resumable = n == 1 && died && has_range[0] && forget_jobs(l) > 0;
    tell(l, "\n");
}

/* ---- what must hold */

/* Every process of a dead run is named by a dead claim. */
static void assert_status_names_what_lingers(struct lab *l)
{
    pid_t pids[64];
    size_t n = e2e_find(l->t, E2E_JOB, pids, 64);
    struct e2e_doc *d;

    if (n == 0)
        return;
    l->lingering += (int)n;
    e2e_run(l->t, 0, "status --json --from 2024-01-01 --to 2024-01-02");
    d = e2e_json(l->t, l->t->out);
    for (size_t i = 0; i < n; i++) {
        bool named = false;

        for (size_t c = 0; !named && e2e_get(d, "dead[%zu].node", c) != NULL; c++)
            for (size_t p = 0; !named && e2e_get(d, "dead[%zu].processes[%zu]", c, p) != NULL; p++)
                named = atoi(e2e_get(d, "dead[%zu].processes[%zu]", c, p)) == pids[i];
        if (!named && e2e_is_alive(pids[i]))
            e2e_fail(l->t, "status doesn't name the process %d of a dead run", (int)pids[i]);
    }
}

/* A file below the directory whose name begins so; NULL if there is none. Nobody takes a killed
 * run's temporary recipes away, see docs/formats.md. */
static const char *left_in(struct lab *l, const char *dir, const char *begins)
{
    char *const roots[] = { e2e_path(l->t, dir), NULL };
    const char *found = NULL;
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    FTSENT *e;

    while (tree != NULL && (e = fts_read(tree)) != NULL)
        if (e->fts_info == FTS_F && strncmp(e->fts_name, begins, strlen(begins)) == 0 &&
            strstr(e->fts_path, "/_stagegraph/recipes/") == NULL)
            found = e2e_text(l->t, "%s", e->fts_path);
    if (tree != NULL)
        (void)fts_close(tree);
    return found;
}

static void assert_nothing_is_left(struct lab *l, bool ran)
{
    static const struct {
        const char *dir, *begins;
        bool if_ran; /* a run without a job leaves the state directory alone */
    } rows[] = {
        /* not _stagegraph/exclusive: a dead one is there until its stage has something to run */
        { "warehouse/_stagegraph/claims", "", false },
        { "warehouse", ".", true },
        { ".stagegraph/pools", "wait.", true },
        { ".stagegraph/runs", "", true },
        { ".stagegraph/tmp", "", true },
    };
    pid_t left;

    if (e2e_find(l->t, E2E_ALL, &left, 1) != 0)
        e2e_fail(l->t, "process %d is left", (int)left);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *file = ran || !rows[i].if_ran ? left_in(l, rows[i].dir, rows[i].begins) : NULL;

        if (file != NULL)
            e2e_fail(l->t, "%s is left", file);
    }
}

/* It ran what was stale, once, and of what is behind that, what wasn't found unchanged. */
static void assert_ran_the_rest(struct lab *l, const char *events)
{
    for (int i = 0; i < l->n_nodes; i++) {
        const struct node *n = &l->nodes[i];
        const char *skipped =
            e2e_text(l->t, "\"node_skipped\"*\"node\":\"%s\"*\"result\":\"unchanged\"", n->name);

        if (n->begun > 1 || (n->begun == 1 && !n->stale))
            e2e_fail(l->t, "%s ran %d times, planned %d", n->name, n->begun, n->stale);
        if (n->begun == 0 && n->stale && !n->upstream)
            e2e_fail(l->t, "%s was planned and did not run", n->name);
        if (n->begun == 0 && n->upstream)
            e2e_has_line(events, e2e_text(l->t, "*%s*", skipped));
    }
}

/* A run that was killed when its range was done, and the history knew; what is stale lies outside
 * of it. */
static bool was_over(struct lab *l)
{
    e2e_run(l->t, 0, "history --limit 1 --json");
    return strstr(l->t->out, "\"exit_status\":0") != NULL;
}

/* Undisturbed, by `resume` where there is something to resume. */
static void take_up_again(struct lab *l)
{
    const char *events = "", *what;
    int stale, begun;

    e2e_remove(l->t, "stall");
    e2e_remove(l->t, "fail");
    e2e_write(l->t, "fail/none", "");
    stale = ask_plan(l);
    what = l->is_resumable && stale != 0 && !was_over(l) ? "resume" : "run";
    read_log(l, NULL);
    (void)forget_jobs(l);
    l->two_runs = false;
    l->finals++;
    l->resumes += strcmp(what, "resume") == 0;
    for (int i = 0; i < TURNS && (i == 0 || l->t->status == 4); i++) {
        e2e_pause(l->t, i == 0 ? 0 : 20);
        e2e_run(l->t, E2E_ANY, "%s -j%u --json", what, 1 + draw(l, 4));
        events = e2e_text(l->t, "%s%s", events, l->t->out);
    }
    if (l->t->status != 0)
        e2e_fail(l->t, "undisturbed, the status of %s is %d", what, l->t->status);
    read_log(l, events);
    assert_ran_the_rest(l, events);
    begun = forget_jobs(l);
    assert_nothing_is_left(l, begun > 0);
    if (ask_plan(l) != 0)
        e2e_fail(l->t, "after %s, which ran %d of %d, something is stale", what, begun, stale);
    assert_fresh_is_whole(l);
    l->is_resumable = false;
}

static void go_round(struct lab *l)
{
    l->rounds++;
    for (uint32_t i = 0, n = draw(l, 4); i < n; i++)
        change_something(l);
    if (percent(l, 20))
        set_now(l, 49);
    disturb(l);
    /* Without its executor a shim ends its job; what lost both lives on. */
    e2e_until_gone(l->t, E2E_SHIM);
    assert_status_names_what_lingers(l);
    (void)ask_plan(l);
    assert_fresh_is_whole(l);
    if (percent(l, l->is_resumable ? 90 : 50))
        take_up_again(l);
}

/* ---- all graphs */

static int lab_setup(void **state)
{
    struct lab *l = calloc(1, sizeof(*l));

    *state = l;
    return l == NULL ? -1 : e2e_setup((void **)&l->t);
}

static int lab_teardown(void **state)
{
    struct lab *l = *state;
    int rc;

    if (l->at_work)
        print_message("seed %llu, again: SOAK_SEED=%llu\n%s\n", (unsigned long long)l->seed,
                      (unsigned long long)l->seed, l->story);
    rc = l->t == NULL ? 0 : e2e_teardown((void **)&l->t);
    free(l);
    return rc;
}

static void one_graph(struct lab *l, uint64_t seed)
{
    int rounds;

    l->seed = l->chance = seed;
    l->at_work = true;
    l->log_seen = 0;
    l->version = 0;
    for (int i = 0; i < 4; i++)
        (void)draw(l, 2); /* small seeds are alike at first */
    draw_graph(l);
    rounds = 3 + (int)draw(l, 4);
    for (int i = 0; i < rounds; i++) {
        l->story[0] = '\0';
        tell(l, "round %d:", i + 1);
        go_round(l);
    }
    take_up_again(l);
    l->at_work = false;
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text == NULL || *text == '\0' ? otherwise : strtoull(text, NULL, 0);
}

static void killed_at_any_instant_nothing_is_lost_or_half_done(void **state)
{
    struct lab *l = *state;
    uint64_t first = setting("SOAK_SEED", 1), seconds = setting("SOAK_SECONDS", 0), n;
    time_t end = time(NULL) + (time_t)seconds;

    for (n = 0; seconds == 0 ? n < GRAPHS : time(NULL) < end; n++) {
        one_graph(l, first + n);
        /* A new directory, and a new watchdog. */
        if (e2e_teardown((void **)&l->t) != 0)
            fail_msg("seed %llu leaves processes", (unsigned long long)(first + n));
        l->t = NULL;
        if (e2e_setup((void **)&l->t) != 0)
            fail_msg("no scratch directory");
    }
    print_message("soak: crash: %llu graphs from seed %llu on, %d rounds, %d kills and signals, "
                  "%ld jobs, %d of dead runs lingered, %d runs taken up again, %d of them by "
                  "resume\n",
                  (unsigned long long)n, (unsigned long long)first, l->rounds, l->kills, l->jobs,
                  l->lingering, l->finals, l->resumes);
    assert_true(l->finals > 0 && l->jobs > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(killed_at_any_instant_nothing_is_lost_or_half_done,
                                        lab_setup, lab_teardown),
    };

    return cmocka_run_group_tests_name("crash", tests, NULL, NULL);
}
