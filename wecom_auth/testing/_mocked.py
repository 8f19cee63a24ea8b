"""The fake platform inside the process: who is entered, and the fronts that ask them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import ExitStack
from threading import Event, RLock
from typing import Any, Generic, Protocol, TypeVar, cast
from urllib.parse import urlsplit

from .._source import process
from ._apart import apart
from ._fronts import LIBRARIES, front_for
from ._fronts.front import Answering, Front
from ._fronts.late import LateImports
from ._platform.wire import Reply, Request
from ._server import HttpServer

HOST = "https://qyapi.weixin.qq.com"


class Back(Protocol):
    """A platform: all that a front needs of it."""

    def handle(self, request: Request) -> Reply:
        """Answer one request."""
        ...

    def wake(self) -> None:
        """Let who waits inside look again."""
        ...


_B = TypeVar("_B", bound=Back)
_F = TypeVar("_F", bound=Callable[..., Any])


class InProcess(Generic[_B]):
    """A platform that is entered and left; see `FakeWeCom.mocked`."""

    def __init__(self, fake: _B, base_url: str = HOST) -> None:
        front_for("requests", lambda url: None)  # names the extra that is missing
        self._fake = fake
        self._base_url = base_url
        self._base = _place(base_url)
        self._closing = Event()
        self._entered: list[ExitStack] = []
        self._server: HttpServer | None = None

    def __enter__(self) -> _B:
        self._closing.clear()
        with ExitStack() as stack:
            stack.enter_context(apart())
            _entered.add(self)
            stack.callback(self._leave)
            process.reset()
            self._entered.append(stack.pop_all())
        return self._fake

    def __exit__(self, *error: object) -> None:
        self._closing.set()
        self._fake.wake()
        with self._entered.pop():
            process.reset()

    def __call__(self, function: _F) -> _F:
        kind, fake, base_url = type(self), self._fake, self._base_url

        @functools.wraps(function)
        def test(*args: Any, **kwargs: Any) -> Any:
            with kind(fake, base_url):
                return function(*args, **kwargs)

        @functools.wraps(function)
        async def async_test(*args: Any, **kwargs: Any) -> Any:
            with kind(fake, base_url):
                return await function(*args, **kwargs)

        chosen = async_test if inspect.iscoroutinefunction(function) else test
        return cast(_F, chosen)

    def owns(self, url: str) -> bool:
        """Return True for a URL on this platform."""
        origin, path = _place(url)
        mine, prefix = self._base
        return origin == mine and path.startswith(prefix)

    def ask(
        self, method: str, target: str, headers: dict[str, str], body: bytes, patience: float | None
    ) -> Reply:
        """Answer one request of a front."""
        left = self._closing.is_set
        return self._fake.handle(Request(method, target, headers, body, patience, left))

    def address(self) -> tuple[str, int]:
        """Return host and port of a loopback server, which is started when first asked for."""
        with _entered.lock:
            if self._server is None:
                self._server = HttpServer(self._fake.handle, self._fake.wake)
            url = urlsplit(self._server.start())
        return str(url.hostname), int(url.port or 0)

    def _leave(self) -> None:
        _entered.remove(self)
        if self._server is not None and not self._entered:
            self._server.stop()


class _Entered:
    """Those who are entered, the newest last, and the fronts while there is anyone."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.platforms: list[InProcess[Any]] = []
        self._fronts: dict[str, Front] = {}
        self._late = LateImports(self._start)

    def add(self, platform: InProcess[Any]) -> None:
        with self.lock:
            if not self.platforms:
                self._late.start()
            self.platforms.append(platform)
            for library in LIBRARIES:
                self._start(library)

    def remove(self, platform: InProcess[Any]) -> None:
        with self.lock:
            self.platforms.remove(platform)
            if not self.platforms:
                self._late.stop()
                while self._fronts:
                    self._fronts.popitem()[1].stop()

    def find(self, url: str) -> Answering | None:
        return next((one for one in reversed(self.platforms) if one.owns(url)), None)

    def _start(self, library: str) -> None:
        front = self._fronts.get(library) or front_for(library, self.find)
        if front is not None:
            self._fronts[library] = front
            front.start()


_entered = _Entered()


def _place(url: str) -> tuple[tuple[str, str | None, int | None], str]:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return (parts.scheme, parts.hostname, port), parts.path.rstrip("/") + "/"
