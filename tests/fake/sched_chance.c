#include "sched_chance.h"

#include <stdio.h>
#include <string.h>

#define BEGIN_NS SG_CHANCE_BEGIN_NS
#define MS       SG_NS_PER_MS
#define NEVER    INT64_MAX

uint64_t sg_chance_mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint32_t sg_chance_draw(const struct sg_chance *c, uint32_t thing, uint32_t question, uint32_t n)
{
    return (uint32_t)(sg_chance_mix(c->seed * 1000003 + ((uint64_t)question << 32) + thing) % n);
}

bool sg_chance_percent(const struct sg_chance *c, uint32_t thing, uint32_t question, int p)
{
    return (int)sg_chance_draw(c, thing, question, 100) < p;
}

enum shape { LAYERS, CHAIN, DIAMONDS, WIDE, RANDOM, BATCHES, SHAPES };

static void add_need(struct sg_chance *c, uint32_t job, uint32_t need, int optional_percent)
{
    if (need >= job)
        return;
    c->needs[job] |= UINT64_C(1) << need;
    if (sg_chance_percent(c, job, SG_Q_OPTIONAL + need, optional_percent))
        c->optional[job] |= UINT64_C(1) << need;
}

static void make_needs(struct sg_chance *c, enum shape shape, uint32_t job, uint32_t width)
{
    uint32_t layer = job / width, in_layer = job % width;

    switch (shape) {
    case LAYERS: /* the same partition of the layer before; now and then its own predecessor */
        if (layer > 0)
            add_need(c, job, job - width, 15);
        if (in_layer > 0 && sg_chance_percent(c, job, SG_Q_NEED, 30))
            add_need(c, job, job - 1, 15);
        break;
    case CHAIN:
        if (job > 0)
            add_need(c, job, job - 1, 5);
        break;
    case DIAMONDS: /* 0 → 1 2 3 → 4 → 5 6 7 → 8 … */
        for (uint32_t i = 1; i <= 3 && i <= job; i++) {
            if (job % 4 == 0 || job - i == (job - 1) / 4 * 4)
                add_need(c, job, job - i, 15);
        }
        break;
    case WIDE: /* all need the first ones, the last needs all */
        for (uint32_t i = 0; i < job; i++) {
            if (i < 2 || job + 1 == c->config.n_jobs)
                add_need(c, job, i, 20);
        }
        break;
    case BATCHES: /* a day over its hours, and the day before */
        for (uint32_t i = 0; i < width && layer > 0; i++)
            add_need(c, job, (layer - 1) * width + i, in_layer == 0 ? 10 : 50);
        break;
    case RANDOM:
    case SHAPES:
        for (uint32_t i = 0; i < job; i++) {
            if (sg_chance_percent(c, job, SG_Q_NEED + i, 200 / (int)c->config.n_jobs))
                add_need(c, job, i, 25);
        }
        break;
    }
}

static void make_stage(struct sg_chance *c, uint32_t i)
{
    static const int64_t backoffs_ms[] = { 0, 5, 40, 200000 };
    struct sg_sched_stage *st = &c->stages[i];

    st->retries = (int32_t)sg_chance_draw(c, i, SG_Q_RETRIES, 4) - 1;
    st->retries = st->retries < 0 ? 0 : st->retries;
    st->breaker = (int32_t)sg_chance_draw(c, i, SG_Q_BREAKER, 5);
    st->backoff_ms = backoffs_ms[sg_chance_draw(c, i, SG_Q_BACKOFF, 4)];
    st->pool = sg_chance_draw(c, i, SG_Q_STAGE_POOL, SG_CHANCE_POOLS + 1);
    st->pool = st->pool < c->config.n_pools ? st->pool : UINT32_MAX;
    st->memory = sg_chance_draw(c, i, SG_Q_MEMORY, 7);
    st->exclusive = sg_chance_percent(c, i, SG_Q_EXCLUSIVE, 15);
    st->tail_ms = sg_chance_draw(c, i, SG_Q_TAIL, 3);
}

static void make_weather(struct sg_chance *c)
{
    struct sg_chance_weather *w = &c->weather;

    w->interrupt_ns[0] = w->interrupt_ns[1] = w->suspend_ns = w->resume_ns = NEVER;
    if (sg_chance_percent(c, 0, SG_Q_INTERRUPT, 20)) {
        w->interrupt_ns[0] = BEGIN_NS + sg_chance_draw(c, 0, SG_Q_INTERRUPT_AT, 400) * MS;
        if (sg_chance_percent(c, 1, SG_Q_INTERRUPT, 50))
            w->interrupt_ns[1] = w->interrupt_ns[0] + sg_chance_draw(c, 0, SG_Q_SECOND_AT, 12) * MS;
    }
    if (sg_chance_percent(c, 0, SG_Q_SUSPEND, 10)) {
        w->suspend_ns = BEGIN_NS + sg_chance_draw(c, 0, SG_Q_SUSPEND_AT, 200) * MS;
        w->resume_ns = w->suspend_ns + (1 + sg_chance_draw(c, 0, SG_Q_RESUME_AT, 100)) * MS;
    }
}

/* Edge number k: neighbours that are alike go into one range, as windows do, now and then with an
 * empty one before them. */
static bool kth_range(uint64_t members, uint64_t optional, uint32_t k, struct sg_sched_edge *ret)
{
    for (uint32_t i = 0, end; i < 64; i = end) {
        bool is = members >> i & 1, may = optional >> i & 1;

        end = i + 1;
        if (!is)
            continue;
        while (end < 64 && (members >> end & 1) && (optional >> end & 1) == may)
            end++;
        *ret = (struct sg_sched_edge){ i, i % 3 == 0 ? i : end, may };
        if (i % 3 == 0 && k-- == 0)
            return true;
        ret->end = end;
        if (k-- == 0)
            return true;
    }
    return false;
}

static bool needs_of(void *ctx, uint32_t job, uint32_t k, struct sg_sched_edge *ret)
{
    const struct sg_chance *c = ctx;

    return kth_range(c->needs[job], c->optional[job], k, ret);
}

static bool users_of(void *ctx, uint32_t job, uint32_t k, struct sg_sched_edge *ret)
{
    const struct sg_chance *c = ctx;
    uint64_t users = 0, optional = 0;

    for (uint32_t i = 0; i < c->config.n_jobs; i++) {
        users |= (c->needs[i] >> job & 1) << i;
        optional |= (c->optional[i] >> job & 1) << i;
    }
    return kth_range(users, optional, k, ret);
}

static uint64_t without(uint64_t bits, const uint32_t *id, uint32_t n)
{
    uint64_t kept = 0;

    for (uint32_t i = 0; i < n; i++)
        kept |= (bits >> id[i] & 1) << i;
    return kept;
}

static void leave_out(struct sg_chance *c, uint64_t left_out)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < c->config.n_jobs; i++) {
        if (left_out >> i & 1)
            continue;
        c->id[n] = i;
        c->jobs[n] = c->jobs[i];
        c->needs[n] = c->needs[i];
        c->optional[n++] = c->optional[i];
    }
    c->config.n_jobs = n;
    for (uint32_t i = 0; i < n; i++) {
        c->needs[i] = without(c->needs[i], c->id, n);
        c->optional[i] = without(c->optional[i], c->id, n);
    }
}

void sg_chance_init(struct sg_chance *c, uint64_t seed, uint64_t left_out)
{
    static const int postpones[] = { 0, 0, 0, 10, 40 }, troubles[] = { 0, 5, 20, 20, 60 };
    enum shape shape;
    uint32_t width;

    memset(c, 0, sizeof(*c));
    c->seed = seed;
    c->config = (struct sg_sched_config){
        .jobs = c->jobs,
        .stages = c->stages,
        .pools = c->pools,
        .needs = needs_of,
        .users = users_of,
        .ctx = c,
        .n_jobs = 1 + sg_chance_draw(c, 0, SG_Q_SIZE,
                                     sg_chance_percent(c, 1, SG_Q_SIZE, 20) ? SG_CHANCE_JOBS : 24),
        .n_stages = 1 + sg_chance_draw(c, 0, SG_Q_STAGES, SG_CHANCE_STAGES),
        .n_pools = sg_chance_draw(c, 0, SG_Q_POOLS, SG_CHANCE_POOLS + 1),
        .slots = 1 + (int32_t)sg_chance_draw(c, 0, SG_Q_SLOTS, 8),
        .keep_going = (int32_t)sg_chance_draw(c, 0, SG_Q_KEEP_GOING, 12),
    };
    c->config.keep_going = c->config.keep_going > 4 ? 0 : c->config.keep_going;
    c->postpone_percent = postpones[sg_chance_draw(c, 0, SG_Q_POSTPONES, 5)];
    c->trouble_percent = troubles[sg_chance_draw(c, 0, SG_Q_TROUBLE, 5)];
    shape = (enum shape)sg_chance_draw(c, 0, SG_Q_SHAPE, SHAPES);
    width = 1 + sg_chance_draw(c, 1, SG_Q_SHAPE, 7);
    for (uint32_t i = 0; i < c->config.n_pools; i++) {
        c->pools[i].size = (int32_t)sg_chance_draw(c, i, SG_Q_POOL_SIZE, 4);
        c->pools[i].memory = sg_chance_draw(c, i, SG_Q_POOL_MEMORY, 3) * 5;
    }
    for (uint32_t i = 0; i < c->config.n_stages; i++)
        make_stage(c, i);
    for (uint32_t i = 0; i < c->config.n_jobs; i++) {
        c->jobs[i].stage = sg_chance_percent(c, 0, SG_Q_STAGE, 50)
                               ? i / width % c->config.n_stages
                               : sg_chance_draw(c, i, SG_Q_STAGE, c->config.n_stages);
        c->jobs[i].rank =
            sg_chance_percent(c, 0, SG_Q_RANKS, 50) ? i : sg_chance_draw(c, i, SG_Q_RANK, 10);
        make_needs(c, shape, i, width);
    }
    leave_out(c, left_out);
    make_weather(c);
}

enum sg_result sg_chance_result(const struct sg_chance *c, uint32_t job, uint32_t n)
{
    static const enum sg_result good[] = { SG_RESULT_OK, SG_RESULT_OK, SG_RESULT_OK,
                                           SG_RESULT_UNCHANGED, SG_RESULT_COMPLETED };
    static const enum sg_result bad[] = {
        SG_RESULT_FAILED,      SG_RESULT_FAILED,      SG_RESULT_FAILED,       SG_RESULT_TIMEOUT,
        SG_RESULT_TIMEOUT,     SG_RESULT_OOM,         SG_RESULT_CHECK_FAILED, SG_RESULT_INPUT_MOVED,
        SG_RESULT_INPUT_MOVED, SG_RESULT_TRESPASS,    SG_RESULT_BUSY,         SG_RESULT_BUSY,
        SG_RESULT_BLOCKED,     SG_RESULT_INTERRUPTED,
    };
    uint32_t id = c->id[job];

    if (sg_chance_percent(c, id, SG_Q_RESULT + n, c->trouble_percent))
        return bad[sg_chance_draw(c, id, SG_Q_WHICH + n, sizeof(bad) / sizeof(bad[0]))];
    return good[sg_chance_draw(c, id, SG_Q_WHICH + n, sizeof(good) / sizeof(good[0]))];
}

void sg_chance_print(const struct sg_chance *c)
{
    printf("-j %d -k %d\n", c->config.slots, c->config.keep_going);
    for (uint32_t i = 0; i < c->config.n_pools; i++)
        printf("pool %u size=%d memory=%lld\n", i, c->pools[i].size, (long long)c->pools[i].memory);
    for (uint32_t i = 0; i < c->config.n_stages; i++)
        printf("stage %u retries=%d breaker=%d backoff=%lldms pool=%d memory=%lld tail=%lldms%s\n",
               i, c->stages[i].retries, c->stages[i].breaker, (long long)c->stages[i].backoff_ms,
               (int)c->stages[i].pool, (long long)c->stages[i].memory,
               (long long)c->stages[i].tail_ms, c->stages[i].exclusive ? " exclusive" : "");
    for (uint32_t i = 0; i < c->config.n_jobs; i++) {
        printf("job %u stage=%u rank=%lld:", c->id[i], c->jobs[i].stage,
               (long long)c->jobs[i].rank);
        for (uint32_t k = 0; k < c->config.n_jobs; k++) {
            if (c->needs[i] >> k & 1)
                printf(" %u%s", c->id[k], c->optional[i] >> k & 1 ? "?" : "");
        }
        printf("\n");
    }
}
