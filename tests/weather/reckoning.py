"""What the callers were told, beside what the platform accepted."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

UNFINISHED = "unfinished"
REJECTED = ("errcode-40014", "errcode-42001")
BEFORE = 1.0
"""Seconds before a call in which its token may have died: nobody had noticed yet."""


class Told(NamedTuple):
    """One call, as its caller saw it: for which app, from when to when, and the outcome."""

    app: int
    began: float
    ended: float
    word: str


@dataclass
class Reckoning:
    """Every call, accounted for.

    Attributes:
        told: how many callers were told what.
        lost: told that it was delivered, and it was not; or refused, for want of a live token.
        twice: refused, not delivered, and told so: two tokens of its app died under it, and a
            call is made again once.
        doubled: delivered more than once.
        unknown: delivered, and nobody sent it.
        delivered: messages that the platform accepted.
        maybe: told of a broken connection, or killed before they were told, and delivered.
    """

    told: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    delivered: int = 0
    maybe: int = 0

    @property
    def calls(self) -> int:
        """All that were begun."""
        return self.told.total()

    @property
    def failed(self) -> int:
        """Told of a broken connection."""
        return sum(n for word, n in self.told.items() if word.startswith("failed-"))


def reckon(
    calls: Mapping[str, Told],
    delivered: Mapping[str, int],
    deaths: Sequence[tuple[float, int]] = (),
) -> Reckoning:
    """Lay the two beside each other.

    Args:
        calls: for each message what its caller was told.
        delivered: how often the platform accepted each.
        deaths: when a token of which app ended.
    """
    result = Reckoning(Counter(call.word for call in calls.values()))
    for text, call in calls.items():
        times = delivered.get(text, 0)
        line = f"{text}: {call.word}, {times} times"
        if times > 1:
            result.doubled.append(line)
        if call.word.startswith("failed-") or call.word == UNFINISHED:
            result.maybe += times > 0
        elif call.word in REJECTED and not times and _met_two(call, deaths):
            result.twice.append(line)
        elif call.word != "ok" or not times:
            result.lost.append(line)
    result.unknown = [text for text in delivered if text not in calls]
    result.delivered = len(delivered)
    return result


def _met_two(call: Told, deaths: Sequence[tuple[float, int]]) -> bool:
    ends = (when for when, app in deaths if app == call.app)
    return sum(call.began - BEFORE <= when <= call.ended for when in ends) >= 2


def read_logs(logs: Iterable[Path]) -> dict[str, Told]:
    """For each message what its caller was told, `unfinished` if its process was killed first."""
    calls: dict[str, Told] = {}
    for log in logs:
        for line in log.read_text().splitlines():
            kind, text, when, *word = line.split(" ")
            if kind == "b":
                app = int(text.rpartition("app")[2])
                calls[text] = Told(app, float(when), float("inf"), UNFINISHED)
            else:
                calls[text] = calls[text]._replace(ended=float(when), word=word[0])
    return calls
