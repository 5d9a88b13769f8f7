/*
 * pace: lets whoever reads a run's output set the pace of its jobs.
 *
 * Floor: cli. docs/design.md, "Output".
 *
 *   sg_pace_init → a run with sg_pace_sink() as its last sink, sg_pace_look() with each tick
 *                → sg_pace_done, before the loop and the outputs are gone
 *
 * What a pipe or terminal didn't take is written as soon as it takes more; while it is behind, the
 * jobs' output is not read.
 */
#ifndef STAGEGRAPH_CLI_PACE_H
#define STAGEGRAPH_CLI_PACE_H

#include "stagegraph/event.h"
#include "stagegraph/loop.h"
#include "stagegraph/run.h"

#include "outputs.h"

#define SG_PACE_OUTS 2 /* standard output and error */

struct sg_pace {
    struct sg_loop *loop; /* NULL: nothing to do yet */
    struct sg_run *run;
    struct sg_out *out[SG_PACE_OUTS];
    struct sg_watch *watch[SG_PACE_OUTS]; /* while something is pending */
};

void sg_pace_init(struct sg_pace *p, struct sg_loop *loop, struct sg_run *run,
                  struct sg_outputs *outs);
void sg_pace_done(struct sg_pace *p);
struct sg_sink sg_pace_sink(struct sg_pace *p);
void sg_pace_look(struct sg_pace *p);

#endif
