"""The tokens that the platform has issued, of every kind, on a clock that the test moves."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from .._clock import moved
from .facts import Carried

Mode = Literal["repeat", "rotate", "countdown"]
MODES = ("repeat", "rotate", "countdown")
Fate = Literal["live", "expired", "revoked"]


@dataclass(frozen=True)
class Owner:
    """An owner of tokens: of each kind it has one at a time.

    Args:
        kind: one of `facts.KINDS`.
        id: the corpid or suite_id.
        part: the difference between two of one id, for an app its secret.
    """

    kind: str
    id: str
    part: str = ""


@dataclass
class Issued:
    """One token that was issued and what has become of it."""

    owner: Owner
    ends: float
    fate: Fate = "live"


class Tokens:
    """Issues tokens and knows what each one is worth now.

    Args:
        life: seconds that a token lives.
        mode: "repeat" (an exchange gives the same token until it ends, and always says the whole
            life), "countdown" (the same, but it says what is left) or "rotate" (each exchange
            ends the owner's last one).
        clock: the time in seconds; `advance` moves it on from there.
        says: the `expires_in` of every answer; None for the life.
    """

    def __init__(
        self, life: float, mode: Mode, clock: Callable[[], float], says: int | None = None
    ) -> None:
        self.life = life
        self.mode: Mode = mode
        self.says = says
        self._clock = clock
        self._ahead = 0.0
        self._issued: dict[str, Issued] = {}
        self._latest: dict[Owner, str] = {}

    def advance(self, seconds: float) -> None:
        """Move the clock."""
        self._ahead += seconds

    def now(self) -> float:
        """Return the platform's time in seconds."""
        return self._clock() + self._ahead + moved()

    def issue(self, owner: Owner) -> str:
        """Return the live token, or a new one in rotate mode or where none is live."""
        live = self.live(owner)
        if live and self.mode != "rotate":
            return live
        if live:
            self._issued[live].fate = "revoked"
        value = _value(owner, len(self._issued))
        self._issued[value] = Issued(owner, self.now() + self.life)
        self._latest[owner] = value
        return value

    def expires_in(self, value: str) -> int:
        """Return the seconds that an exchange says of this token."""
        if self.mode == "countdown":
            return int(self._issued[value].ends - self.now())
        return int(self.life) if self.says is None else self.says

    def live(self, owner: Owner) -> str | None:
        """Return the owner's live token, None if there is none."""
        value = self._latest.get(owner)
        return value if value and self._fate(self._issued[value]) == "live" else None

    def check(self, value: str | None, wanted: Carried) -> int:
        """Return the errcode for a call that carries this token, 0 if it is good."""
        if not value:
            return wanted.missing
        issued = self._issued.get(value)
        fate = "revoked" if issued is None else self._fate(issued)
        if issued is not None and issued.owner.kind not in wanted.kinds:
            return wanted.wrong_kind or wanted.invalid
        return {"live": 0, "expired": wanted.expired, "revoked": wanted.invalid}[fate]

    def owner(self, value: str | None) -> Owner | None:
        """Return the owner of a token, a dead one included."""
        issued = self._issued.get(value or "")
        return issued.owner if issued else None

    def end(self, fate: Fate, wanted: Callable[[Owner], bool] = lambda owner: True) -> int:
        """End the live tokens of the owners that match; return the number."""
        matching = list(self._live_of(wanted))
        for value in matching:
            self._issued[value].fate = fate
        return len(matching)

    def _live_of(self, wanted: Callable[[Owner], bool]) -> Iterator[str]:
        return (v for o, v in self._latest.items() if wanted(o) and self.live(o) == v)

    def _fate(self, issued: Issued) -> Fate:
        over = issued.fate == "live" and self.now() >= issued.ends
        return "expired" if over else issued.fate


def _value(owner: Owner, serial: int) -> str:
    """214 characters of [A-Za-z0-9_-], the length seen in the wild; the same in every run."""
    seed = "\0".join((owner.kind, owner.id, owner.part, str(serial))).encode()
    raw = b"".join(hashlib.sha256(seed + bytes([part])).digest() for part in range(6))
    return urlsafe_b64encode(raw).decode()[:214]
