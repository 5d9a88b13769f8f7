"""The hourly pipeline as an Airflow DAG: `stagegraph hourly`, every hour.

Lies in the DAG folder beside stagegraph_task.py.

Environment of the workers: STAGEGRAPH_GRAPH; HOURLY_RETRY_SECONDS (300), the pause before a run
that lacked its store or room on the machine is tried again. docs/schedulers.md has the rest.
"""

import os
from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG, BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from stagegraph_task import StagegraphTask, meaning


class StagegraphOperator(BaseOperator):
    """One stagegraph command. An AirflowException is tried again, an AirflowFailException is not."""

    def __init__(self, *, arguments, **kwargs):
        super().__init__(**kwargs)
        self.arguments = arguments
        self.stagegraph = None

    def execute(self, context):
        self.stagegraph = StagegraphTask(*self.arguments)
        status = self.stagegraph.run(lambda line: self.log.info("%s", line))
        message = f"exit status {status}: {self.stagegraph.last_line}"
        match meaning(status):
            case "done":
                return self.stagegraph.last_line
            case "waiting":
                raise AirflowSkipException(message)
            case "retry":
                raise AirflowException(message)
            case "stopped" if self.stagegraph.stopped:  # Airflow did it, and decides what follows
                raise AirflowException(message)
        raise AirflowFailException(message)

    # Airflow calls this and lets execute() go on, which ends when stagegraph has.
    def on_kill(self):
        if self.stagegraph is not None:
            self.stagegraph.stop()


# catchup is off, and an hour that was missed is no run of its own: the next run's lookback makes it.
with DAG(
    dag_id="hourly_pipeline",
    schedule="7 * * * *",  # the minute must lie behind the graph's `delay`
    start_date=datetime(2024, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
):
    StagegraphOperator(
        task_id="stagegraph_hourly",
        arguments=["hourly"],
        retries=3,
        retry_delay=timedelta(seconds=int(os.environ.get("HOURLY_RETRY_SECONDS", "300"))),
    )
