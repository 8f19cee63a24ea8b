"""Sentry without tokens: what wecom_auth cannot hide, scrubbed before it leaves the process.

Sentry's SDK looks below requests, where the token stands in the URL: its breadcrumbs and spans have
the query, and its stack traces the local variables.

    pip install wecom-auth sentry-sdk
    export SENTRY_DSN=https://... WECOM_CORPID=ww0123... WECOM_CORPSECRET=...
    python scrub_sentry.py zhangsan

`scrub` also fits other trackers: it takes anything that JSON can hold.
"""

import os
import sys
from collections.abc import Mapping
from typing import Any

import requests

from wecom_auth import (
    AppCredential,
    attach,
    raise_for_errcode,
    redact,
)

MASK = "***"
SECRET_NAMES = ("token", "secret", "ticket", "permanent_code", "authorization", "cookie")


def scrub(value: Any, hint: object = None) -> Any:
    """Return the event without tokens and secrets, in texts and under names that suggest one.

    Args:
        value: an event, or a part of one.
        hint: what Sentry hands to its hooks.
    """
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {k: MASK if _is_secret(k, v) else scrub(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [scrub(each) for each in value]
    return value


def _is_secret(name: object, value: object) -> bool:
    return isinstance(value, str | bytes) and any(n in str(name).lower() for n in SECRET_NAMES)


def start() -> None:
    """Start Sentry. Without local variables: a token has no name there that `scrub` could know."""
    import sentry_sdk

    hooks: Any = {"before_send": scrub, "before_send_transaction": scrub}
    sentry_sdk.init(dsn=os.environ["SENTRY_DSN"], include_local_variables=False, **hooks)


def report(userid: str) -> None:
    """Look somebody up; what goes wrong ends up in Sentry, with the call among its breadcrumbs."""
    app = AppCredential.from_env()
    session = attach(requests.Session(), app)
    url = f"{app.base_url}/cgi-bin/user/get"
    raise_for_errcode(session.get(url, params={"userid": userid}, timeout=10))


if __name__ == "__main__":
    start()
    report(sys.argv[1])
