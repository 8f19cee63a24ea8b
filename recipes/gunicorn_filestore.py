"""gunicorn or uWSGI: all workers of a machine share one token through files.

    pip install "wecom-auth[file]" gunicorn
    export WECOM_CORPID=ww0123... WECOM_CORPSECRET=...
    gunicorn --workers 8 --threads 8 gunicorn_filestore:app

    uwsgi --http :8000 --processes 8 --threads 8 --enable-threads \
          --wsgi-file gunicorn_filestore.py --callable app

    curl -d 'disk full on db-3' http://127.0.0.1:8000/

Eight workers started at once fetch one token; when the platform drops it, one of them fetches
the next. uWSGI takes `--enable-threads` so that a token can be refreshed in the background.

Where: `file:` is the cache directory of the user the workers run as. Under systemd with
`CacheDirectory=alerts`, or in a container, name a directory that this user may write to and
others may not: WECOM_STORE=file:///var/cache/alerts/wecom
"""

import os
from collections.abc import Callable, Iterable
from typing import Any

import requests

from wecom_auth import AppCredential, CredentialError, attach

# Made before the fork and not used until after it: each worker opens connections of its own.
credential = AppCredential.from_env()
session = attach(requests.Session(), credential, store=os.environ.get("WECOM_STORE", "file:"))


def send(text: str) -> None:
    """Send a text to everybody whom the app can see."""
    answer = session.post(
        f"{credential.base_url}/cgi-bin/message/send",
        json={
            "touser": "@all",
            "msgtype": "text",
            "agentid": int(os.environ.get("WECOM_AGENTID", "1000002")),
            "text": {"content": text},
        },
        timeout=10,
    )
    answer.raise_for_status()
    if answer.json()["errcode"]:
        raise RuntimeError(answer.json()["errmsg"])


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """A WSGI application: what is posted to it becomes a message."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    try:
        send(environ["wsgi.input"].read(length).decode())
    except CredentialError as error:
        start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
        return [f"{error}\n".encode()]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"sent\n"]
