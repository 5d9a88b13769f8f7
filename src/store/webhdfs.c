#include "webhdfs_impl.h"

__attribute__((visibility("default"))) bool
sg_webhdfs_open(const struct sg_store_config *config, struct sg_store **ret, struct sg_error *err)
{
    (void)ret;
    return sg_error_set(err, SG_ERROR_GRAPH, 0, "root %s", config->root);
}
