/* A plan and a run as they are printed; to /dev/null, for what the kernel does is not counted. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "plan_impl.h"
#include "stagegraph/events.h"
#include "stagegraph/plan_json.h"
#include "stagegraph/plan_text.h"

#include "counts.h"
#include "tree.h"

#define HOURS  2000
#define EVENTS 3000

struct printed {
    struct sg_out out;
    int fd;
    struct sg_view view;
    struct sg_usual_source usual;
    const struct counts_world *w;
};

static void out_open(struct printed *t, bool utf8)
{
    struct sg_out_config c = { .utf8 = utf8, .patient = true };

    t->fd = c.fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    must_be(t->fd >= 0, "/dev/null is there");
    sg_out_init(&t->out, &c);
}

static void out_close(struct printed *t)
{
    sg_out_done(&t->out, -1);
    close(t->fd);
}

static void usual_ask(void *ctx, const struct sg_stage *s, struct sg_usual *ret)
{
    (void)ctx;
    ret->median_s = 180.5 + s->id.i;
    ret->p90_s = 245;
}

/* ---- a plan */

/* Each second hour is missing, so that each partition is a group of its own. */
static struct sg_plan *striped(const struct counts_world *w)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_plan *p;

    must(sg_plan_begin(&w->config, NULL, &p, &err) && sg_bench_fill(p, &err), &err);
    for (uint32_t id = 0; id < p->n_nodes; id += 2) {
        p->kind[id] = SG_MARKER_ABSENT;
        p->flags[id] &= (uint16_t)~SG_NODE_THERE;
        p->version[id] = 0;
    }
    must(sg_sweep(p, &err) && sg_sweep_looked(p, &err) && sg_sweep_notices(p, &err), &err);
    must_be(p->counts.run == p->n_nodes / 2, "half of it is to run");
    return p;
}

static void write_text(void *ctx)
{
    struct printed *t = ctx;
    const struct sg_plan_text how = {
        .program = "stagegraph", .jobs = 1, .usual = &t->usual, .notices = &t->out
    };

    sg_plan_text_write(&t->out, &t->view, &how);
    sg_out_flush(&t->out);
}

static void write_json(void *ctx)
{
    struct printed *t = ctx;
    const struct sg_plan_json how = { .jobs = 1, .usual = &t->usual };
    struct sg_error err = SG_ERROR_INIT;

    must(sg_plan_json_write(&t->out, &t->view, &how, &err), &err);
    sg_out_flush(&t->out);
}

static uint64_t count_printed(counted_fn *fn)
{
    struct printed t = { .usual = { .ask = usual_ask } };
    struct sg_error err = SG_ERROR_INIT;
    struct sg_buf text = SG_BUF_INIT;
    struct counts_world w;
    struct sg_plan *p;

    counts_graph(&text, "bronze", "silver", "");
    counts_world_open(&w, sg_buf_text(&text), counts_after(HOURS));
    p = striped(&w);
    out_open(&t, true);
    must(sg_view_open(p, &t.view, &err), &err);
    counted(fn, &t);
    sg_view_close(&t.view);
    out_close(&t);
    sg_plan_free(p);
    counts_world_close(&w);
    sg_buf_done(&text);
    return 3 * HOURS / 2;
}

uint64_t count_plan_text(void)
{
    return count_printed(write_text);
}

uint64_t count_plan_json(void)
{
    return count_printed(write_json);
}

/* ---- events */

static void write_events(void *ctx)
{
    struct printed *t = ctx;
    struct sg_events_config c = { .out = &t->out, .verbose = true, .jobs = 1 };
    struct sg_error err = SG_ERROR_INIT;
    struct sg_job_end end = { .exit_code = 0,
                              .signo = -1,
                              .measure = { .seconds = 180.5,
                                           .cpu_seconds = 301.25,
                                           .peak_bytes = 2040109465,
                                           .read_bytes = 4096,
                                           .jvms = 2,
                                           .gc_count = 14,
                                           .gc_seconds = 0.4125,
                                           .gc_longest_seconds = 0.1,
                                           .heap_peak_bytes = 1024,
                                           .heap_used_bytes = 512 } };
    struct sg_event e = { .run = "20130107T061000-3f2a9c",
                          .stage = &t->w->graph->stages[1],
                          .node = "silver@2013-01-07T05",
                          .detail = "jobs/silver.py",
                          .why = "",
                          .reason = SG_REASON_CODE,
                          .result = SG_RESULT_OK,
                          .attempt = 1,
                          .seconds = 180.5,
                          .members = 1,
                          .log = "/state/logs/silver.log",
                          .bytes = "a line of the job's own, caf\xc3\xa9\n" };
    struct sg_events *events;
    struct sg_sink sink;

    e.n_bytes = strlen(e.bytes);
    must(sg_events_new(&c, &events, &err), &err);
    sink = sg_events_sink(events);
    for (int i = 0; i < EVENTS / 3; i++) {
        e.time.ns = counts_after(i) * SG_NS_PER_S;
        e.index = sg_calendar_index(&e.stage->cal, counts_after(i));
        e.kind = SG_EVENT_NODE_STARTED;
        sink.event(sink.ctx, &e);
        e.kind = SG_EVENT_NODE_OUTPUT;
        sink.event(sink.ctx, &e);
        e.kind = SG_EVENT_NODE_FINISHED;
        e.end = &end;
        sink.event(sink.ctx, &e);
        e.end = NULL;
    }
    sg_events_free(events);
}

uint64_t count_events(void)
{
    struct printed t = { .fd = -1 };
    struct sg_buf text = SG_BUF_INIT;
    struct counts_world w;

    counts_graph(&text, "bronze", "silver", "");
    counts_world_open(&w, sg_buf_text(&text), counts_after(24));
    t.w = &w;
    out_open(&t, true);
    counted(write_events, &t);
    out_close(&t);
    counts_world_close(&w);
    sg_buf_done(&text);
    return EVENTS;
}
