#include "state.h"

#include <sys/types.h>
#include <unistd.h>

#include "stagegraph/clock.h"
#include "stagegraph/files.h"
#include "stagegraph/history.h"
#include "stagegraph/registry.h"

#include "cli.h"

bool sg_state_enter(struct sg_cli *cli, const char *run_id, void (*tell)(void *ctx, const char *),
                    void *ctx, struct sg_state *ret, struct sg_error *err)
{
    struct sg_error soft = SG_ERROR_INIT;
    struct sg_registry_run entry = { .run = run_id,
                                     .command = cli->argv_text,
                                     .pid = getpid(),
                                     .started_s = sg_wall_now().ns / SG_NS_PER_S };

    if (!sg_files_make_dir(cli->graph->state, err))
        return sg_error_wrap(err, "the state directory");
    if (!sg_registry_sweep(cli->graph->state, &soft))
        tell(ctx, soft.text);
    if (!sg_registry_enter(cli->graph->state, &entry, &ret->registry_fd, err))
        return sg_error_wrap(err, "the state directory");
    sg_error_clear(&soft);
    if (!sg_history_open(cli->graph->state, false, &ret->history, &ret->notice, &soft)) {
        (void)sg_error_wrap(&soft, "no history is kept");
        tell(ctx, soft.text);
        ret->history = NULL;
    }
    if (ret->notice)
        tell(ctx, ret->notice);
    return true;
}

void sg_state_leave(struct sg_cli *cli, const char *run_id, struct sg_state *s)
{
    if (s->registry_fd >= 0)
        sg_registry_leave(cli->graph->state, run_id, s->registry_fd);
    s->registry_fd = -1;
    sg_history_close(s->history);
    s->history = NULL;
}
