#include "sched_queue.h"

/* Of one stage: by rank, then by number. */
static bool job_before(const void *ctx, uint32_t a, uint32_t b)
{
    const struct sg_sched_job *jobs = ctx;

    return jobs[a].rank != jobs[b].rank ? jobs[a].rank < jobs[b].rank : a < b;
}

/* By rank, then the longer way to the end, then by number. */
static bool lane_before(const void *ctx, uint32_t a, uint32_t b)
{
    const struct sg_sched_queue *q = ctx;
    const struct sg_sched_job *jobs = q->config->jobs;
    const struct sg_sched_stage *stages = q->config->stages;
    uint32_t first = q->lanes[a].ready.items[0], second = q->lanes[b].ready.items[0];

    if (jobs[first].rank == jobs[second].rank && stages[a].tail_ms != stages[b].tail_ms)
        return stages[a].tail_ms > stages[b].tail_ms;
    return job_before(jobs, first, second);
}

static bool berth_before(const void *ctx, uint32_t a, uint32_t b)
{
    const struct sg_sched_queue *q = ctx;

    return lane_before(q, q->berths[a].lanes.items[0], q->berths[b].lanes.items[0]);
}

static uint32_t berth_of(const struct sg_sched_queue *q, uint32_t stage)
{
    uint32_t pool = q->config->stages[stage].pool;

    return pool == UINT32_MAX ? q->config->n_pools : pool;
}

/* Memory that stages of a pool ask for is theirs only where the pool has a limit. */
static int64_t memory_of(const struct sg_sched_queue *q, uint32_t stage)
{
    uint32_t pool = q->config->stages[stage].pool;

    if (pool == UINT32_MAX || q->config->pools[pool].memory == 0)
        return 0;
    return q->config->stages[stage].memory;
}

/* An empty pool has room for anything: a job that is larger than its pool runs alone. */
static bool has_room(const struct sg_sched_queue *q, uint32_t berth, uint32_t stage)
{
    const struct sg_sched_berth *b = &q->berths[berth];
    const struct sg_sched_pool *pool;

    if (berth == q->config->n_pools || b->running == 0)
        return true;
    pool = &q->config->pools[berth];
    if (pool->size != 0 && b->running >= (uint32_t)pool->size)
        return false;
    return pool->memory == 0 || memory_of(q, stage) <= pool->memory - b->memory;
}

/* To be called when a berth's use or its lanes changed. Only its first job is asked for: were a
 * smaller one let past it, a large job would wait until its pool has nothing else to do. */
static void refresh_berth(struct sg_sched_queue *q, uint32_t berth)
{
    const struct sg_heap *lanes = &q->berths[berth].lanes;

    if (lanes->n != 0 && has_room(q, berth, lanes->items[0]))
        sg_heap_put(&q->open, berth);
    else
        sg_heap_remove(&q->open, berth);
}

/* To be called when a lane changed. */
static void refresh_lane(struct sg_sched_queue *q, uint32_t stage)
{
    const struct sg_sched_lane *l = &q->lanes[stage];
    uint32_t berth = berth_of(q, stage);

    if (l->ready.n != 0 && !l->held && !(q->full && q->config->stages[stage].room != 0) &&
        !(q->config->stages[stage].exclusive && l->running != 0))
        sg_heap_put(&q->berths[berth].lanes, stage);
    else
        sg_heap_remove(&q->berths[berth].lanes, stage);
    refresh_berth(q, berth);
}

/* Lanes get their part of one array, each as long as it has jobs; berths likewise. */
static void share_out(struct sg_sched_queue *q, uint32_t *jobs, uint32_t *lanes)
{
    const struct sg_sched_config *c = q->config;

    for (uint32_t i = 0; i < c->n_jobs; i++)
        q->lanes[c->jobs[i].stage].ready.n++;
    for (uint32_t i = 0; i < c->n_stages; i++) {
        q->lanes[i].ready.items = jobs;
        jobs += q->lanes[i].ready.n;
        q->lanes[i].ready.n = 0;
        q->berths[berth_of(q, i)].lanes.n++;
    }
    for (uint32_t i = 0; i <= c->n_pools; i++) {
        q->berths[i].lanes.items = lanes;
        lanes += q->berths[i].lanes.n;
        q->berths[i].lanes.n = 0;
    }
}

bool sg_sched_queue_init(struct sg_sched_queue *q, const struct sg_sched_config *config,
                         uint32_t *where, struct sg_arena *a, struct sg_error *err)
{
    uint32_t n_berths = config->n_pools + 1;
    uint32_t *jobs = SG_ARENA_NEW(a, config->n_jobs, uint32_t, err);
    uint32_t *lanes = jobs == NULL ? NULL : SG_ARENA_NEW(a, config->n_stages, uint32_t, err);
    uint32_t *lane_where = lanes == NULL ? NULL : SG_ARENA_NEW(a, config->n_stages, uint32_t, err);
    uint32_t *open = lane_where == NULL ? NULL : SG_ARENA_NEW(a, n_berths * 2, uint32_t, err);

    q->config = config;
    q->running = 0;
    q->room = 0;
    q->full = false;
    q->lanes = open == NULL ? NULL : SG_ARENA_NEW(a, config->n_stages, struct sg_sched_lane, err);
    q->berths = q->lanes == NULL ? NULL : SG_ARENA_NEW(a, n_berths, struct sg_sched_berth, err);
    if (q->berths == NULL)
        return false;
    q->open = (struct sg_heap){
        .items = open, .where = open + n_berths, .before = berth_before, .ctx = q
    };
    share_out(q, jobs, lanes);
    for (uint32_t i = 0; i < config->n_stages; i++) {
        q->lanes[i].ready.where = where;
        q->lanes[i].ready.before = job_before;
        q->lanes[i].ready.ctx = config->jobs;
    }
    for (uint32_t i = 0; i < n_berths; i++) {
        q->berths[i].lanes.where = lane_where;
        q->berths[i].lanes.before = lane_before;
        q->berths[i].lanes.ctx = q;
    }
    return true;
}

void sg_sched_queue_add(struct sg_sched_queue *q, uint32_t job)
{
    uint32_t stage = q->config->jobs[job].stage;

    sg_heap_put(&q->lanes[stage].ready, job);
    refresh_lane(q, stage);
}

void sg_sched_queue_remove(struct sg_sched_queue *q, uint32_t job)
{
    uint32_t stage = q->config->jobs[job].stage;

    sg_heap_remove(&q->lanes[stage].ready, job);
    refresh_lane(q, stage);
}

bool sg_sched_queue_has_slot(const struct sg_sched_queue *q)
{
    return q->running < (uint32_t)q->config->slots;
}

/* A job that is larger than all the room runs alone among those that take some. */
static bool fits(const struct sg_sched_queue *q, uint32_t stage)
{
    int64_t room = q->config->stages[stage].room;

    return q->config->room == 0 || room == 0 || q->room == 0 || room <= q->config->room - q->room;
}

/* While it is full, jobs that take room are left aside, the smaller ones too: else a large one
 * would wait until nothing else is to be done. */
static void set_full(struct sg_sched_queue *q, bool full)
{
    if (q->full == full)
        return;
    q->full = full;
    for (uint32_t i = 0; i < q->config->n_stages; i++)
        if (q->config->stages[i].room != 0)
            refresh_lane(q, i);
}

bool sg_sched_queue_pick(struct sg_sched_queue *q, uint32_t *ret)
{
    uint32_t berth, stage, job;

    for (;;) {
        if (!sg_sched_queue_has_slot(q) || q->open.n == 0)
            return false;
        berth = q->open.items[0];
        stage = q->berths[berth].lanes.items[0];
        if (fits(q, stage))
            break;
        set_full(q, true);
    }
    job = q->lanes[stage].ready.items[0];
    sg_heap_remove(&q->lanes[stage].ready, job);
    q->lanes[stage].running++;
    q->berths[berth].running++;
    q->berths[berth].memory += memory_of(q, stage);
    q->running++;
    q->room += q->config->stages[stage].room;
    refresh_lane(q, stage);
    *ret = job;
    return true;
}

void sg_sched_queue_release(struct sg_sched_queue *q, uint32_t job)
{
    uint32_t stage = q->config->jobs[job].stage, berth = berth_of(q, stage);

    q->lanes[stage].running--;
    q->berths[berth].running--;
    q->berths[berth].memory -= memory_of(q, stage);
    q->running--;
    q->room -= q->config->stages[stage].room;
    if (q->config->stages[stage].room != 0)
        set_full(q, false);
    refresh_lane(q, stage);
}

void sg_sched_queue_hold(struct sg_sched_queue *q, uint32_t stage, bool held)
{
    q->lanes[stage].held = held;
    refresh_lane(q, stage);
}
