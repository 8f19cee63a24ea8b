"""Errcodes as exceptions: the platform says what is wrong with HTTP 200, and nobody notices.

`raise_for_errcode` is to errcodes what `raise_for_status` is to HTTP. As a hook it looks at every
answer of the session, after a dead token has been replaced:

    export WECOM_CORPID=ww0123... WECOM_CORPSECRET=...
    python raise_on_errcode.py zhangsan
"""

import sys
from typing import Any

import requests

from wecom_auth import (
    APIError,
    AppCredential,
    CredentialError,
    attach,
    raise_for_errcode,
)

app = AppCredential.from_env()
session = attach(requests.Session(), app)
session.hooks["response"].append(raise_for_errcode)


def member(userid: str) -> dict[str, Any]:
    """Return one member; raise APIError where the platform says no."""
    url = f"{app.base_url}/cgi-bin/user/get"
    found: dict[str, Any] = session.get(url, params={"userid": userid}, timeout=10).json()
    return found


if __name__ == "__main__":
    try:
        print(member(sys.argv[1])["name"])
    except APIError as error:  # the call was refused: not visible to the app, no such member
        print(f"{error.errcode}: {error.errmsg}", error.advice, error.help_url, sep="\n")
        sys.exit(1)
    except CredentialError as error:  # gettoken was: wrong secret, IP not on the trusted list
        sys.exit(f"check the configuration: {error}")
