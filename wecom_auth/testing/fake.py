"""`FakeWeCom`: one state machine of the platform's token life, whatever front it is called by."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from . import media
from .faults import Fault, When
from .holds import Hold
from .journal import Journal
from .multipart import Part
from .platform import Platform, Route
from .tokens import (
    EXPIRED_TOKEN,
    INVALID_TOKEN,
    Mode,
    TokenDesk,
)
from .wire import (
    Answer,
    Reply,
    Request,
    api_path,
)
from .witness import Witness

if TYPE_CHECKING:
    from .mocked import Mocked
    from .server import Server

HOST = "https://qyapi.weixin.qq.com"


class FakeWeCom(Witness):
    """A WeCom platform in memory: it issues tokens, ends them, and remembers what it was asked.

    Any corpid and secret is an app until `app()` declares some; then only those are.
    The clock stands still until `advance()` moves it. Safe to use from any number of threads.

    Args:
        token_life: seconds that a token lives, and what `expires_in` says.
        mode: `"repeat"`, gettoken hands out the same token until it ends (what the platform has
            been seen to do), or `"rotate"`, each gettoken kills the last one.
        clock: a clock in seconds for a platform on which time passes by itself, for example
            `time.monotonic`.
        remember: how many entries the journal keeps; None for all.

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
    ) -> None:
        self._journal = Journal(remember)
        self._desk = TokenDesk(token_life, mode, clock)
        self._platform = Platform(self._desk, self._journal)
        self._changed = self._platform.changed
        self.mode, self.token_life = mode, token_life  # which look at them

    # --- apps, tokens, time ---

    def app(self, corpid: str, corpsecret: str) -> None:
        """Declares an app; from now on a wrong secret is 40001 and an unknown corpid 40013."""
        with self._changed:
            self._desk.declare((corpid, corpsecret))

    @property
    def mode(self) -> Mode:
        """`"repeat"` or `"rotate"`; may be changed at any time."""
        return self._desk.mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        if mode not in ("repeat", "rotate"):
            raise ValueError(f"mode must be 'repeat' or 'rotate', not {mode!r}")
        with self._changed:
            self._desk.mode = mode

    @property
    def token_life(self) -> float:
        """Seconds that a token lives which is issued from now on."""
        return self._desk.life

    @token_life.setter
    def token_life(self, seconds: float) -> None:
        if not seconds > 0:
            raise ValueError(f"token_life is in seconds and must be positive, not {seconds!r}")
        with self._changed:
            self._desk.life = seconds

    def advance(self, seconds: float) -> None:
        """Moves the platform's clock; tokens whose time has come answer 42001."""
        with self._changed:
            self._desk.advance(seconds)

    def expire(self, corpid: str | None = None, corpsecret: str | None = None) -> int:
        """Ends live tokens as if their time were over: 42001 from now on.

        Args:
            corpid: only this corp's; None for every corp's.
            corpsecret: only this app's.

        Returns:
            How many tokens ended.
        """
        with self._changed:
            return self._desk.end(EXPIRED_TOKEN, corpid, corpsecret)

    def revoke(self, corpid: str | None = None, corpsecret: str | None = None) -> int:
        """Ends live tokens before their time: 40014 from now on. Arguments as in `expire`."""
        with self._changed:
            return self._desk.end(INVALID_TOKEN, corpid, corpsecret)

    def token(self, corpid: str, corpsecret: str) -> str | None:
        """The app's live token, None if there is none."""
        with self._changed:
            return self._desk.live((corpid, corpsecret))

    def issue(self, corpid: str, corpsecret: str) -> str:
        """Hands out a token as gettoken does, without a call in the journal."""
        with self._changed:
            return self._desk.issue((corpid, corpsecret))

    # --- trouble ---

    def fail(
        self,
        fault: str | int,
        *,
        times: int | None = None,
        path: str | None = None,
        seconds: float = 0,
        when: When = "before",
    ) -> Fault:
        """Puts a fault in force: for good, for the next calls, or for a `with` block.

        | fault | what the caller meets |
        |---|---|
        | `"busy"` | errcode -1 |
        | `"rate-limited"` | errcode 45009 |
        | `"ip-not-trusted"` | errcode 60020 (calls with a token only, unless `path` names others) |
        | `"reject"` | errcode 40014 though the token is right (likewise) |
        | any int | that errcode |
        | `"outage"` | HTTP 502 with an HTML page |
        | `"garbage"` | HTTP 200 that is not JSON |
        | `"drop"` | the connection breaks without an answer |
        | `"slow"` | the answer takes `seconds` |
        | `"hang"` | no answer until the fault is stopped, and then a broken connection |
        | `"no-error-code-header"` | JSON answers without `Error-Code` and `Error-Msg` |

        Args:
            fault: its name, or an errcode.
            times: how many calls it hits; None for until told otherwise.
            path: only calls to this path, for example `gettoken` or `message/send`, written as
                for `route`.
            seconds: how slow `"slow"` is.
            when: `"slow"`, `"hang"` and `"drop"` come `"before"` the platform has done anything,
                or `"after"` it has: the message is delivered, the answer is late or lost.

        Raises:
            ValueError: there is no such fault, or an argument makes no sense.
        """
        where = None if path is None else api_path(path)
        return self._platform.faults.add(fault, times, where, seconds, when)

    def heal(self) -> None:
        """Ends every fault."""
        with self._changed:
            self._platform.faults.heal()

    def hold(self, path: str | None = "gettoken", *, when: When = "before") -> Hold:
        """Holds requests inside the platform until released, for races without a sleep.

        Args:
            path: only requests for this path, written as for `route`; None for all.
            when: `"before"` their token is looked at, or `"after"`, with the answer decided.
        """
        hold = Hold(self._changed, None if path is None else api_path(path), when)
        with self._changed:
            holds = [other for other in self._platform.holds if not other.released]
            self._platform.holds = [*holds, hold]
        return hold

    def let_go(self) -> None:
        """Ends every fault and every hold: whoever waits inside is answered."""
        self.heal()
        for hold in self._platform.holds:
            hold.release()

    def start_over(self) -> None:
        """As new for the next test: no apps, live tokens, faults, holds, routes, journal.

        Mode, life and clock stay.
        """
        self.let_go()
        with self._changed:
            self._desk.forget()
            self._platform.routes.clear()
            self._journal.clear()

    # --- answers of the user's own ---

    def route(
        self,
        path: str,
        answer: Answer | Callable[[Request], Answer],
        *,
        check_token: bool = True,
    ) -> None:
        """Gives a path an answer of your own.

        Args:
            path: `user/convert_to_openid`, `/cgi-bin/…` also; one outside of `/cgi-bin/` starts
                with a slash.
            answer: a dict (sent as JSON, exactly), `(status, headers, body)`, or a function of
                the `Request` that returns either. `Content-Encoding: gzip` compresses the body,
                `Transfer-Encoding: chunked` sends it so.
            check_token: refuse a call whose token is missing or dead, as the platform does.

        Example:
            >>> fake.route("externalcontact/list", {"errcode": 0, "external_userid": ["wm1"]})
        """
        with self._changed:
            self._platform.routes[api_path(path)] = Route(answer, check_token)

    def add_media(
        self, content: bytes, name: str = "file.bin", content_type: str = "application/octet-stream"
    ) -> str:
        """A file that `media/get` hands out; returns its media_id."""
        part = Part("media", name, content_type, content)
        return media.keep(self._platform.books, "file", part, self._platform.next_serial()).media_id

    # --- fronts ---

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
        from .server import Server

        return Server(self, host, port)

    def mocked(self, base_url: str = HOST) -> Mocked:
        """Answers `requests` in this process: `with fake.mocked():` or `@fake.mocked()`.

        Needs `pip install "wecom-auth[testing]"`. Your own `responses` rules go on working
        inside and around it, and win where both could answer. It reads files and streams into
        memory before anybody sends them: what happens to bodies is tested with `serve()`.

        Args:
            base_url: where the platform is thought to be.

        Raises:
            ImportError: `responses` is missing; the text names the extra.
        """
        from .mocked import Mocked

        return Mocked(self, base_url)

    def handle(self, request: Request) -> Reply:
        """Answers one request: what every front calls.

        Raises:
            DroppedError: the connection is to be broken.
            TimedOutError: the request's patience is at an end.
        """
        return self._platform.handle(request)

    def wake(self) -> None:
        """A front is closing: whoever waits inside looks again whether its caller has left."""
        with self._changed:
            self._changed.notify_all()
