"""The hook for requests and niquests: before the one place where sessions find their adapters."""

from collections.abc import Callable, Mapping
from functools import partial
from io import BytesIO
from typing import Any
from urllib.parse import quote

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse, Timeout

from .._clients.requests.adapter import WeComAdapter
from .._clients.requests.answer import verdict
from .._clients.requests.auth import is_authorised
from .._clients.requests.call import is_replayable, rewind
from .._clients.requests.hide import at_url, hide_token
from .._clients.requests.peek import peek
from .._clients.requests.send import by_name, call_limit, prepare_with, send_clean, sender_of
from .._credential import exchange
from .._credential.exchange import Answer, Send
from .._http import query
from .._source import transport
from .call import Call, Point
from .flow import make
from .owner import NAME, GetOwners, Owners


class RequestsCall(Call):
    """One call over an adapter.

    Args:
        adapter: sends it.
        request: as its caller made it.
        options: to send it with.
        builder: an adapter of the library, which sends nothing.
    """

    errors = (requests.RequestException, OSError)

    def __init__(
        self,
        adapter: BaseAdapter,
        request: requests.PreparedRequest,
        options: dict[str, Any],
        builder: HTTPAdapter,
    ) -> None:
        self._adapter, self._request, self._options = adapter, request, options
        self._builder = builder
        self.url, self.headers = request.url or "", request.headers  # type: ignore[assignment]
        self.limit = call_limit(options.get("timeout"))
        self.replayable = is_replayable(request)

    def send(self, url: str, again: bool) -> requests.Response | None:
        """Send it to this URL; see `Call.send`."""
        if again and not rewind(self._request):
            return None
        if url == self.url:
            return self._adapter.send(self._request, **self._options)
        outgoing = at_url(self._request, url)
        return send_clean(self._adapter, self._request, self._options, outgoing)

    def errcode(self, answer: requests.Response, codes: frozenset[int]) -> int | None:
        """Return the errcode if it is one of these."""
        return verdict(answer, codes, stream=bool(self._options.get("stream")))

    def exchange(self, seconds: float | None) -> requests.Response:
        """Send it as it is."""
        options, sender = {**self._options, "stream": True}, self._adapter
        if seconds is not None:
            options["timeout"], sender = Timeout(total=seconds), sender_of(self._adapter)
        return sender.send(self._request, **options)

    def look(self, answer: requests.Response) -> Answer:
        """Return the `Answer` in it."""
        return Answer(answer.status_code, answer.headers, _body(answer))

    def close(self, answer: requests.Response) -> None:
        """Close it."""
        answer.close()

    def way(self, learned: Mapping[str, str]) -> Send:
        """Return a `Send` by the same adapter, proxies and certificates."""
        names = ("verify", "cert", "proxies")
        known = {name: self._options[name] for name in names if name in self._options}
        prepare = partial(prepare_with, learned, self._request)
        return transport.by_adapter(sender_of(self._adapter), known, prepare)

    def make(self, headers: Mapping[str, str], body: bytes) -> requests.Response:
        """Return an answer made here."""
        raw = HTTPResponse(BytesIO(body), dict(headers), 200, reason="OK", preload_content=False)
        return self._builder.build_response(self._request, raw)

    def dress(self, answer: requests.Response, sent: str) -> requests.Response:
        """Show the caller's own request and token in the answer, in a redirect too."""
        own = query.find(self.url, NAME)[-1]
        location = answer.headers.get("Location")
        hide_token(answer, self._request, NAME)
        if location is not None:
            for ours in (quote(sent, safe=""), sent):
                location = location.replace(ours, quote(own, safe=""))
            answer.headers["Location"] = location
        return answer


class DropInAdapter(BaseAdapter):
    """Stands for one session's adapter, for one call; everything else of it shows through."""

    def __init__(self, inner: BaseAdapter, owners: Owners, builder: HTTPAdapter) -> None:
        self._inner, self._owners, self._builder = inner, owners, builder

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
        if exchange.is_exchange.get() or _is_cared_for(self._inner, request):
            return self._inner.send(request, **options)
        call = RequestsCall(self._inner, request, options, self._builder)
        response: requests.Response = make(call, self._owners)
        response.connection = self  # type: ignore[assignment]
        return response

    def close(self) -> None:
        """Close the inner adapter."""
        self._inner.close()

    def __getattr__(self, name: str) -> Any:
        if name == "_inner":  # while it is being copied or unpickled
            raise AttributeError(name)
        return getattr(self._inner, name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._inner!r})"


def _is_cared_for(inner: BaseAdapter, request: requests.PreparedRequest) -> bool:
    """Return whether this call is authorised by another way of this package."""
    if is_authorised(request):
        return True
    if not isinstance(inner, WeComAdapter):
        return False
    return inner.route.match(request.url or "", request) is not None


def _body(response: requests.Response) -> bytes:
    """Return what can be seen of a body that stays readable."""
    if isinstance(response.raw, HTTPResponse):
        return peek(response) or b""
    return response.content or b""


def points(module: Any, owners: GetOwners) -> list[Point]:
    """Return what to patch."""
    builder = module.adapters.HTTPAdapter()

    def wrap(original: Callable[..., BaseAdapter]) -> Callable[..., BaseAdapter]:
        def get_adapter(self: requests.Session, url: str) -> BaseAdapter:
            adapter = original(self, url)
            if "/cgi-bin/" not in url or isinstance(adapter, DropInAdapter):
                return adapter
            now = owners()
            return adapter if now is None else DropInAdapter(adapter, now, builder)

        return get_adapter

    return [(module.Session, "get_adapter", wrap)]
