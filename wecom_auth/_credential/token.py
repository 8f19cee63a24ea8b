"""A token: its value and, privately, its deadlines; in this process and as text in a store."""

import json
import random
from dataclasses import dataclass
from typing import Any

from .._http.query import escape
from .._http.redaction import shorten
from . import checks
from .exchange import TOKEN_LIFE, Grant


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
    escaped: str

    def is_fresh(self, now: float, wall: float) -> bool:
        """Whether it has not reached its soft deadline, from which on it is to be renewed."""
        return now - self._born < self._soft and wall - self._born_wall < self._soft

    def is_over(self, now: float, wall: float) -> bool:
        """Whether it has reached its hard deadline, from which on it is not handed out."""
        return self.age(now, wall) >= self._hard

    def remaining(self, now: float, wall: float) -> float:
        """Seconds until its hard deadline; 0 when that has passed."""
        return max(0.0, self._hard - self.age(now, wall))

    def age(self, now: float, wall: float) -> float:
        """Seconds since it was issued."""
        return max(now - self._born, wall - self._born_wall)

    @property
    def leeway(self) -> float:
        """Seconds between the two deadlines, in which it is renewed while it still serves."""
        return self._hard - self._soft

    def __repr__(self) -> str:
        return f"<Token {shorten(self.value)}>"


def issue(grant: Grant, now: float, wall: float, age: float = 0.0) -> Token:
    """A token that is `age` seconds old now.

    Soft, from which on a new one is fetched while this one still serves, lies at about three
    quarters of its life: drawn for each token, so that a fleet does not refresh in step. Hard
    lies a little before the end: a minute, or less where the life is short.
    """
    soft = grant.life * random.uniform(0.70, 0.80)  # noqa: S311
    hard = grant.life - min(60.0, grant.life * 0.05)
    return Token(grant.value, now - age, wall - age, soft, hard, escape(grant.value))


def to_record(grant: Grant, wall: float) -> str:
    """The token as a store keeps it: JSON that a service in any language can read."""
    return json.dumps(
        {
            "access_token": grant.value,
            "obtained_at": round(wall, 3),
            "expires_at": round(wall + grant.life, 3),
        }
    )


def from_record(text: str, now: float, wall: float) -> Token | None:
    """The token in a store's text, or None where it is none or has passed its end.

    The writer's clock may be off against ours: a token from the future counts as new.
    """
    try:
        record: dict[str, Any] = json.loads(text)
        value, born = checks.token(record["access_token"]), float(record["obtained_at"])
        life = min(float(record["expires_at"]) - born, TOKEN_LIFE)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    age = max(0.0, wall - born)
    if not value or not age < life:
        return None
    token = issue(Grant(value, life), now, wall, age)
    return None if token.is_over(now, wall) else token
