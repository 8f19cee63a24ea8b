"""The platform's apps and the tokens it has issued to them, on a clock that the test moves."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

Mode = Literal["repeat", "rotate"]
App = tuple[str, str]

OK = 0
WRONG_SECRET, UNKNOWN_CORP, NO_CORPID, NO_SECRET = 40001, 40013, 41002, 41004
NO_TOKEN, INVALID_TOKEN, EXPIRED_TOKEN = 41001, 40014, 42001


@dataclass
class Issued:
    """One token that was handed out and what has become of it."""

    app: App
    ends: float
    fate: int = OK


class TokenDesk:
    """Issues tokens and knows what each one is worth now.

    Args:
        life: seconds that a token lives.
        mode: "repeat" (gettoken gives the same token until it ends) or "rotate" (each gettoken
            kills the app's last one).
        clock: what the time is, in seconds; `advance` moves it on from there.
    """

    def __init__(self, life: float, mode: Mode, clock: Callable[[], float]) -> None:
        self.life = life
        self.mode: Mode = mode
        self._clock = clock
        self._ahead = 0.0
        self._apps: set[App] | None = None
        self._issued: dict[str, Issued] = {}
        self._latest: dict[App, str] = {}

    def declare(self, app: App) -> None:
        """From now on only declared apps exist."""
        self._apps = {app} | (self._apps or set())

    def forget(self) -> None:
        """No app is declared, no token is live; a value that was issued is never issued again."""
        self._apps = None
        self.end(INVALID_TOKEN, None, None)

    def advance(self, seconds: float) -> None:
        """Moves the clock."""
        self._ahead += seconds

    def now(self) -> float:
        """The platform's time in seconds."""
        return self._clock() + self._ahead

    def refuse(self, app: App) -> int:
        """The errcode gettoken has for these credentials, 0 if they are an app's."""
        corpid, secret = app
        if not corpid or not secret:
            return NO_SECRET if corpid else NO_CORPID
        if self._apps is None or app in self._apps:
            return OK
        return WRONG_SECRET if any(corpid == known for known, _ in self._apps) else UNKNOWN_CORP

    def issue(self, app: App) -> str:
        """What gettoken hands out: the live token in repeat mode, else a new one."""
        live = self.live(app)
        if live and self.mode == "repeat":
            return live
        if live:
            self._issued[live].fate = INVALID_TOKEN
        value = _value(app, len(self._issued))
        self._issued[value] = Issued(app, self.now() + self.life)
        self._latest[app] = value
        return value

    def live(self, app: App) -> str | None:
        """The app's live token."""
        value = self._latest.get(app)
        return value if value and self.check(value) == OK else None

    def check(self, value: str | None) -> int:
        """The errcode for a call that carries this token, 0 if it is good."""
        if not value:
            return NO_TOKEN
        issued = self._issued.get(value)
        if issued is None:
            return INVALID_TOKEN
        return issued.fate or (EXPIRED_TOKEN if self.now() >= issued.ends else OK)

    def owner(self, value: str | None) -> str | None:
        """The corpid that a token was issued to, dead ones included."""
        issued = self._issued.get(value or "")
        return issued.app[0] if issued else None

    def end(self, fate: int, corpid: str | None, corpsecret: str | None) -> int:
        """Ends the live tokens of the apps that match; returns how many."""
        matching = list(self._matching(corpid, corpsecret))
        for value in matching:
            self._issued[value].fate = fate
        return len(matching)

    def _matching(self, corpid: str | None, corpsecret: str | None) -> Iterator[str]:
        for (corp, secret), value in self._latest.items():
            wanted = corpid in (None, corp) and corpsecret in (None, secret)
            if wanted and self.check(value) == OK:
                yield value


def _value(app: App, serial: int) -> str:
    """214 characters of [A-Za-z0-9_-], the length seen in the wild; the same in every run."""
    seed = "\0".join((*app, str(serial))).encode()
    raw = b"".join(hashlib.sha256(seed + bytes([part])).digest() for part in range(6))
    return urlsafe_b64encode(raw).decode()[:214]
