"""The findings of a check: the one cause, and what was noted on the way."""

from dataclasses import dataclass, field
from typing import Any

from ..._advice import CAUSES, advise

_FEW = 3
"""Apps named in a line; a secret of more rights may see them all."""


class Finding(Exception):
    """The end of a check: its cause, by an id of the table, with the facts that its line names.

    Args:
        cause: the id.
        errcode: the platform's number, if it answered.
        errmsg: the platform's words, without token and secret.
        exit: the exit code, where it is not that of the table.
        facts: what the sentence names.
    """

    def __init__(
        self,
        cause: str,
        *,
        errcode: int | None = None,
        errmsg: str = "",
        exit: int | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(cause)
        self.cause, self.errcode, self.errmsg, self.facts = cause, errcode, errmsg, facts
        self.exit = CAUSES[cause].exit if exit is None else exit

    def sentence(self, lang: str) -> str:
        """Return the first line, in one of the two languages."""
        facts = self.facts
        if "advice" in facts:
            facts = {**facts, "advice": facts["advice"][lang]}
        return advise(self.cause, facts, lang)


@dataclass
class Step:
    """One question: its name, the errcode of the answer, and the milliseconds that it took.

    Attributes:
        trouble: the cause, where there was no answer of the platform.
    """

    step: str
    errcode: int | None = None
    ms: int = 0
    trouble: str = ""


@dataclass
class Run:
    """Everything that one check learns, also where it stops early.

    Attributes:
        corpid: the company's ID, as far as it may be shown.
        agents: the apps that `agent/list` names.
        clock_off: seconds by which this machine's clock is ahead of the platform's.
        notes: sentences below the first line, each by its id with its facts.
    """

    corpid: str | None = None
    agents: list[dict[str, Any]] | None = None
    agent: dict[str, Any] | None = None
    clock_off: int | None = None
    ip: str | None = None
    steps: list[Step] = field(default_factory=list)
    notes: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def note(self, cause: str, **facts: object) -> None:
        """Add a sentence below the first line."""
        self.notes.append((cause, facts))

    @property
    def own(self) -> str:
        """The app of this secret, in words; empty where nobody knows."""
        apps = [self.agent] if self.agent else self.agents or []
        names = [f"{app['agentid']} ({app['name']})" for app in apps]
        return ", ".join([*names[:_FEW], *(["..."] if len(names) > _FEW else [])])
