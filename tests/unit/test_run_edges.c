/*
 * The jobs of a run and the edges between them, against the plan's nodes taken one by one: random
 * graphs of hours, days, weeks and once, with windows, needs that overlap, batches, partial stages,
 * stages that need each other, and dates that never were. Then the run is played with random
 * results: a job starts when all that it needs is finished, or never, and not twice. A failure
 * names its seed. In the environment: EDGES_SEEDS, how many (200); EDGES_SEED, one alone, with its
 * graph printed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/run/run_impl.h"
#include "../../src/run/sched_table.h"

#include "world.h"

#define SEEDS 200

enum { MAX_JOBS = 1800, MAX_STAGES = 5, MAX_NEEDS = 4 };
enum unit { HOUR, DAY, WEEK, ONCE };
static const char *const unit_names[] = { "hour", "day", "week", "once" };

/* Around a date that never was, twice; an hour that was skipped; nothing of that kind. */
static const struct place {
    const char *zone, *start, *now;
} places[] = {
    { "Pacific/Apia", "2011-12-26", "2012-01-02T15:00:00Z" },
    { "Pacific/Kwajalein", "1993-08-17", "1993-08-24T03:00:00Z" },
    { "America/New_York", "2024-03-07", "2024-03-13T20:00:00Z" },
    { "UTC", "2024-01-01", "2024-01-07T10:00:00Z" },
};

struct stage {
    enum unit unit;
    bool partial;
};

/* What a job needs of another. */
enum edge { NO_EDGE, OPTIONAL_EDGE, REQUIRED_EDGE };

struct counts {
    unsigned batches, holes, optional, windows, done, lost, blocked, unblocked, again, postponed;
};

struct edges {
    unsigned seed;
    uint64_t random;
    struct stage stages[MAX_STAGES];
    int n;
    bool mutual; /* an early stage needs what a later one made days ago */
    char text[6000];
    struct world w;
    struct sg_run *run;
    struct counts *counts;
};

static unsigned chance(struct edges *e, unsigned n)
{
    e->random = e->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(e->random >> 33) % n;
}

/* ---- the graph */

static void say(struct edges *e, const char *fmt, ...) SG_PRINTF(2, 3);
static void say(struct edges *e, const char *fmt, ...)
{
    size_t n = strlen(e->text);
    va_list ap;

    va_start(ap, fmt);
    assert_true(vsnprintf(e->text + n, sizeof(e->text) - n, fmt, ap) < (int)(sizeof(e->text) - n));
    va_end(ap);
}

static void offsets(struct edges *e, int hi, char ret[32])
{
    int lo = hi - (int)chance(e, 4) - (chance(e, 3) == 0 ? (int)chance(e, 40) : 0);

    (void)snprintf(ret, 32, lo == hi ? "@%d" : "@%d..%d", lo, hi);
    e->counts->windows += hi - lo > 4;
}

/* One that is there already is refused: then it is one less. */
static void say_need(struct edges *e, int self, const char *line)
{
    const struct stage *s = &e->stages[self];
    int of = (int)chance(e, (unsigned)(e->mutual ? e->n : self + 1));
    const struct stage *x = &e->stages[of];
    bool with_once = s->unit == ONCE || x->unit == ONCE;
    char at[32] = "", need[64];

    if (of == self && s->unit == ONCE)
        return;
    if (of == self)
        offsets(e, -1 - (int)chance(e, 2), at);
    else if (of > self) /* of an earlier day, however long that was */
        offsets(e, (x->unit == HOUR ? -25 : -1) - (int)chance(e, 2), at);
    else if (!e->mutual && chance(e, 6) == 0)
        (void)snprintf(at, sizeof(at), "@latest");
    else if (!with_once && chance(e, 2) == 0)
        offsets(e, -(int)chance(e, 3), at);
    (void)snprintf(need, sizeof(need), "n%d%s", of, at);
    if (strstr(line, need) == NULL)
        say(e, "%s%s%s ", chance(e, 6) == 0 ? "|" : "", need, chance(e, 4) == 0 ? "?" : "");
}

static void make_graph(struct edges *e, const struct place *p)
{
    static const char *const batches[] = { "2", "3", "4", "7", "24", "1d", "3d", "7d" };

    e->n = 2 + (int)chance(e, MAX_STAGES - 1);
    e->mutual = chance(e, 3) == 0;
    say(e,
        "[graph]\nstart = %s\ntimezone = %s\ndelay = 0\n[store]\nroot = store\n"
        "[source landing]\npartition = day\npath = landing/${ds}\nmarker = _DONE\n",
        p->start, p->zone);
    for (int i = 0; i < e->n; i++) {
        unsigned u = chance(e, 8);

        e->stages[i].unit = u < 3 ? HOUR : u < 6 || e->mutual ? DAY : u < 7 ? WEEK : ONCE;
    }
    for (int i = 0; i < e->n; i++) {
        struct stage *s = &e->stages[i];
        bool batch = s->unit != ONCE && chance(e, 2) == 0;
        const char *line;

        s->partial = s->unit == DAY && chance(e, 3) == 0;
        say(e, "[stage n%d]\npartition = %s\ncommand = x\noutput = n%d%s\nbreaker = %u\n", i,
            unit_names[s->unit], i,
            s->unit == ONCE   ? ""
            : s->unit == HOUR ? "/${ds}-${HH}"
                              : "/${ds}",
            chance(e, 3) == 0 ? 3 : 0);
        if (s->partial)
            say(e, "partial = yes\n");
        if (batch)
            say(e, "batch = %s\n", batches[chance(e, sizeof(batches) / sizeof(batches[0]))]);
        say(e, "needs = ");
        line = e->text + strlen(e->text);
        say(e, "%s", chance(e, 4) == 0 ? "landing " : "");
        for (unsigned k = chance(e, MAX_NEEDS + 1); k > 0; k--)
            say_need(e, i, line);
        say(e, "\n");
    }
}

/* ---- the store: some of it is made, some of what it was made from is lost, some is held */

static bool random_node(struct edges *e, const char *stage, char ret[SG_NODE_TEXT])
{
    const struct sg_stage *s = sg_graph_find_stage(e->w.graph, stage);
    const struct sg_plan_stage *v = sg_plan_stage(e->w.plan, s->id);
    struct sg_interval i;
    int64_t index;

    if (v->hi <= v->lo)
        return false;
    index = v->lo + (int64_t)chance(e, (unsigned)(v->hi - v->lo));
    if (!sg_calendar_interval(&s->cal, index, &i))
        return false;
    sg_node_format(s, index, ret);
    return true;
}

static void make_store(struct edges *e)
{
    char name[SG_NODE_TEXT], stage[16];

    world_plan(&e->w);
    for (int i = 0; i < 12; i++)
        if (random_node(e, "landing", name))
            world_source(&e->w, name, "rows");
    for (unsigned i = chance(e, 40); i > 0; i--) {
        (void)snprintf(stage, sizeof(stage), "n%u", chance(e, (unsigned)e->n));
        if (random_node(e, stage, name))
            world_build(&e->w, name);
    }
    for (unsigned i = chance(e, 3); i > 0; i--)
        if (random_node(e, "landing", name))
            world_lose(&e->w, name);
    (void)snprintf(stage, sizeof(stage), "n%u", chance(e, (unsigned)e->n));
    if (chance(e, 3) == 0 && random_node(e, stage, name))
        world_claim(&e->w, name, "other", 1, true);
    e->w.request.newest_first = chance(e, 2) == 0;
    world_plan(&e->w);
}

/* ---- the edges */

static uint8_t want[MAX_JOBS][MAX_JOBS], got[MAX_JOBS][MAX_JOBS];

static void add_edge(uint8_t *at, bool optional)
{
    if (*at != REQUIRED_EDGE)
        *at = optional ? OPTIONAL_EDGE : REQUIRED_EDGE;
}

struct from {
    const struct edges *e;
    uint32_t job;
};

static void add_pair(void *ctx, struct sg_node_id other, bool optional)
{
    const struct from *f = ctx;
    uint32_t job = f->e->run->job_of[other.i];

    if (job == NO_JOB)
        fail_msg("seed %u: a need has no job", f->e->seed);
    if (job != f->job)
        add_edge(&want[f->job][job], optional);
}

static void find_edges(struct edges *e)
{
    for (uint32_t job = 0; job < e->run->n_jobs; job++)
        memset(want[job], NO_EDGE, e->run->n_jobs);
    for (uint32_t id = 0; id < sg_plan_nodes(e->w.plan); id++) {
        struct from f = { e, e->run->job_of[id] };

        if (f.job != NO_JOB)
            sg_plan_needs(e->w.plan, (struct sg_node_id){ id }, add_pair, &f);
    }
}

static void check_edges(struct edges *e, bool users)
{
    const struct sg_sched_config *c = &e->run->sched->c;
    struct sg_sched_edge x;

    for (uint32_t job = 0; job < c->n_jobs; job++)
        memset(got[job], NO_EDGE, c->n_jobs);
    for (uint32_t job = 0; job < c->n_jobs; job++)
        for (uint32_t k = 0; (users ? c->users : c->needs)(c->ctx, job, k, &x); k++) {
            if (x.first > x.end || x.end > c->n_jobs)
                fail_msg("seed %u: job %u has an edge to [%u, %u) of %u", e->seed, job, x.first,
                         x.end, c->n_jobs);
            for (uint32_t other = x.first; other < x.end; other++)
                if (other != job)
                    add_edge(users ? &got[other][job] : &got[job][other], x.optional);
        }
    for (uint32_t i = 0; i < c->n_jobs; i++)
        for (uint32_t j = 0; j < c->n_jobs; j++) {
            if (got[i][j] != want[i][j])
                fail_msg("seed %u: job %u (node %u) needs job %u (node %u): %d by its %s, %d by "
                         "its nodes",
                         e->seed, i, e->run->node_of[i], j, e->run->node_of[j], got[i][j],
                         users ? "users" : "needs", want[i][j]);
            e->counts->optional += want[i][j] == OPTIONAL_EDGE;
        }
}

static void count_batches(struct edges *e)
{
    const struct sg_run *r = e->run;

    for (uint32_t job = 0; job < r->n_jobs; job++) {
        e->counts->batches += sg_run_is_batch(r, job);
        if (r->jobs[job].patient != sg_run_is_batch(r, job))
            fail_msg("seed %u: job %u is a batch, or patient, not both", e->seed, job);
        for (uint32_t id = r->node_of[job]; id <= r->last_of[job]; id++)
            e->counts->holes += r->job_of[id] != job;
    }
}

/* ---- the run */

struct play {
    struct edges *e;
    uint8_t state[MAX_JOBS]; /* 0, 1: runs, 2: finished */
    bool some[MAX_JOBS];     /* some of its nodes are done */
    bool lost[MAX_JOBS];     /* none is: what requires it can't run */
    bool stopped[MAX_STAGES + 1];
    uint32_t running[MAX_JOBS];
    uint32_t n_running, n_finished;
};

static bool is_behind_lost(const struct play *p, uint32_t job)
{
    for (uint32_t i = 0; i < p->e->run->n_jobs; i++)
        if (want[job][i] == REQUIRED_EDGE && p->state[i] == 2 && p->lost[i])
            return !p->e->run->jobs[job].patient;
    return false;
}

static void on_start(struct play *p, uint32_t job)
{
    if (p->state[job] != 0)
        fail_msg("seed %u: job %u is started twice", p->e->seed, job);
    for (uint32_t i = 0; i < p->e->run->n_jobs; i++)
        if (want[job][i] != NO_EDGE && p->state[i] != 2)
            fail_msg("seed %u: job %u starts before job %u has finished", p->e->seed, job, i);
    if (is_behind_lost(p, job))
        fail_msg("seed %u: job %u starts behind one that came to nothing", p->e->seed, job);
    p->state[job] = 1;
    p->running[p->n_running++] = job;
}

static void on_done(struct play *p, const struct sg_action *a)
{
    uint32_t stage = p->e->run->jobs[a->job].stage;
    bool ran = a->why == SG_WHY_RESULT;

    if (p->state[a->job] != (ran ? 1 : 0))
        fail_msg("seed %u: job %u is done in state %d", p->e->seed, a->job, p->state[a->job]);
    if (a->why == SG_WHY_NEED && !is_behind_lost(p, a->job))
        fail_msg("seed %u: job %u is blocked by nothing", p->e->seed, a->job);
    if (a->why == SG_WHY_STAGE && !p->stopped[stage])
        fail_msg("seed %u: job %u is blocked, and its stage goes on", p->e->seed, a->job);
    p->state[a->job] = 2;
    p->lost[a->job] = !sg_result_is_done(a->result) && !p->some[a->job];
    p->n_finished++;
    p->e->counts->blocked += a->why == SG_WHY_NEED;
    p->e->counts->lost += p->lost[a->job];
    p->e->counts->done += ran && !p->lost[a->job];
}

/* Ends one of the running jobs, or puts it off. */
static void end_one(struct play *p, struct sg_mono now)
{
    struct edges *e = p->e;
    struct sg_sched *s = e->run->sched;
    struct sg_error err = SG_ERROR_INIT;
    uint32_t at = chance(e, p->n_running), job = p->running[at];
    enum sg_result result = SG_RESULT_OK;
    struct sg_sched_nodes nodes = { .failed = 0 };
    unsigned what = chance(e, 100);
    bool ok;

    p->running[at] = p->running[--p->n_running];
    if (what < 6) { /* it is asleep, and starts again */
        p->state[job] = 0;
        e->counts->postponed++;
        ok = sg_sched_postpone_job(s, job, now, &err);
    } else {
        if (what < 20) {
            result = what < 16 ? SG_RESULT_FAILED : SG_RESULT_BUSY;
            nodes.failed = result == SG_RESULT_FAILED;
            nodes.some_done = sg_run_is_batch(e->run, job) && chance(e, 2) == 0;
        }
        p->some[job] |= nodes.some_done;
        if (sg_run_is_batch(e->run, job) && nodes.some_done && chance(e, 3) == 0 &&
            !p->stopped[e->run->jobs[job].stage]) {
            p->state[job] = 0; /* the members that it left are tried now */
            e->counts->again++;
            ok = sg_sched_again(s, now, job, result, &nodes, &err);
        } else {
            p->state[job] = 1;
            ok = sg_sched_result_of(s, now, job, result, true, &nodes, &err);
        }
    }
    if (!ok)
        fail_msg("seed %u: %s", e->seed, err.text);
}

static void play(struct edges *e)
{
    static struct play p;
    struct sg_mono now = { .ns = 1 };
    struct sg_action a;

    memset(&p, 0, sizeof(p));
    p.e = e;
    for (;;) {
        sg_sched_next(e->run->sched, now, &a);
        if (a.kind == SG_ACT_OVER)
            break;
        if (a.kind == SG_ACT_START)
            on_start(&p, a.job);
        if (a.kind == SG_ACT_STAGE_STOPPED)
            p.stopped[e->run->jobs[a.job].stage] = true;
        if (a.kind == SG_ACT_DONE)
            on_done(&p, &a);
        if (a.kind != SG_ACT_WAIT)
            continue;
        if (p.n_running == 0)
            fail_msg("seed %u: nothing runs, and %u of %u jobs have finished", e->seed,
                     p.n_finished, e->run->n_jobs);
        now.ns++;
        end_one(&p, now);
    }
    assert_int_equal(p.n_finished, e->run->n_jobs);
    assert_int_equal(p.n_running, 0);
}

/* ---- all of it */

static void run_seed(unsigned seed, struct counts *counts)
{
    static struct edges e;
    const struct place *p;
    struct sg_error err = SG_ERROR_INIT;

    memset(&e, 0, sizeof(e));
    e.seed = seed;
    e.random = seed * UINT64_C(0x9e3779b97f4a7c15);
    e.counts = counts;
    p = &places[chance(&e, 6) % (sizeof(places) / sizeof(places[0]))];
    make_graph(&e, p);
    if (getenv("EDGES_SEED") != NULL)
        print_message("%s", e.text);
    world_open(&e.w, e.text);
    world_at(&e.w, p->now);
    make_store(&e);
    e.run = calloc(1, sizeof(*e.run));
    assert_non_null(e.run);
    e.run->c = (struct sg_run_config){ .plan = e.w.plan, .jobs = 1 + (int32_t)chance(&e, 6) };
    if (!sg_run_schedule(e.run, &err))
        fail_msg("seed %u: %s", seed, err.text);
    assert_true(e.run->n_jobs <= MAX_JOBS);
    find_edges(&e);
    count_batches(&e);
    check_edges(&e, false);
    check_edges(&e, true);
    play(&e);
    sg_run_free(e.run);
    world_close(&e.w);
}

static void jobs_wait_for_what_their_nodes_need(void **state)
{
    const char *one = getenv("EDGES_SEED"), *many = getenv("EDGES_SEEDS");
    unsigned last = many != NULL ? (unsigned)strtoul(many, NULL, 10) : SEEDS;
    struct counts c = { 0 };

    (void)state;
    if (one != NULL) {
        run_seed((unsigned)strtoul(one, NULL, 10), &c);
        return;
    }
    for (unsigned seed = 1; seed <= last; seed++)
        run_seed(seed, &c);
    if (last < SEEDS)
        return;
    assert_in_range(c.batches, last, UINT32_MAX); /* all that was to be looked at came up */
    assert_in_range(c.holes, last / 10, UINT32_MAX);
    assert_in_range(c.optional, last, UINT32_MAX);
    assert_in_range(c.windows, last / 10, UINT32_MAX);
    assert_in_range(c.done, last, UINT32_MAX);
    assert_in_range(c.blocked, last, UINT32_MAX);
    assert_in_range(c.again, last / 10, UINT32_MAX);
    assert_in_range(c.postponed, last, UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_wait_for_what_their_nodes_need),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
