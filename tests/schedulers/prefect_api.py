"""Asks the Prefect server at $PREFECT_API_URL what its command line would take seconds to say.

    prefect_api.py wait-server | wait-deployment NAME | run NAME | state RUN | logs RUN

run starts a run of a deployment and prints its id; state prints a run's type, name and message,
tab between them; logs prints the lines that the server has of it.
"""

import os
import sys

import rest


def ask(path, body=None):
    return rest.ask(os.environ["PREFECT_API_URL"] + path, body)


def state(run):
    state = ask(f"/flow_runs/{run}")["state"]
    return "\t".join(str(state[key]) for key in ("type", "name", "message"))


def logs(run):
    wanted = {"logs": {"flow_run_id": {"any_": [run]}}, "sort": "TIMESTAMP_ASC", "limit": 200}
    return "\n".join(line["message"] for line in ask("/logs/filter", wanted))


what, name = sys.argv[1], (sys.argv + [""])[2]
if what == "wait-server":
    ask("/health")
elif what == "wait-deployment":
    print(ask(f"/deployments/name/{name}")["id"])
elif what == "run":
    deployment = ask(f"/deployments/name/{name}")["id"]
    print(ask(f"/deployments/{deployment}/create_flow_run", {"state": {"type": "SCHEDULED"}})["id"])
elif what == "state":
    print(state(name))
elif what == "logs":
    print(logs(name))
else:
    sys.exit(__doc__)
