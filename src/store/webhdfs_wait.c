/* Which operations are under way, and which of them have waited for too long. */
#include <stdio.h>
#include <string.h>

#include "webhdfs_impl.h"

void wh_wait_begin(struct sg_webhdfs *w, struct wh_wait *x, const char *base)
{
    x->began = sg_mono_now();
    x->base = base;
    pthread_mutex_lock(&w->lock);
    x->next = w->waits;
    w->waits = x;
    pthread_mutex_unlock(&w->lock);
}

void wh_wait_at(struct sg_webhdfs *w, struct wh_wait *x, const char *base, bool data_node)
{
    pthread_mutex_lock(&w->lock);
    x->base = base;
    x->data_node = data_node;
    pthread_mutex_unlock(&w->lock);
}

void wh_wait_trouble(struct sg_webhdfs *w, struct wh_wait *x, const char *text)
{
    pthread_mutex_lock(&w->lock);
    (void)snprintf(x->trouble, sizeof(x->trouble), "%s", text);
    pthread_mutex_unlock(&w->lock);
}

void wh_wait_end(struct sg_webhdfs *w, struct wh_wait *x, bool answered)
{
    struct wh_wait **at = &w->waits;

    pthread_mutex_lock(&w->lock);
    while (*at != x)
        at = &(*at)->next;
    *at = x->next;
    if (answered)
        w->answer_at = sg_mono_now();
    pthread_mutex_unlock(&w->lock);
}

/* A DataNode has data to read or to write, which may take its time. */
static bool is_late(const struct sg_webhdfs *w, const struct wh_wait *x, struct sg_mono now)
{
    return now.ns - x->began.ns >= w->silence_ms * SG_NS_PER_MS &&
           (!x->data_node || x->trouble[0] != '\0');
}

static void describe(const struct wh_wait *x, char *ret, size_t size)
{
    char most[SG_DURATION_TEXT];

    sg_duration_format((double)(x->until.ns - x->began.ns) / 1e9, false, most);
    (void)snprintf(ret, size, "waiting for HDFS: %s at %s%s, up to %s", x->what,
                   x->trouble[0] != '\0' ? x->trouble : x->base,
                   x->trouble[0] != '\0' ? "" : ": no answer yet", most);
}

bool wh_trouble(struct sg_store *s, struct sg_store_trouble *ret)
{
    struct sg_webhdfs *w = wh_of(s);
    const struct sg_mono now = sg_mono_now();
    const struct wh_wait *late = NULL;

    pthread_mutex_lock(&w->lock);
    for (const struct wh_wait *x = w->waits; x != NULL; x = x->next)
        if (is_late(w, x, now) && (late == NULL || x->began.ns < late->began.ns))
            late = x;
    *ret = (struct sg_store_trouble){ .answered = w->answer_at };
    if (late != NULL)
        describe(late, ret->why, sizeof(ret->why));
    pthread_mutex_unlock(&w->lock);
    return late != NULL;
}
