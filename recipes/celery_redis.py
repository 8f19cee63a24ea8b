"""Celery, or any fleet: workers on many machines share one token through Redis.

    pip install "wecom-auth[redis]" "celery[redis]"
    export WECOM_CORPID=ww0123... WECOM_CORPSECRET=... WECOM_STORE=redis://cache.internal:6379/1
    celery --app celery_redis worker --concurrency 8

    python -c 'import celery_redis; celery_redis.send.delay("disk full on db-3")'

The token lies under `wecom_auth:...` as JSON, so a service in another language can read it. While
Redis is away each worker goes on with a token of its own, says so once, and comes back.

A broker and a store are two things: this takes the same server for both, with two databases.
"""

import os

import requests
from celery import Celery

from wecom_auth import AppCredential, attach, raise_for_errcode

STORE = os.environ.get("WECOM_STORE", "redis://localhost:6379/1")

app = Celery("alerts", broker=os.environ.get("BROKER_URL", "redis://localhost:6379/0"))

# At import, in the parent of the prefork pool: a store made from a URL connects in each child.
credential = AppCredential.from_env()
session = attach(requests.Session(), credential, store=STORE)


# The token's own troubles are over by the time a call fails. What may pass: the network, and a
# gettoken that was not reached, which is a requests.ConnectionError or Timeout as well. A message
# whose answer was lost may have gone out: `enable_duplicate_check` lets the platform drop
# the second one.
@app.task(
    autoretry_for=(requests.ConnectionError, requests.Timeout), retry_backoff=True, max_retries=5
)
def send(text: str) -> str:
    """Send a text to everybody whom the app can see, and return the message's id."""
    answer = session.post(
        f"{credential.base_url}/cgi-bin/message/send",
        json={
            "touser": "@all",
            "msgtype": "text",
            "agentid": int(os.environ.get("WECOM_AGENTID", "1000002")),
            "text": {"content": text},
            "enable_duplicate_check": 1,
        },
        timeout=10,
    )
    return str(raise_for_errcode(answer).json().get("msgid", ""))
