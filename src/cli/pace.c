#include "pace.h"

#include <sys/epoll.h>

static void on_writable(void *ctx, int fd, uint32_t events)
{
    struct sg_pace *p = ctx;

    (void)fd;
    (void)events;
    for (size_t i = 0; i < SG_PACE_OUTS; i++)
        if (p->watch[i])
            sg_out_flush(p->out[i]); /* also shows when the reader has gone */
    sg_pace_look(p);
}

static void watch(struct sg_pace *p, size_t i)
{
    struct sg_error ignored = SG_ERROR_INIT; /* then the ticks write it, more slowly */

    if (sg_out_pending(p->out[i]) == 0) {
        sg_watch_remove(p->loop, p->watch[i]);
        p->watch[i] = NULL;
    } else if (!p->watch[i]) {
        (void)!sg_loop_watch(p->loop, sg_out_descriptor(p->out[i]), EPOLLOUT, on_writable, p,
                             &p->watch[i], &ignored);
    }
}

void sg_pace_look(struct sg_pace *p)
{
    struct sg_mono now = sg_mono_now();
    bool behind = false;

    if (!p->loop)
        return;
    for (size_t i = 0; i < SG_PACE_OUTS; i++) {
        watch(p, i);
        behind = behind || sg_out_is_behind(p->out[i], now);
    }
    sg_run_hold_output(p->run, behind);
}

static void on_event(void *ctx, const struct sg_event *e)
{
    (void)e;
    sg_pace_look(ctx);
}

struct sg_sink sg_pace_sink(struct sg_pace *p)
{
    return (struct sg_sink){ .event = on_event, .ctx = p };
}

void sg_pace_init(struct sg_pace *p, struct sg_loop *loop, struct sg_run *run,
                  struct sg_outputs *outs)
{
    *p = (struct sg_pace){ loop, run, { &outs->standard, &outs->error }, { NULL, NULL } };
}

void sg_pace_done(struct sg_pace *p)
{
    for (size_t i = 0; p->loop && i < SG_PACE_OUTS; i++)
        sg_watch_remove(p->loop, p->watch[i]);
    *p = (struct sg_pace){ 0 };
}
