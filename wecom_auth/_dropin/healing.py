"""What the drop-in does with one call: answers a gettoken, heals a dead token, lets the rest be."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

import requests
from requests.adapters import BaseAdapter

from .._clients.requests.adapter import WeComAdapter
from .._clients.requests.answer import verdict as rejection
from .._clients.requests.auth import is_authorised
from .._clients.requests.send import by_name, call_limit
from .._credential import exchange
from .._credential.app import AppCredential
from .._http import query
from .._log import log
from ..errors import REJECTED, WeComError
from . import gettoken
from .handed import handed
from .inline import InlineSource
from .owners import Owners
from .translation import NAME, Call, is_dead

UNUSED = 60.0
"""Seconds for which a token that no call was seen to carry is handed out again. Its calls bypass us
(another HTTP client makes them), and so do their rejections, after which the code asks gettoken."""

P = ParamSpec("P")
T = TypeVar("T")


class DropInAdapter(BaseAdapter):
    """Stands for one session's adapter, for one call; everything else of it shows through."""

    def __init__(self, inner: BaseAdapter, owners: Owners) -> None:
        self._inner = inner
        self._owners = owners

    def send(
        self, request: requests.PreparedRequest, *args: Any, **options: Any
    ) -> requests.Response:
        """Send the request as the inner adapter would, with a live token where it has a dead one.

        Raises:
            requests.RequestException: what the inner adapter raises, and of a gettoken what is
                remembered of the last failure.
        """
        if args:
            options = by_name(args, options)
        inner, url = self._inner, request.url or ""
        attached = isinstance(inner, WeComAdapter) and inner.route.find(url, request) is not None
        if attached or exchange.is_exchange.get():
            return inner.send(request, **options)
        asks = "gettoken" in url
        credential = _unless_it_fails(gettoken.credential_of, request) if asks else None
        if credential is not None:
            response = self._answer_gettoken(credential, request, options)
        else:
            response = self._send_call(request, options)
        response.connection = self  # type: ignore[assignment]
        return response

    def _answer_gettoken(
        self, credential: AppCredential, request: requests.PreparedRequest, options: dict[str, Any]
    ) -> requests.Response:
        source = _unless_it_fails(self._owners.source, credential)
        if source is None:
            return self._inner.send(request, **options)
        handed.learn(credential, request.headers)
        sending = gettoken.Exchange(self._inner, request, options)
        limit = call_limit(options.get("timeout"))
        self._distrust_unused(source, limit, sending)
        response, token = gettoken.answer(source, request, sending, limit)
        if not sending.made:
            handed.count("saved")
        if token is not None:
            handed.hand_out(token.value, credential, self._owners.shared)
        return response

    def _distrust_unused(
        self, source: InlineSource, limit: float | None, sending: gettoken.Exchange
    ) -> None:
        token = source.peek()
        entry = None if token is None else handed.find(token.value)
        if entry is None or entry.used or handed.clock() - entry.asked < UNUSED:
            return
        entry.asked = handed.clock()
        with suppress(WeComError):
            source.refresh(limit, via=sending)

    def _send_call(
        self, request: requests.PreparedRequest, options: dict[str, Any]
    ) -> requests.Response:
        url = request.url or ""
        _, brought = query.take(url, NAME)
        own = brought[-1] if brought else ""
        if not own:
            return self._inner.send(request, **options)
        owner = _unless_it_fails(self._owners.of_handed, own, url)
        if owner is not None and is_dead(own, *owner) and not is_authorised(request):
            return Call(self._inner, request, options, own, *owner).send()
        answer = self._inner.send(request, **options)
        if owner is None and not _unless_it_fails(self._owners.concerns, url):
            return answer
        stream = bool(options.get("stream"))
        if rejection(answer, REJECTED, stream=stream) is None or is_authorised(request):
            return answer
        owner = owner or _unless_it_fails(self._owners.of_unknown, own, url)
        return Call(self._inner, request, options, own, *owner).heal(answer) if owner else answer

    def close(self) -> None:
        """Close the inner adapter."""
        self._inner.close()

    def __getattr__(self, name: str) -> Any:
        if name == "_inner":  # while it is being copied or unpickled
            raise AttributeError(name)
        return getattr(self._inner, name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._inner!r})"


def _unless_it_fails(look: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """What this finds; None where it fails: nothing of ours may break a call of theirs."""
    try:
        return look(*args, **kwargs)
    except Exception as error:
        log.warning("a call is left alone: %s", type(error).__name__)
        return None
