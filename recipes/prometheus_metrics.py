"""Metrics for Prometheus: each event counted, and the end of each token.

    pip install wecom-auth prometheus-client
    export WECOM_CORPID=ww0123... WECOM_CORPSECRET=... METRICS_PORT=9200
    python prometheus_metrics.py zhangsan      # and then: curl http://127.0.0.1:9200/metrics

An alert that is worth having: a token ends in five minutes, and no other was had.

    wecom_auth_token_ends_seconds - time() < 300

Another: `increase(wecom_auth_events_total{event="refused"}[10m]) > 0`. A label holds a corpid,
never a token or secret. With thousands of tenants leave the label `credential` out.
"""

import os
import sys
import time

import requests
from prometheus_client import Counter, Gauge, start_http_server

from wecom_auth import AppCredential, Event, attach, on_event, raise_for_errcode

EVENTS = Counter("wecom_auth_events", "What happened to tokens", ["event", "errcode"])
MISSED = Counter("wecom_auth_events_missed", "Events that came too fast to be counted")
ENDS = Gauge("wecom_auth_token_ends_seconds", "When the token ends (Unix time)", ["credential"])


def count(event: Event) -> None:
    """Count one event; called in a thread of its own, so no call waits for it."""
    EVENTS.labels(event.name, "" if event.errcode is None else event.errcode).inc()
    MISSED.inc(event.missed)
    if event.name in ("fetched", "adopted") and event.seconds is not None:
        ENDS.labels(event.credential).set(time.time() + event.seconds)


def watch(port: int) -> None:
    """Serve the metrics; once, where the program starts."""
    on_event(count)
    start_http_server(port, "127.0.0.1")


if __name__ == "__main__":
    watch(int(os.environ.get("METRICS_PORT", "9200")))
    app = AppCredential.from_env()
    session = attach(requests.Session(), app)
    url = f"{app.base_url}/cgi-bin/user/get"
    answer = session.get(url, params={"userid": sys.argv[1]}, timeout=10)
    print(raise_for_errcode(answer).json()["name"])
    input("Press Enter to end.\n")
