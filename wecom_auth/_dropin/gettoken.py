"""A gettoken that existing code makes: whose it is, and an answer as the platform would give it."""

import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .._credential.app import AppCredential
from .._credential.exchange import Abandoned, Answer
from .._credential.kind import APP, CORP, DOWNSTREAM, PROVIDER, SUITE
from .._credential.token import Token
from .._http.redaction import redact
from .._http.verdict import parse
from .._source import aio
from .._source.steps import FOREVER
from ..errors import RATE_LIMITED, TokenTimeout, WeComError
from . import suspicion
from .call import Call, Do, Failed, Flow, source_of
from .inline import InlineSource
from .ledger import Entry, ledger
from .owner import NAME, Owners

SHORTEST_LIFE = 300
"""The least `expires_in` that an answer states, in seconds: clients subtract a margin from it
(`ex=expires_in - 200`). A token that ends sooner is replaced without their noticing."""

_OTHERS = (SUITE, CORP, PROVIDER, DOWNSTREAM)
"""The other kinds: the tokens of their exchanges are known as theirs and left alone."""


def credential_of(url: str) -> AppCredential | None:
    """Return the credential that a gettoken call names, with the way there; None for other calls.

    Other vendors have a gettoken too, without corpid and corpsecret.
    """
    base = _base(url, APP.exchange)
    if base is None:
        return None
    asked = parse_qs(urlsplit(url).query)
    corpid, corpsecret = asked.get("corpid", ()), asked.get("corpsecret", ())
    if len(corpid) != 1 or len(corpsecret) != 1:
        return None
    try:
        return AppCredential(corpid[0], corpsecret[0], base_url=base, allow_http=True)
    except ValueError:  # an empty one, or a base URL with a password in it
        return None


def is_other_exchange(url: str) -> bool:
    """Return whether the answer to this call holds another kind's token."""
    paths = (path for kind in _OTHERS for path in (kind.exchange, *kind.also_given))
    return any(_base(url, path) is not None for path in paths)


def _base(url: str, path: str) -> str | None:
    """Return the base URL of a call to this path; slashes may be doubled."""
    head = url.partition("?")[0].partition("#")[0]
    if not head.endswith(f"/{path}"):
        return None
    above = head[: -len(path)].rstrip("/")
    return above[:-8].rstrip("/") if above.endswith("/cgi-bin") else None


class Exchange:
    """Sends the caller's own gettoken when the source needs one; keeps what came of it.

    Attributes:
        made: whether the platform was asked.
        error: the client's own error, if that came of it.
        answer: the client's own answer, if there is one.
    """

    def __init__(self, call: Call) -> None:
        self.made = False
        self.error: Exception | None = None
        self.answer: Any = None
        self._call = call
        self._body = b""
        self._ends = None if call.limit is None else time.monotonic() + call.limit
        self._on_loop: Callable[..., Any] | None = aio.runner() if call.is_async else None

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Answer:
        """Send the caller's own request; the source reads a copy of what it gives."""
        left = self._left() if self.made else None  # the first try has the caller's own timeout
        self.made, old, self.answer = True, self.answer, None
        self._body, self.error = b"", None
        found = self._exchange(left) if self._on_loop is None else self._exchange_on_loop(left, old)
        if isinstance(found, Answer):
            self._body = found.body
            return found
        self.error = found
        kind = self._call.unreached(found)
        if kind is None:
            raise found
        raise kind(f"gettoken failed: {type(found).__name__}")

    def _left(self) -> float | None:
        return None if self._ends is None else max(0.001, self._ends - time.monotonic())

    def _exchange(self, seconds: float | None) -> Answer | Exception:
        call = self._call
        try:
            self.answer = call.last = call.exchange(seconds)
            found: Answer = call.look(self.answer)
        except Exception as error:
            return error
        return found

    def _exchange_on_loop(self, seconds: float | None, old: Any) -> Answer | Exception:
        """Let the caller's event loop send it: this runs in another thread."""
        assert self._on_loop is not None
        try:
            bound = self._left() or FOREVER
            found: Answer | Exception = self._on_loop(partial(self._send, seconds, old), bound)
        except TimeoutError:
            raise TokenTimeout("gettoken did not answer in time") from None
        except (OSError, CancelledError):
            raise Abandoned from None
        return found

    async def _send(self, seconds: float | None, old: Any) -> Answer | Exception:
        call = self._call
        try:
            if old is not None:
                await call.close(old)
            self.answer = call.last = await call.exchange(seconds)
            found: Answer = await call.look(self.answer)
        except Exception as error:
            return error
        return found

    def own_answer(self, token: Token) -> Any:
        """Return the platform's own answer, if this token is what it gave; else None."""
        return self.answer if parse(self._body).get(NAME) == token.value else None


def answer(call: Call, credential: AppCredential, owners: Owners) -> Flow:
    """Answer a gettoken from the source, as the platform would."""
    source, exchange = owners.source(credential), Exchange(call)
    ledger.learn(credential, call.headers)
    owners.see_exchange(credential)
    ask = partial(source_of(call, source, "get"), call.limit, via=exchange)
    try:
        token = yield Do(ask)
    except Exception as error:
        return _failure(call, credential, exchange, error)
    if not exchange.made:
        token = yield from _unless_suspicious(call, source, exchange, token, owners)
    if not exchange.made:
        ledger.count("saved")
    own = exchange.own_answer(token)
    yield from _mark_given(source, token, own is not None, owners)
    if own is not None:
        return own
    if exchange.answer is not None:
        yield Do(partial(call.close, exchange.answer))
    return _success(call, source, token)


def _unless_suspicious(
    call: Call, source: InlineSource, exchange: Exchange, token: Token, owners: Owners
) -> Any:
    """Return this token, or what the platform gives where its calls may have been rejected."""
    entry = _entry(source, token, owners)
    asks, shared = suspicion.asker.get(), owners.shared
    looks = partial(suspicion.is_suspicious, entry, token.value, asks, shared)
    if not (yield Do(looks, blocks=shared is not None)):
        return token
    refresh = source_of(call, source, "refresh")
    try:
        return (yield Do(partial(refresh, call.limit, via=exchange, old=token)))
    except WeComError as error:
        limited = error.errcode == RATE_LIMITED
        suspicion.quieten(entry, suspicion.QUIET if limited else suspicion.EXCHANGE_AGE)
        return token


def _mark_given(source: InlineSource, token: Token, made: bool, owners: Owners) -> Flow:
    owner, shared = source.credential, owners.shared
    entry = _entry(source, token, owners)
    suspicion.mark_asker(entry)
    marks = partial(suspicion.mark_given, entry, token.value, owner.key, made, shared)
    yield Do(marks, blocks=shared is not None)


def _entry(source: InlineSource, token: Token, owners: Owners) -> Entry:
    """Return the token's entry. A store's own mark says when it was fetched."""
    age = source.age(token) if owners.shared is None else float("inf")
    return ledger.give(token.value, source.credential, age)


def _failure(call: Call, credential: AppCredential, exchange: Exchange, error: Exception) -> Any:
    """Return what came of a failed exchange: the platform's own answer, or the client's error."""
    if exchange.error is not None:
        return Failed(exchange.error)
    if exchange.answer is not None:
        return exchange.answer
    if not isinstance(error, WeComError):
        raise error
    if error.errcode is None:
        return Failed(call.failure(error))
    return _made(call, {"errcode": error.errcode, "errmsg": redact(error.errmsg)})


def _success(call: Call, source: InlineSource, token: Token) -> Any:
    life = max(SHORTEST_LIFE, int(source.remaining(token)))
    said = {"errcode": 0, "errmsg": "ok", NAME: token.value, "expires_in": life}
    return _made(call, said)


def _made(call: Call, said: Mapping[str, Any]) -> Any:
    body = json.dumps(said).encode()
    headers = {
        "Content-Type": "application/json; charset=UTF-8",
        "Content-Length": str(len(body)),
        "Error-Code": str(said["errcode"]),
        "Error-Msg": json.dumps(said["errmsg"])[1:-1],
    }
    return call.make(headers, body)


def note_others(call: Call, answer: Any) -> Flow:
    """Know the tokens in the answer to another kind's exchange as theirs."""
    found = yield Do(partial(call.look, answer))
    said = parse(found.body)
    for value in map(said.get, {kind.field for kind in _OTHERS}):
        if isinstance(value, str) and value:
            ledger.own(value, None)
