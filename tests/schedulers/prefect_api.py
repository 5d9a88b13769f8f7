"""Asks the Prefect server at $PREFECT_API_URL what its command line would take seconds to say.

    prefect_api.py wait-server | wait-deployment NAME | run NAME | state RUN | logs RUN

run starts a run of a deployment and prints its id; state prints a run's type, name and message,
tab between them; logs prints the lines that the server has of it.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request


def ask(path, body=None):
    """Asks until there is an answer: the server isn't up yet, or its database is busy (503)."""
    request = urllib.request.Request(
        os.environ["PREFECT_API_URL"] + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
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
