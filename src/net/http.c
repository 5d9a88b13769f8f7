#include "stagegraph/http.h"

#include <curl/curl.h>

bool sg_http_open(const struct sg_http_config *config, struct sg_http **ret, struct sg_error *err)
{
    (void)config;
    (void)ret;
    return sg_error_set(err, SG_ERROR_SYSTEM, 0, "curl %s", curl_version());
}
