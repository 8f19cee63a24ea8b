"""A token: its value and, privately, its deadlines; in this process and as text in a store."""

import json
import random
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from .._http.query import escape
from .._http.redaction import shorten
from . import checks
from .exchange import TOKEN_LIFE, Grant

EARLIEST, LATEST = 0.70, 0.80
"""The part of a life after which a token is refreshed, at the earliest and at the latest."""

LAST_MOMENT = 1.0
"""Seconds before its end for which a repeated token is not used."""

_DOUBT = 5.0
"""Seconds that an exchange may take to reach the platform: its end of a life comes later."""


@dataclass(frozen=True, slots=True, repr=False)
class Token:
    """A valid token. str and repr do not show its value whole.

    Its age is that on the monotonic or the wall clock, whichever makes it older: one stands still
    while the machine sleeps, the other can be set back. Every question about it takes the time on
    both, `now` and `wall`, in seconds.

    Attributes:
        value: the token itself.
        escaped: the value as it stands in a URL's query; made once, not for every call.
    """

    value: str
    _born: float
    _born_wall: float
    _soft: float
    _hard: float
    _life: float
    escaped: str

    def is_fresh(self, now: float, wall: float) -> bool:
        """Return whether it has not reached its soft deadline, from which on it is refreshed."""
        return now - self._born < self._soft and wall - self._born_wall < self._soft

    def is_over(self, now: float, wall: float) -> bool:
        """Return whether it has reached its hard deadline, from which on it is not used."""
        return self.age(now, wall) >= self._hard

    def remaining(self, now: float, wall: float) -> float:
        """Return the seconds until its hard deadline; 0 when that has passed."""
        return max(0.0, self._hard - self.age(now, wall))

    def until_end(self, now: float, wall: float) -> float:
        """Return the seconds until the end of its life; 0 when that has passed."""
        return max(0.0, self._life - self.age(now, wall))

    def has_just_ended(self, now: float, wall: float) -> bool:
        """Return whether its end is so near that the platform may not have come to it yet."""
        return 0 <= self.age(now, wall) - self._life < min(_DOUBT, self._life * 0.01)

    def age(self, now: float, wall: float) -> float:
        """Return the seconds since it was first seen."""
        return max(now - self._born, wall - self._born_wall)

    @property
    def leeway(self) -> float:
        """The seconds between the two deadlines, in which it is refreshed while it still serves."""
        return self._hard - self._soft

    @property
    def repeats(self) -> bool:
        """True if the platform repeats it until its end: no refresh brings another before."""
        return self.leeway <= 0

    def adds_to(self, known: "Token") -> bool:
        """Return whether it is another one, or says of the same that the platform repeats it."""
        return self.value != known.value or (self.repeats and not known.repeats)

    def __repr__(self) -> str:
        return f"<Token {shorten(self.value)}>"


def issue(grant: Grant, now: float, wall: float, age: float = 0.0) -> Token:
    """Make a token that is `age` seconds old now.

    Soft, from which on a new one is fetched while this one still serves, lies at about three
    quarters of its life: drawn for each token, so that a fleet does not refresh in step. Hard
    lies a little before the end: a minute, or less where the life is short.
    """
    soft = grant.life * random.uniform(EARLIEST, LATEST)  # noqa: S311
    born = (now - age, wall - age)
    return Token(grant.value, *born, soft, _hard(grant.life), grant.life, escape(grant.value))


def _hard(life: float) -> float:
    return life - min(60.0, life * 0.05)


def carried(value: str) -> Token:
    """Return a token that a call has carried, of which only the value is known."""
    return Token(value, 0.0, 0.0, 0.0, 0.0, 0.0, escape(value))


def repeated(token: Token) -> Token:
    """Return the token as it serves where the platform repeats it until its end.

    There is no other to change to: it serves until almost then, and is not refreshed before. Its
    end stays where the first sight of it has put it.
    """
    end = max(token._hard, token._life - min(LAST_MOMENT, token._life * 0.05))
    return replace(token, _soft=end, _hard=end)


class Sight(NamedTuple):
    """The end of the last value seen, by its hash: no second copy of the value is kept."""

    value: int
    born: float
    born_wall: float
    life: float

    @classmethod
    def of(cls, token: Token) -> "Sight":
        """Return the sight of this token."""
        return cls(hash(token.value), token._born, token._born_wall, token._life)

    def is_over(self, now: float, wall: float) -> bool:
        """Return whether the value has reached the end of its life."""
        return max(now - self.born, wall - self.born_wall) >= self.life

    def first(self, token: Token) -> Token | None:
        """Return the token with the life of its first sight; None where it is not this value."""
        if hash(token.value) != self.value:
            return None
        known = replace(token, _born=self.born, _born_wall=self.born_wall, _life=self.life)
        return replace(known, _soft=self.life * EARLIEST, _hard=_hard(self.life))


def to_record(token: Token, now: float, wall: float, field: str = "access_token") -> str:
    """Return the token as a store keeps it: JSON that a service in any language can read.

    Processes that read it refresh it from the same `refresh_at` on: whoever comes later finds the
    newer one there. That is its end where the platform repeats it until then.

    Args:
        token: the token, or a ticket.
        now, wall: the time on both clocks, in seconds.
        field: names it in the record.
    """
    born = wall - token.age(now, wall)
    return json.dumps(
        {
            field: token.value,
            "obtained_at": round(born, 3),
            "expires_at": round(born + token._life, 3),
            "refresh_at": round(born + (token._life if token.repeats else token._soft), 3),
        }
    )


def from_record(text: str, now: float, wall: float, field: str = "access_token") -> Token | None:
    """Return the token in a store's text, or None where it is none or has passed its end.

    The writer's clock may be off against this one: a token from the future counts as new.
    """
    try:
        record: dict[str, Any] = json.loads(text)
        value, born = checks.token(record[field]), float(record["obtained_at"])
        life = min(float(record["expires_at"]) - born, TOKEN_LIFE)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    age = max(0.0, wall - born)
    if not value or not age < life:
        return None
    token = _refreshed_at(issue(Grant(value, life), now, wall, age), record.get("refresh_at"), born)
    return None if token.until_end(now, wall) <= min(LAST_MOMENT, life * 0.05) else token


def _refreshed_at(token: Token, when: object, born: float) -> Token:
    """Return the token with the soft deadline of its record, if that states one."""
    if not isinstance(when, int | float) or not born < when <= born + TOKEN_LIFE:
        return token
    soft = when - born
    return replace(token, _soft=soft) if soft < token._hard else repeated(token)
