"""Send an exchange by an opener, as its calls go: proxies, TLS, cookies, headers, agent.

What instruments the opener sees its URL without the secret.
"""

from collections.abc import Mapping
from functools import partial
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import OpenerDirector, Request

from wecom_auth._clients.requests.send import OF_CALL
from wecom_auth._clients.urllib.wire import Exchange
from wecom_auth._clock import waiting
from wecom_auth._credential.exchange import Answer, Send, unreached
from wecom_auth._http.verdict import BODY_LIMIT
from wecom_auth._source.transport import gather


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
        deadline = waiting() + seconds
        request = Exchange(url, body, {**theirs, **headers}, method)
        try:
            with _open(opener, request, seconds) as response:
                pieces = iter(partial(response.read1, BODY_LIMIT), b"")
                return Answer(response.code, response.headers, gather(pieces, deadline))
        except (OSError, HTTPException) as error:
            failure = unreached(error, url, seconds)
        raise failure  # out here, where the error that it stands for is no context

    return send


def _open(opener: OpenerDirector, request: Request, seconds: float) -> Any:
    try:
        return opener.open(request, timeout=seconds)
    except HTTPError as answer:
        return answer
