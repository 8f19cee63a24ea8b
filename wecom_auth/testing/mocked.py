"""The fake platform inside the process, through `responses`.

Every `responses` mock that is active answers for the platform while `fake.mocked()` is entered,
the user's own included: their rules are asked first, wherever the two are nested. That is why
the registries' `find` is wrapped, and not one rule added to one mock.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from http.client import RemoteDisconnected
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ProtocolError
from urllib3.util import Timeout

from .._source.process import reset
from .wire import DroppedError, Request, TimedOutError

try:
    import responses
    from responses import registries
except ImportError:
    raise ImportError(
        'fake.mocked() needs the package `responses`: pip install "wecom-auth[testing]". '
        "fake.serve() works without it."
    ) from None

if TYPE_CHECKING:
    from .fake import FakeWeCom

_F = TypeVar("_F", bound=Callable[..., Any])


class Mocked:
    """The platform in this process: a context manager, and a decorator for sync and async tests.

    On the way in and out `wecom_auth.testing.reset()` drops every cached token and failure and
    waits for running refreshes, while the platform still answers: none reaches a real host.
    """

    def __init__(self, fake: FakeWeCom, base_url: str) -> None:
        self._fake = fake
        self._base_url = base_url
        self._base = _place(base_url)
        self._closing = Event()
        self.rule = responses.CallbackResponse("GET", base_url, self._answer, content_type=None)

    def __enter__(self) -> FakeWeCom:
        self._closing.clear()
        _patches.enter(self)
        reset()
        return self._fake

    def __exit__(self, *error: object) -> None:
        self._closing.set()
        self._fake.wake()
        try:
            reset()
        finally:
            _patches.leave(self)

    def __call__(self, function: _F) -> _F:
        fake, base_url = self._fake, self._base_url

        @functools.wraps(function)
        def test(*args: Any, **kwargs: Any) -> Any:
            with Mocked(fake, base_url):
                return function(*args, **kwargs)

        @functools.wraps(function)
        async def async_test(*args: Any, **kwargs: Any) -> Any:
            with Mocked(fake, base_url):
                return await function(*args, **kwargs)

        chosen = async_test if inspect.iscoroutinefunction(function) else test
        return cast(_F, chosen)

    def owns(self, url: str) -> bool:
        """Whether the URL is on this platform."""
        origin, path = _place(url)
        mine, prefix = self._base
        return origin == mine and path.startswith(prefix)

    def _answer(self, prepared: requests.PreparedRequest) -> tuple[int, dict[str, str], bytes]:
        self.rule.calls.reset()
        _patches.forget_calls()
        request = self._request(prepared)
        try:
            reply = self._fake.handle(request)
        except DroppedError:
            gone = RemoteDisconnected("Remote end closed connection without response")
            broken = ProtocolError("Connection aborted.", gone)
            raise requests.ConnectionError(broken, request=prepared) from None
        except TimedOutError:
            text = f"Read timed out. (read timeout={request.patience})"
            raise requests.ReadTimeout(text, request=prepared) from None
        headers = requests.structures.CaseInsensitiveDict(reply.headers)
        if headers.pop("Transfer-Encoding", None) is None:
            headers.setdefault("Content-Length", str(len(reply.body)))
        return reply.status, dict(headers), reply.body

    def _request(self, prepared: requests.PreparedRequest) -> Request:
        options: dict[str, Any] = getattr(prepared, "req_kwargs", {})
        return Request(
            prepared.method or "GET",
            prepared.path_url,
            {name: _text(value) for name, value in prepared.headers.items()},
            _bytes(prepared.body),
            patience=_patience(options.get("timeout")),
            left=self._closing.is_set,
        )


class _Patches:
    """What is patched while any platform is entered: once, and gone with the last of them."""

    def __init__(self) -> None:
        self.entered: list[Mocked] = []
        self._lock = Lock()
        self._finds: dict[type[registries.FirstMatchRegistry], Callable[..., Any]] = {}
        self._mock: responses.RequestsMock | None = None

    def enter(self, mocked: Mocked) -> None:
        with self._lock:
            if not self.entered:
                self._wrap_finds()
            self.entered.append(mocked)
            if HTTPAdapter.send.__module__ != responses.__name__:
                self._mock = _catch_all()
                self._mock.start()

    def leave(self, mocked: Mocked) -> None:
        with self._lock:
            self.entered.remove(mocked)
            if not self.entered:
                self._undo()

    def forget_calls(self) -> None:
        """The fake has a journal; a second one here would keep every answer for good."""
        if self._mock is not None:
            self._mock.calls.reset()

    def _wrap_finds(self) -> None:
        for registry in (registries.FirstMatchRegistry, registries.OrderedRegistry):
            self._finds[registry] = registry.find
            registry.find = self._asking_fakes(registry.find)  # type: ignore[method-assign]

    def _undo(self) -> None:
        if self._mock is not None:
            self._mock.stop()
            self._mock = None
        for registry, find in self._finds.items():
            registry.find = find  # type: ignore[method-assign]
        self._finds.clear()

    def _asking_fakes(self, find: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(find)
        def finding(registry: registries.FirstMatchRegistry, request: Any) -> Any:
            url = str(request.url)
            fake = next((m for m in reversed(self.entered) if m.owns(url)), None)
            if fake is None or any(rule.matches(request)[0] for rule in registry.registered):
                return find(registry, request)
            return fake.rule, []

        return finding


_patches = _Patches()


def _catch_all() -> responses.RequestsMock:
    """A mock that has no rules: what is not the platform's goes where it went before."""
    mock = responses.RequestsMock(
        assert_all_requests_are_fired=False, real_adapter_send=cast(Any, HTTPAdapter.send)
    )
    mock.add_passthru("http")
    return mock


def _place(url: str) -> tuple[tuple[str, str | None, int | None], str]:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return (parts.scheme, parts.hostname, port), parts.path.rstrip("/") + "/"


def _patience(timeout: Any) -> float | None:
    """The read timeout out of what `requests` takes: a number, a pair, urllib3's, or None."""
    read = timeout[1] if isinstance(timeout, tuple) else timeout
    if isinstance(read, Timeout):
        begun = read.clone()
        begun.start_connect()  # until then one with a `total` does not tell
        read = begun.read_timeout
    return read if isinstance(read, int | float) else None


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _bytes(body: Any) -> bytes:
    """The body as it would go over the wire; an iterator is used up by it, as in reality."""
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    return bytes(body) if isinstance(body, bytes | bytearray) else b"".join(body)
