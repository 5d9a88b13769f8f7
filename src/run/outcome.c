#include "stagegraph/run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

bool sg_run_id_new(struct sg_wall now, char ret[SG_RUN_ID_TEXT], struct sg_error *err)
{
    unsigned char r[3];
    char utc[SG_UTC_TEXT];

    if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
        return sg_error_set(err, SG_ERROR_SYSTEM, errno, "random bytes");
    sg_utc_format(now.ns / SG_NS_PER_S, utc); /* 2024-01-01T06:00:12Z */
    (void)snprintf(ret, SG_RUN_ID_TEXT, "%.4s%.2s%.2sT%.2s%.2s%.2s-%02x%02x%02x", utc, utc + 5,
                   utc + 8, utc + 11, utc + 14, utc + 17, r[0], r[1], r[2]); /* fits: 22 bytes */
    return true;
}

void sg_outcome_add(struct sg_outcome *o, enum sg_result result, enum sg_error_code code)
{
    o->n_result[result]++;
    o->n_bug += code == SG_ERROR_BUG;
    o->n_system += code == SG_ERROR_SYSTEM || code == SG_ERROR_MEMORY;
    o->n_away += code == SG_ERROR_AWAY;
}

/*
 * The exit status of section 3, where no signal and no error that ended the run comes first: a node
 * that a bug of ours (70), this machine (71) or a store that has gone away (74) made fail; a failed
 * node (1) before timeouts alone (5) before nodes left to another run (4) before blocked ones (3).
 * What lies behind a failed or busy node doesn't change it, so blocked nodes count only where
 * nothing failed and nothing was busy.
 */
int sg_outcome_status(const struct sg_outcome *o)
{
    uint32_t failed = 0;

    if (o->n_bug > 0)
        return 70;
    if (o->n_system > 0)
        return 71;
    if (o->n_away > 0)
        return 74;
    for (int r = 0; r < SG_RESULT_COUNT; r++)
        if (sg_result_is_failure((enum sg_result)r) && r != SG_RESULT_TIMEOUT)
            failed += o->n_result[r];
    if (failed > 0)
        return 1;
    if (o->n_result[SG_RESULT_TIMEOUT] > 0)
        return 5;
    if (o->n_result[SG_RESULT_BUSY] > 0)
        return 4;
    return o->n_result[SG_RESULT_BLOCKED] > 0 ? 3 : 0;
}
