"""Asks the Airflow server at $AIRFLOW_URL, as its web page would, about the DAG hourly_pipeline.

    airflow_api.py wait | run | state RUN | try RUN | fail RUN

wait waits for the DAG and switches it on; run starts a run and prints its id; state and try print
the state and the number of the try of its task; fail marks the task as failed, which ends it.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request

DAG = "/api/v2/dags/hourly_pipeline"


def ask(path, body=None, method=None, token=True):
    """Asks until there is an answer: the server isn't up yet, or hasn't read the DAG (404)."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = "Bearer " + ask("/auth/token", token=False)["access_token"]
    request = urllib.request.Request(
        os.environ["AIRFLOW_URL"] + path,
        data=None if body is None else json.dumps(body).encode(),
        headers=headers,
        method=method,
    )
    for _ in range(120):
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code not in (404, 503):
                raise
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass
        time.sleep(0.5)
    sys.exit(f"no answer to {path}")


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
