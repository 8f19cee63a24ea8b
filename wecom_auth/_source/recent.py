"""Join a later error to what the process has just seen: name the cause, not the symptom."""

from typing import NamedTuple

from .. import _clock
from .._credential.credential import Credential
from .._http.redaction import visible_corpid
from ..errors import WeComError
from . import process

REFUSAL_LIFE = 600.0
"""Seconds for which a refused exchange explains a call without a token."""


class Refusal(NamedTuple):
    """The last exchange that was refused at one base URL."""

    corpid: str
    failure: WeComError
    at: float

    @property
    def facts(self) -> dict[str, object]:
        """The facts for the sentence about a call without a token."""
        ago = round(_clock.monotonic() - self.at)
        said = {"advice": self.failure.advice, "advice_zh": self.failure.advice_zh}
        return {"corpid": self.corpid, "n": ago, **said}


def refused(credential: Credential, failure: WeComError) -> None:
    """Remember that the platform refused this credential's exchange."""
    corpid = visible_corpid(str(getattr(credential, "corpid", credential.kind.name)))
    with process.lock:
        process.held.refusals[credential.base_url] = Refusal(corpid, failure, _clock.monotonic())


def refusal(url: str) -> Refusal | None:
    """Return the refusal that a call to this URL without a token may follow, or None."""
    with process.lock:
        found = [last for base, last in process.held.refusals.items() if url.startswith(base)]
    late = _clock.monotonic() - REFUSAL_LIFE
    return next((last for last in found if last.at > late), None)


def fetched(credential: Credential, value: str) -> None:
    """Remember for whom this token was fetched; by its hash only."""
    with process.lock:
        process.held.owners[hash(value)] = repr(credential)


def owner(value: str) -> str | None:
    """Return the repr of the credential that this token was fetched for, or None."""
    with process.lock:
        found: str | None = process.held.owners.get(hash(value))
    return found


def cause_of(errcode: int, url: str, token: str, agentid: object) -> tuple[str, dict[str, object]]:
    """Return the id of the cause that is known beyond the errcode, and its facts.

    Args:
        errcode: of the answer.
        url: of the call.
        token: that the call shows in its URL; empty where there is none to be seen.
        agentid: that the call sent, or None.
    """
    last = refusal(url) if errcode == 41001 else None
    if last is not None:
        return "no_token", last.facts
    whose = owner(token) if errcode == 40014 and token else None
    if whose is not None:
        return "token_of_other", {"own": whose}
    if errcode == 301002 and agentid is not None:
        return "agent_unknown", {"agent": str(agentid)}
    return "", {}
