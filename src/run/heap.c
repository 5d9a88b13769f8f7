#include "heap.h"

static void place(struct sg_heap *h, uint32_t at, uint32_t id)
{
    h->items[at] = id;
    h->where[id] = at + 1;
}

/* Puts id at the hole `at` or, where it belongs, above or below it. */
static void settle(struct sg_heap *h, uint32_t at, uint32_t id)
{
    uint32_t child;

    for (; at > 0 && h->before(h->ctx, id, h->items[(at - 1) / 2]); at = (at - 1) / 2)
        place(h, at, h->items[(at - 1) / 2]);
    for (; at < h->n / 2; at = child) {
        child = 2 * at + 1;
        if (child + 1 < h->n && h->before(h->ctx, h->items[child + 1], h->items[child]))
            child++;
        if (!h->before(h->ctx, h->items[child], id))
            break;
        place(h, at, h->items[child]);
    }
    place(h, at, id);
}

void sg_heap_put(struct sg_heap *h, uint32_t id)
{
    uint32_t at = h->where[id];

    settle(h, at == 0 ? h->n++ : at - 1, id);
}

void sg_heap_remove(struct sg_heap *h, uint32_t id)
{
    uint32_t at = h->where[id];

    if (at == 0)
        return;
    h->where[id] = 0;
    h->n--;
    if (at - 1 < h->n)
        settle(h, at - 1, h->items[h->n]);
}
