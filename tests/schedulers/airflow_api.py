"""Asks the Airflow server at $AIRFLOW_URL, as its web page would, about the DAG hourly_pipeline.

    airflow_api.py wait | run | state RUN | try RUN | fail RUN

wait waits for the DAG and switches it on; run starts a run and prints its id; state and try print
the state and the number of the try of its task; fail marks the task as failed, which ends it.
"""

import os
import sys

import rest

DAG = "/api/v2/dags/hourly_pipeline"


def ask(path, body=None, method=None):
    server = os.environ["AIRFLOW_URL"]
    token = rest.ask(server + "/auth/token")["access_token"]
    return rest.ask(server + path, body, method, {"Authorization": "Bearer " + token})


what, run = sys.argv[1], (sys.argv + [""])[2]
task = f"{DAG}/dagRuns/{run}/taskInstances/stagegraph_hourly"
if what == "wait":
    ask(DAG, {"is_paused": False}, "PATCH")
elif what == "run":
    print(ask(f"{DAG}/dagRuns", {"logical_date": None})["dag_run_id"])
elif what == "state":
    print(ask(task)["state"])
elif what == "try":
    print(ask(task)["try_number"])
elif what == "fail":
    ask(task, {"new_state": "failed"}, "PATCH")
else:
    sys.exit(__doc__)
