"""The hourly pipeline as a Prefect flow: `stagegraph hourly`, every hour.

    python hourly_pipeline_flow.py                                  # serves the deployment
    prefect deployment run 'hourly_pipeline_flow/hourly-schedule'   # one more run, now

Environment: STAGEGRAPH_GRAPH; HOURLY_RETRY_SECONDS (300), the pause before a run that lacked its
store or room on the machine is tried again. docs/schedulers.md has the rest.
"""

import os

from prefect import flow, get_run_logger, task
from prefect.states import Completed, Crashed, Failed

from stagegraph_task import StagegraphTask, meaning


class TryAgainLater(Exception):
    """The store is away, or the machine has no room: nothing of the pipeline's is at fault."""


# What it raises is tried again; what it returns is final.
@task(
    name="stagegraph-hourly",
    retries=3,
    retry_delay_seconds=int(os.environ.get("HOURLY_RETRY_SECONDS", "300")),
)
def stagegraph_hourly():
    log = get_run_logger()
    run = StagegraphTask("hourly")
    status = run.run(lambda line: log.info("%s", line))
    if meaning(status) == "retry":
        raise TryAgainLater(f"exit status {status}: {run.last_line}")
    return status, run.last_line


@flow(name="hourly_pipeline_flow")
def hourly_pipeline_flow():
    status, last_line = stagegraph_hourly()
    message = f"exit status {status}: {last_line}"
    match meaning(status):
        case "done" if last_line.startswith("Nothing to do"):
            return Completed(name="NothingToDo", message=message)
        case "done":
            return Completed(message=message)
        case "waiting":
            return Completed(name="Blocked" if status == 3 else "Busy", message=message)
        case "stopped":
            return Crashed(message=message)
    return Failed(name="TimedOut" if status == 5 else "Failed", message=message)


if __name__ == "__main__":
    # The minute must lie behind the graph's `delay`. One at a time: what a run that is late leaves
    # out, the next makes.
    hourly_pipeline_flow.serve(name="hourly-schedule", cron="7 * * * *", limit=1)
