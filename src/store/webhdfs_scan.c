#include "webhdfs_impl.h"

bool wh_scan_open(struct sg_webhdfs *w, struct sg_error *err)
{
    (void)w;
    (void)err;
    return true;
}

void wh_scan_free(struct sg_webhdfs *w)
{
    (void)w;
}

bool wh_store_stat_many(struct sg_store *s, const char *const *paths, size_t n,
                        struct sg_entry *ret, struct sg_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (!wh_store_stat(s, paths[i], &ret[i], err))
            return false;
    }
    return true;
}
