"""A gettoken that existing code makes: whose it is, and an answer as the platform would give it."""

import json
import re
from collections.abc import Mapping
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse, Timeout

from .._clients.requests.peek import peek
from .._clients.requests.send import call_limit
from .._credential.app import AppCredential
from .._credential.exchange import Answer, unreached
from .._credential.token import Token
from .._http.redaction import redact
from .._http.verdict import parse
from .._source.state import TIME_LIMIT
from ..errors import WeComError
from .inline import InlineSource

SHORTEST_LIFE = 300
"""The least `expires_in` that an answer states, in seconds: clients subtract a margin from it
(`ex=expires_in - 200`). A token that ends sooner is replaced without their noticing."""

_builder = HTTPAdapter()  # which sends nothing
_PATH = re.compile(r"(https?://[^?#]*?)/+cgi-bin/+gettoken(?:[?#]|$)")


def credential_of(request: requests.PreparedRequest) -> AppCredential | None:
    """The credential that a gettoken call names and the way there; None for any other call.

    Other vendors have a gettoken too, without corpid and corpsecret.
    """
    url = request.url or ""
    found = _PATH.match(url)
    if found is None or not isinstance(request.body, bytes | str | None):
        return None
    asked = parse_qs(urlsplit(url).query)
    corpid, corpsecret = asked.get("corpid", ()), asked.get("corpsecret", ())
    if len(corpid) != 1 or len(corpsecret) != 1:
        return None
    try:
        return AppCredential(corpid[0], corpsecret[0], base_url=found[1], allow_http=True)
    except ValueError:  # an empty one, or a base URL with a password in it
        return None


class Exchange:
    """Sends the caller's own gettoken when the source needs one; keeps the answer or the error.

    Attributes:
        made: whether the platform was asked.
    """

    def __init__(
        self, adapter: BaseAdapter, request: requests.PreparedRequest, options: Mapping[str, Any]
    ) -> None:
        self.made = False
        self._adapter, self._request, self._options = adapter, request, options
        self._answer: requests.Response | None = None
        self._body = b""
        self._error: Exception | None = None

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Answer:
        """Send the caller's own request; the source reads a copy of what it gives."""
        options = {**self._options, "stream": True, "timeout": self._timeout(seconds)}
        self.made = True
        self._clear()
        try:
            answer = self._adapter.send(self._request, **options)
            self._body = _body(answer)
        except (requests.RequestException, OSError) as error:
            self._error = error
            failure = unreached(error, url, seconds)
        else:
            self._answer = answer
            return Answer(answer.status_code, answer.headers, self._body)
        raise failure

    def own_answer(self, token: Token) -> requests.Response | None:
        """The platform's own answer, if it was asked and this token is what it gave."""
        if parse(self._body).get("access_token") == token.value:
            return self._answer
        self._clear()
        return None

    def own_failure(self) -> requests.Response | None:
        """What came of a failed exchange: the platform's own answer, or the network's own error."""
        if self._error is not None:
            raise self._error
        return self._answer

    def _timeout(self, limit: float) -> Any:
        given = self._options.get("timeout")
        seconds = call_limit(given)
        its_own = not self.made and seconds is not None and seconds <= TIME_LIMIT
        return given if its_own else Timeout(total=limit)

    def _clear(self) -> None:
        if self._answer is not None:
            self._answer.close()
        self._answer, self._body, self._error = None, b"", None


def answer(
    source: InlineSource, request: requests.PreparedRequest, exchange: Exchange, limit: float | None
) -> tuple[requests.Response, Token | None]:
    """Answer a gettoken from the source, as the platform would.

    Returns:
        The answer, and the token in it if it succeeded.

    Raises:
        requests.RequestException: the network's own error, or what is remembered of one.
    """
    # `is None`, because an answer with status 400 or more is false.
    try:
        token = source.get(limit, via=exchange)
    except WeComError as error:
        failure = error
    else:
        own = exchange.own_answer(token)
        return (_success(source, request, token) if own is None else own), token
    own = exchange.own_failure()
    return (_refusal(request, failure) if own is None else own), None


def _success(
    source: InlineSource, request: requests.PreparedRequest, token: Token
) -> requests.Response:
    life = max(SHORTEST_LIFE, int(source.remaining(token)))
    said = {"errcode": 0, "errmsg": "ok", "access_token": token.value, "expires_in": life}
    return _response(request, said)


def _refusal(request: requests.PreparedRequest, failure: WeComError) -> requests.Response:
    if failure.errcode is None:
        raise failure
    return _response(request, {"errcode": failure.errcode, "errmsg": redact(failure.errmsg)})


def _response(request: requests.PreparedRequest, said: Mapping[str, Any]) -> requests.Response:
    body = json.dumps(said).encode()
    headers = {
        "Content-Type": "application/json; charset=UTF-8",
        "Content-Length": str(len(body)),
        "Error-Code": str(said["errcode"]),
        "Error-Msg": json.dumps(said["errmsg"])[1:-1],
    }
    raw = HTTPResponse(BytesIO(body), headers, 200, reason="OK", preload_content=False)
    return _builder.build_response(request, raw)


def _body(response: requests.Response) -> bytes:
    """What can be seen of a body that stays readable."""
    if isinstance(response.raw, HTTPResponse):
        return peek(response) or b""
    return response.content or b""
