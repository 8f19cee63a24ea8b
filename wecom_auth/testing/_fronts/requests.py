"""requests, through `responses`: every mock of it that is active answers for the platform.

The user's own rules are asked first, wherever the two are nested. That is why the registries'
`find` is replaced, and not one rule added to one mock.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from http.client import RemoteDisconnected
from typing import Any, cast

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ProtocolError
from urllib3.util import Timeout

from .._platform.wire import DroppedError, TimedOutError
from .front import Answering, Find, Front, bytes_of, headers_of, seconds_of

try:
    import responses
    from responses import registries
except ImportError:
    raise ImportError(
        'fake.mocked() needs the package `responses`: pip install "wecom-auth[testing]". '
        "fake.serve() works without it."
    ) from None


def make(library: Any, find: Find) -> Front:
    """Return the front for requests."""
    return _Requests(find)


class _Requests(Front):
    def __init__(self, find: Find) -> None:
        super().__init__()
        self._find = find
        self._mock: responses.RequestsMock | None = None
        self._wrapped = False

    def start(self) -> None:
        """Ask the platform wherever a mock is active; make one active where there is none."""
        if not self._wrapped:
            self._wrapped = True
            for registry in (registries.FirstMatchRegistry, registries.OrderedRegistry):
                self.replace(registry, "find", self._finding)
        if HTTPAdapter.send.__module__ != responses.__name__:
            self._mock = _catch_all()
            self._mock.start()

    def stop(self) -> None:
        if self._mock is not None:
            self._mock.stop()
        self._mock, self._wrapped = None, False
        super().stop()

    def _finding(self, there: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(there)
        def find(registry: registries.FirstMatchRegistry, request: Any) -> Any:
            platform = self._find(str(request.url))
            if platform is None or any(rule.matches(request)[0] for rule in registry.registered):
                return there(registry, request)
            return self._rule(platform), []

        return find

    def _rule(self, platform: Answering) -> responses.CallbackResponse:
        """Make a rule for one call: the fake has a journal, and nothing else keeps its calls."""
        if self._mock is not None:
            self._mock.calls.reset()
        answer = functools.partial(_answer, platform)
        return responses.CallbackResponse("GET", "", answer, content_type=None)


def _answer(
    platform: Answering, prepared: requests.PreparedRequest
) -> tuple[int, dict[str, str], bytes]:
    headers = {name: _text(value) for name, value in prepared.headers.items()}
    patience = _patience(getattr(prepared, "req_kwargs", {}).get("timeout"))
    method, body = prepared.method or "GET", bytes_of(prepared.body)
    try:
        reply = platform.ask(method, prepared.path_url, headers, body, patience)
    except DroppedError as dropped:
        raise requests.ConnectionError(_broken(dropped), request=prepared) from None
    except TimedOutError:
        text = f"Read timed out. (read timeout={patience})"
        raise requests.ReadTimeout(text, request=prepared) from None
    return reply.status, headers_of(reply), reply.body


def _broken(dropped: DroppedError) -> ProtocolError:
    gone = RemoteDisconnected("Remote end closed connection without response")
    reset = ConnectionResetError(104, "Connection reset by peer")
    return ProtocolError("Connection aborted.", reset if dropped.reset else gone)


def _catch_all() -> responses.RequestsMock:
    """Make a mock that has no rules: what is not the platform's goes where it went before."""
    mock = responses.RequestsMock(
        assert_all_requests_are_fired=False, real_adapter_send=cast(Any, HTTPAdapter.send)
    )
    mock.add_passthru("http")
    return mock


def _patience(timeout: Any) -> float | None:
    """Return the read timeout out of a number, a pair, urllib3's object or None."""
    read = timeout[1] if isinstance(timeout, tuple) else timeout
    if isinstance(read, Timeout):
        begun = read.clone()
        begun.start_connect()  # until then one with a `total` does not tell
        read = begun.read_timeout
    return seconds_of(read)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
