"""One answer, read by our code and judged by the model; and the count of many."""

from collections import Counter
from dataclasses import dataclass, field

import requests

from wecom_auth._clients.requests.answer import verdict as judge

from .answers import CODES, Answer, Generator
from .model import Verdict, verdict

Read = bytes | str
"""What a reader got: the body, or the name of the exception."""


@dataclass
class Report:
    """What became of many answers."""

    kinds: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    crashes: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Answers read."""
        return self.kinds.total()

    @property
    def share(self) -> float:
        """The share of true rejections."""
        return self.verdicts[Verdict.REJECTED] / max(1, self.total)

    @property
    def good(self) -> bool:
        """No crash, no wrong verdict, no body touched that was not its own."""
        return not (self.crashes or self.wrong or self.changed)

    def lines(self) -> list[str]:
        """For people."""
        return [
            f"answers            {self.total:>9,}",
            f"true rejections    {self.verdicts[Verdict.REJECTED]:>9,} ({self.share:.0%})",
            f"no rejections      {self.verdicts[Verdict.FINE]:>9,}",
            f"left open          {self.verdicts[Verdict.OPEN]:>9,} (the facts do not say)",
            f"crashes            {len(self.crashes):>9,}",
            f"wrong verdicts     {len(self.wrong):>9,}",
            f"bodies not whole   {len(self.changed):>9,}",
            *[f"  crash: {each}" for each in self.crashes[:5]],
            *[f"  wrong: {each}" for each in self.wrong[:5]],
            *[f"  not whole: {each}" for each in self.changed[:5]],
        ]


def run(seed: int, answers: int) -> Report:
    """So many answers, read and judged."""
    make, report = Generator(seed), Report()
    for _ in range(answers):
        check(make(), report)
    return report


def check(answer: Answer, report: Report) -> None:
    """Read one answer, and note what was wrong with that."""
    report.kinds[answer.kind] += 1
    expected = read(answer)
    if isinstance(expected, str) and not answer.stream:
        return  # requests itself refuses this answer before anybody sees it
    said = expected if isinstance(expected, bytes) else None
    told = verdict(answer.status, answer.lower, said, CODES, answer.stream)
    report.verdicts[told] += 1
    response = answer.response()
    try:
        found = judge(response, CODES, stream=answer.stream)
    except Exception as error:
        report.crashes.append(f"{error!r} for {answer!r:.300}")
        return
    if told is not Verdict.OPEN and (found is not None) is not (told is Verdict.REJECTED):
        report.wrong.append(f"{found} where it is {told.value}: {answer!r:.300}")
    if (got := _body(response)) != expected:
        report.changed.append(f"{got!r:.60} in place of {expected!r:.60}: {answer!r:.200}")


def read(answer: Answer) -> Read:
    """What a caller gets who reads this answer without us."""
    try:
        return _body(answer.response())
    except requests.RequestException as error:
        return type(error).__name__


def _body(response: requests.Response) -> Read:
    try:
        return b"".join(response.iter_content(1000))
    except requests.RequestException as error:
        return type(error).__name__
