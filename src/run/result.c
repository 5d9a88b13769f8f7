#include "stagegraph/job.h"
#include "stagegraph/sched.h"

#include <assert.h>

enum kind { OTHER, DONE, FAILURE };

static const struct row {
    const char *name;
    enum kind kind;
} rows[] = {
    [SG_RESULT_NONE] = { "none", OTHER },
    [SG_RESULT_OK] = { "ok", DONE },
    [SG_RESULT_UNCHANGED] = { "unchanged", DONE },
    [SG_RESULT_COMPLETED] = { "completed", DONE },
    [SG_RESULT_FAILED] = { "failed", FAILURE },
    [SG_RESULT_TIMEOUT] = { "timeout", FAILURE },
    [SG_RESULT_CHECK_FAILED] = { "check_failed", FAILURE },
    [SG_RESULT_INPUT_MOVED] = { "input_moved", FAILURE },
    [SG_RESULT_TRESPASS] = { "trespass", FAILURE },
    [SG_RESULT_OOM] = { "oom", FAILURE },
    [SG_RESULT_INTERRUPTED] = { "interrupted", OTHER },
    [SG_RESULT_BLOCKED] = { "blocked", OTHER },
    [SG_RESULT_BUSY] = { "busy", OTHER },
};

static_assert(sizeof(rows) / sizeof(rows[0]) == SG_RESULT_COUNT, "a row a result");

static bool is_kind(enum sg_result r, enum kind kind)
{
    return r < SG_RESULT_COUNT && rows[r].kind == kind;
}

const char *sg_result_name(enum sg_result r)
{
    return rows[r < SG_RESULT_COUNT ? r : SG_RESULT_NONE].name;
}

bool sg_result_is_failure(enum sg_result r)
{
    return is_kind(r, FAILURE);
}

bool sg_result_is_done(enum sg_result r)
{
    return is_kind(r, DONE);
}

const char *sg_job_peak_source(const struct sg_job_measure *m)
{
    if (m->peak_bytes < 0)
        return NULL;
    return m->peak_from_cgroup ? "cgroup" : "proc";
}
