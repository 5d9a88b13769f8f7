/*
 * sched_chance: graphs and what happens to them, drawn from a seed.
 *
 * Each chance is drawn from the seed, a question and the number of what it is about, in no order:
 * so a job does the same when other jobs are left out.
 */
#ifndef STAGEGRAPH_SCHED_CHANCE_H
#define STAGEGRAPH_SCHED_CHANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "stagegraph/sched.h"

#define SG_CHANCE_JOBS     64
#define SG_CHANCE_STAGES   6
#define SG_CHANCE_POOLS    3
#define SG_CHANCE_BEGIN_NS (5000 * SG_NS_PER_MS) /* when a run begins */

/* What may happen to a run beside its jobs; INT64_MAX: never. */
struct sg_chance_weather {
    int64_t interrupt_ns[2], suspend_ns, resume_ns;
};

struct sg_chance {
    uint64_t seed;
    struct sg_sched_config config;
    struct sg_sched_job jobs[SG_CHANCE_JOBS];
    struct sg_sched_stage stages[SG_CHANCE_STAGES];
    struct sg_sched_pool pools[SG_CHANCE_POOLS];
    uint32_t id[SG_CHANCE_JOBS]; /* by job: its number before others were left out */
    uint64_t needs[SG_CHANCE_JOBS], optional[SG_CHANCE_JOBS]; /* a bit a need */
    struct sg_chance_weather weather;
    int postpone_percent, trouble_percent;
};

/* left_out: a bit a job. c must stay where it is: its edges' ctx is itself. */
void sg_chance_init(struct sg_chance *c, uint64_t seed, uint64_t left_out);
void sg_chance_print(const struct sg_chance *c);
uint64_t sg_chance_mix(uint64_t x);
/* 0 … n - 1, the same for the same seed, thing and question. */
uint32_t sg_chance_draw(const struct sg_chance *c, uint32_t thing, uint32_t question, uint32_t n);
bool sg_chance_percent(const struct sg_chance *c, uint32_t thing, uint32_t question, int p);
/* How the n-th attempt of a job comes out. */
enum sg_result sg_chance_result(const struct sg_chance *c, uint32_t job, uint32_t n);

/* Those above 99 take a number more: of an attempt, a start, another job. */
enum sg_chance_question {
    SG_Q_SIZE,
    SG_Q_SHAPE,
    SG_Q_STAGES,
    SG_Q_POOLS,
    SG_Q_SLOTS,
    SG_Q_KEEP_GOING,
    SG_Q_STAGE,
    SG_Q_RANKS,
    SG_Q_RANK,
    SG_Q_RETRIES,
    SG_Q_BREAKER,
    SG_Q_BACKOFF,
    SG_Q_STAGE_POOL,
    SG_Q_MEMORY,
    SG_Q_EXCLUSIVE,
    SG_Q_POOL_SIZE,
    SG_Q_POOL_MEMORY,
    SG_Q_POSTPONES,
    SG_Q_TROUBLE,
    SG_Q_INTERRUPT,
    SG_Q_INTERRUPT_AT,
    SG_Q_SECOND_AT,
    SG_Q_SUSPEND,
    SG_Q_SUSPEND_AT,
    SG_Q_RESUME_AT,
    SG_Q_TAIL,
    SG_Q_NEED = 100,
    SG_Q_OPTIONAL = 200,
    SG_Q_POSTPONE = 300,
    SG_Q_HOW_LONG = 400,
    SG_Q_HOLD = 500,
    SG_Q_RESULT = 1000,
    SG_Q_WHICH = 2000,
    SG_Q_TIME = 3000,
    SG_Q_FORBID = 4000,
    SG_Q_STOPPED = 5000,
    SG_Q_SOON = 6000,
    SG_Q_ASK = 7000,
};

#endif
