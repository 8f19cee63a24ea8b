"""The part of `FakeWeCom` that steers it: apps, tokens, time, trouble, answers of one's own."""

from __future__ import annotations

from collections.abc import Callable

from ._platform import media
from ._platform.facts import KINDS
from ._platform.faults import Fault, When
from ._platform.holds import Hold
from ._platform.multipart import Part
from ._platform.state import Route, State
from ._platform.tokens import MODES, Fate, Mode, Owner
from ._platform.wire import Answer, Request, api_path


class Steering:
    """Steers the platform; safe to use from any number of threads."""

    _state: State

    # --- apps, tokens, time ---

    def app(self, corpid: str, corpsecret: str) -> None:
        """Declare an app; from now on a wrong secret is 40001 and an unknown corpid 40013."""
        with self._state.changed:
            self._state.accounts.apps.setdefault(corpid, set()).add(corpsecret)

    @property
    def mode(self) -> Mode:
        """`"repeat"`, `"countdown"` or `"rotate"`; may be changed at any time."""
        return self._state.tokens.mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        if mode not in MODES:
            names = ", ".join(map(repr, MODES[:-1]))
            raise ValueError(f"mode must be {names} or {MODES[-1]!r}, not {mode!r}")
        with self._state.changed:
            self._state.tokens.mode = mode

    @property
    def token_life(self) -> float:
        """Seconds that a token of any kind lives which is issued from now on."""
        return self._state.tokens.life

    @token_life.setter
    def token_life(self, seconds: float) -> None:
        if not seconds > 0:
            raise ValueError(f"token_life is in seconds and must be positive, not {seconds!r}")
        with self._state.changed:
            self._state.tokens.life = seconds

    def advance(self, seconds: float) -> None:
        """Move the platform's clock; tokens whose time has come answer 42001."""
        with self._state.changed:
            self._state.tokens.advance(seconds)

    def expire(
        self, corpid: str | None = None, corpsecret: str | None = None, *, kind: str | None = None
    ) -> int:
        """End live tokens as if their time were over: 42001 (42009) from now on.

        Args:
            corpid: only this corp's, or this suite's by its suite_id; None for every one's.
            corpsecret: only this app's.
            kind: `"app"`, `"corp"`, `"suite"`, `"provider"`, `"downstream"`, `"jsapi_ticket"`,
                `"agent_ticket"`; `"suite_ticket"` for tickets that were pushed. None for every
                kind but the pushed tickets.

        Returns:
            The number of tokens that ended.

        Raises:
            ValueError: there is no such kind.
        """
        return self._end("expired", corpid, corpsecret, kind)

    def revoke(
        self, corpid: str | None = None, corpsecret: str | None = None, *, kind: str | None = None
    ) -> int:
        """End live tokens before their time: 40014 (40082) from now on; as `expire`."""
        return self._end("revoked", corpid, corpsecret, kind)

    def _end(self, fate: Fate, corpid: str | None, secret: str | None, kind: str | None) -> int:
        if kind is not None and kind not in KINDS:
            raise ValueError(f"no kind {kind!r} of token; there are {', '.join(KINDS)}")

        def wanted(owner: Owner) -> bool:
            asked = (kind, owner.kind), (corpid, owner.id), (secret, owner.part)
            return all(name in (None, there) for name, there in asked)

        with self._state.changed:
            tokens = self._state.tokens
            if kind == "suite_ticket":
                return self._state.accounts.end_tickets(corpid, tokens.now())
            return tokens.end(fate, wanted)

    def token(self, corpid: str, corpsecret: str) -> str | None:
        """Return the app's live token, None if there is none."""
        with self._state.changed:
            return self._state.tokens.live(Owner("app", corpid, corpsecret))

    def issue(self, corpid: str, corpsecret: str) -> str:
        """Return a token as gettoken does, without a call in the journal."""
        with self._state.changed:
            return self._state.tokens.issue(Owner("app", corpid, corpsecret))

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
        """Put a fault in force: for good, for the next calls, or for a `with` block.

        | fault | what the caller meets |
        |---|---|
        | `"busy"` | errcode -1 |
        | `"rate-limited"` | errcode 45009 |
        | `"ip-not-trusted"` | errcode 60020 (calls with a token only, unless `path` names others) |
        | `"reject"` | errcode 40014 (40082) though the token is right (likewise) |
        | any int | that errcode |
        | `"outage"` | HTTP 502 with an HTML page |
        | `"garbage"` | HTTP 200 that is not JSON |
        | `"drop"` | the connection ends without an answer |
        | `"reset"` | the connection is reset without an answer |
        | `"slow"` | the answer takes `seconds` |
        | `"hang"` | no answer until the fault is stopped, and then a broken connection |
        | `"no-error-code-header"` | JSON answers without `Error-Code` and `Error-Msg` |

        Args:
            fault: its name, or an errcode.
            times: how many calls it hits; None for until it is stopped.
            path: only calls to this path, for example `gettoken` or `message/send`, written as
                for `route`.
            seconds: how slow `"slow"` is.
            when: `"slow"`, `"hang"`, `"drop"` and `"reset"` come `"before"` the platform has
                done anything, or `"after"` it has: the message is delivered, the answer is late
                or lost.

        Raises:
            ValueError: there is no such fault, or an argument makes no sense.
        """
        where = None if path is None else api_path(path)
        return self._state.faults.add(fault, times, where, seconds, when)

    def heal(self) -> None:
        """End every fault."""
        with self._state.changed:
            self._state.faults.heal()

    def hold(self, path: str | None = "gettoken", *, when: When = "before") -> Hold:
        """Hold requests inside the platform until released, for races without a sleep.

        Args:
            path: only requests for this path, written as for `route`; None for all.
            when: `"before"` their token is looked at, or `"after"`, with the answer decided.
        """
        hold = Hold(self._state.changed, None if path is None else api_path(path), when)
        with self._state.changed:
            holds = [other for other in self._state.holds if not other.released]
            self._state.holds = [*holds, hold]
        return hold

    def let_go(self) -> None:
        """End every fault and every hold: whoever waits inside is answered."""
        self.heal()
        for hold in self._state.holds:
            hold.release()

    def start_over(self) -> None:
        """Make it as new for the next test: no apps, live tokens, faults, holds, routes, journal.

        Mode, life and clock stay.
        """
        self.let_go()
        with self._state.changed:
            self._state.accounts.clear()
            self._state.tokens.end("revoked")
            self._state.routes.clear()
            self._state.journal.clear()

    # --- answers of the user's own ---

    def route(
        self,
        path: str,
        answer: Answer | Callable[[Request], Answer],
        *,
        check_token: bool = True,
    ) -> None:
        """Give a path an answer of your own.

        Args:
            path: `user/convert_to_openid`, `/cgi-bin/…` also; one outside of `/cgi-bin/` starts
                with a slash. A star stands for the rest of what the fake does not know:
                `externalcontact/*`, or `*` for all.
            answer: a dict (sent as JSON, exactly), `(status, headers, body)`, or a function of
                the `Request` that returns either. `Content-Encoding: gzip` compresses the body,
                `Transfer-Encoding: chunked` sends it so.
            check_token: refuse a call whose token is missing or dead, as the platform does.

        Example:
            >>> fake.route("externalcontact/list", {"errcode": 0, "external_userid": ["wm1"]})
        """
        with self._state.changed:
            self._state.routes[api_path(path)] = Route(answer, check_token)

    def add_media(
        self, content: bytes, name: str = "file.bin", content_type: str = "application/octet-stream"
    ) -> str:
        """Keep a file for `media/get` and return its media_id."""
        part = Part("media", name, content_type, content)
        return media.keep(self._state, "file", part, self._state.next_serial()).media_id
