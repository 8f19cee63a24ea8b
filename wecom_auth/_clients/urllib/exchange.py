"""Send an exchange by an opener, as its calls go: proxies, TLS, cookies, headers, agent.

What instruments the opener sees its URL without the secret.
"""

import time
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import OpenerDirector, Request

from wecom_auth._clients.requests.send import OF_CALL
from wecom_auth._clients.urllib.wire import Exchange
from wecom_auth._credential.exchange import Answer, Send
from wecom_auth._http.redaction import redact
from wecom_auth._http.verdict import BODY_LIMIT
from wecom_auth.errors import TokenConnectionError, TokenTimeout, TokenUnavailable


def by_opener(opener: OpenerDirector, call: Request) -> Send:
    """Return a `Send` that goes by this opener.

    Args:
        opener: of the call.
        call: its headers go along.
    """
    theirs = {name: value for name, value in call.headers.items() if not OF_CALL.match(name)}

    def send(
        method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Answer:
        request = Exchange(url, body, {**theirs, **headers}, method)
        try:
            with _open(opener, request, seconds) as response:
                text = _read(response, time.monotonic() + seconds)
                return Answer(response.code, response.headers, text)
        except (OSError, HTTPException) as error:
            failure = _failure(error)
        raise failure  # out here, where the error that it stands for is no context

    return send


def _open(opener: OpenerDirector, request: Request, seconds: float) -> Any:
    try:
        return opener.open(request, timeout=seconds)
    except HTTPError as answer:
        return answer


def _read(response: Any, deadline: float) -> bytes:
    """Read a small body as it arrives: a server may drip it."""
    body = b""
    while len(body) <= BODY_LIMIT and (more := response.read1(BODY_LIMIT)):
        body += more
        if time.monotonic() > deadline:
            raise TimeoutError("the answer did not end in time")
    return body


def _failure(error: Exception) -> TokenUnavailable:
    text = redact(f"gettoken failed: {type(error).__name__}: {error}")
    timed_out = isinstance(error, TimeoutError) or isinstance(
        getattr(error, "reason", None), TimeoutError
    )
    return (TokenTimeout if timed_out else TokenConnectionError)(text)
