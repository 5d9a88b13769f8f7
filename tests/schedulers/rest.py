"""Asks a server that may not be up yet."""
import json
import sys
import time
import urllib.error
import urllib.request


def ask(url, body=None, method=None, headers=None):
    """Asks until there is an answer: what is asked for isn't known yet (404), or it is busy (503)."""
    request = urllib.request.Request(
        url,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **(headers or {})},
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
    sys.exit(f"no answer to {url}")
