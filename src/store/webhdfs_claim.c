#include "webhdfs_impl.h"

static bool lack(struct sg_error *err)
{
    return sg_error_set(err, SG_ERROR_STORE, 0, "claims on HDFS: not there yet");
}

bool wh_claims_open(struct sg_webhdfs *w, struct sg_error *err)
{
    (void)w;
    (void)err;
    return true;
}

void wh_claims_free(struct sg_webhdfs *w)
{
    (void)w;
}

bool wh_claim_take(struct sg_store *s, const char *path, struct sg_span text,
                   struct sg_store_claim *ret, enum sg_claim_outcome *ret_outcome,
                   struct sg_buf *held_text, struct sg_error *err)
{
    (void)s;
    (void)path;
    (void)text;
    (void)ret;
    (void)ret_outcome;
    (void)held_text;
    return lack(err);
}

bool wh_claim_replace(struct sg_store *s, struct sg_store_claim *claim, struct sg_span text,
                      struct sg_error *err)
{
    (void)s;
    (void)claim;
    (void)text;
    return lack(err);
}

bool wh_claim_verify(struct sg_store *s, const struct sg_store_claim *claim, bool *ret,
                     struct sg_error *err)
{
    (void)s;
    (void)claim;
    (void)ret;
    return lack(err);
}

bool wh_claim_drop(struct sg_store *s, struct sg_store_claim *claim, struct sg_error *err)
{
    (void)s;
    (void)claim;
    return lack(err);
}

void wh_claim_leave(struct sg_store *s, struct sg_store_claim *claim)
{
    (void)s;
    (void)claim;
}

bool wh_claim_list(struct sg_store *s, const char *dir, sg_store_claim_fn *fn, void *ctx,
                   struct sg_error *err)
{
    (void)s;
    (void)dir;
    (void)fn;
    (void)ctx;
    return lack(err);
}

bool wh_claim_look(struct sg_store *s, const char *path, sg_store_claim_fn *fn, void *ctx,
                   struct sg_error *err)
{
    (void)s;
    (void)path;
    (void)fn;
    (void)ctx;
    return lack(err);
}
