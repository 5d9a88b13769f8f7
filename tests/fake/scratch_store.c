#include "scratch_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct sg_store *scratch_store_open(struct scratch *s, struct sg_error *err)
{
    struct sg_store_config c = { .root = s->dir, .sync = true };
    struct sg_store *store;

    scratch_open(s);
    sg_error_clear(err);
    if (!sg_store_open(&c, &store, err))
        fail_msg("%s", err->text);
    return store;
}

void scratch_store_close(struct scratch *s, struct sg_store *store)
{
    sg_store_free(store);
    scratch_close(s);
}
