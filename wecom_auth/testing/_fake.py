"""`FakeWeCom`: one state of the platform, and the fronts that carry calls to it."""

from __future__ import annotations

from collections.abc import Callable

from ._assertions import Assertions
from ._mocked import HOST, InProcess
from ._platform import flow
from ._platform.journal import Journal
from ._platform.state import State
from ._platform.tokens import Mode, Tokens
from ._platform.wire import Reply, Request
from ._providers import Providers
from ._server import Front, HttpServer
from ._steering import Steering


class FakeWeCom(Assertions, Providers, Steering):
    """A WeCom platform in memory: it issues tokens, ends them, and remembers its calls.

    Any corpid and secret is an app until `app()` declares some; then only those are.
    The clock stands still until `advance()` moves it. Safe to use from any number of threads.

    Args:
        token_life: seconds that a token of any kind lives, and what `expires_in` says.
        mode: `"repeat"`, an exchange gives the same token until it ends and says the whole life
            each time (what the platform has been seen to do); `"rotate"`, each exchange ends the
            last token; `"countdown"`, the same token again, with the seconds that are left.
        clock: a clock in seconds for a platform on which time passes by itself, for example
            `time.monotonic`.
        remember: how many entries the journal keeps; None for all.
        expires_in: what answers say in place of `token_life`, for a platform that says 7200 of
            tokens that live a few seconds.

    Raises:
        ValueError: a life that is not positive, or an unknown mode.

    Example:
        >>> fake = FakeWeCom()
        >>> with fake.serve() as url:
        ...     token = requests.get(f"{url}/cgi-bin/gettoken?corpid=c&corpsecret=s").json()
        >>> fake.gettoken_calls
        1
    """

    def __init__(
        self,
        *,
        token_life: float = 7200,
        mode: Mode = "repeat",
        clock: Callable[[], float] = lambda: 0.0,
        remember: int | None = None,
        expires_in: int | None = None,
    ) -> None:
        tokens = Tokens(token_life, mode, clock, expires_in)
        self._state = State(tokens, Journal(remember))
        self.mode, self.token_life = mode, token_life  # which look at them

    def serve(self, host: str = "127.0.0.1", port: int = 0) -> Server:
        """A real HTTP server over this state: `with fake.serve() as url:`.

        Args:
            host: the address to listen on.
            port: 0 for any free one.

        Example:
            >>> with FakeWeCom().serve() as url:
            ...     requests.get(f"{url}/cgi-bin/get_api_domain_ip").json()["errcode"]
            41001
        """
        return Server(self, host, port)

    def mocked(self, base_url: str = HOST) -> Mocked:
        """Answer HTTP clients in this process: `with fake.mocked():` or `@fake.mocked()`.

        It answers requests, httpx, httpx2, aiohttp and urllib, of these the ones that the
        program has imported by then. Needs `pip install "wecom-auth[testing]"`. Your own rules
        (`responses`, respx, pytest_httpx, aioresponses) win where both could answer. Bodies are
        read into memory before anybody sends them: what happens to bodies is tested with
        `serve()`. The environment's credential and store (`WECOM_…`) are set aside.

        Args:
            base_url: where the platform is thought to be.

        Raises:
            ImportError: `responses` is missing; the text names the extra.
        """
        return Mocked(self, base_url)

    def handle(self, request: Request) -> Reply:
        """Answer one request: what every front calls.

        Raises:
            DroppedError: the connection is to be broken.
            TimedOutError: the request's patience is at an end.
        """
        return flow.handle(self._state, request)

    def wake(self) -> None:
        """A front is closing: let who waits inside look again whether its caller has left."""
        with self._state.changed:
            self._state.changed.notify_all()


class Server(HttpServer):
    """One HTTP server; `with fake.serve() as url:` or `start()` and `stop()`.

    After `stop()` no thread and no socket is left. Started again, it listens on the same port.

    Attributes:
        fake: the platform that answers.
    """

    def __init__(self, fake: FakeWeCom, host: str, port: int, front: Front | None = None) -> None:
        super().__init__(front or fake.handle, fake.wake, host, port)
        self.fake = fake


class Mocked(InProcess[FakeWeCom]):
    """The platform in this process: a context manager, and a decorator for sync and async tests.

    On the way in and out `wecom_auth.testing.reset()` drops every cached token and failure and
    waits for running refreshes, while the platform still answers: none reaches a real host.
    """
