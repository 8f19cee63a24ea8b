"""Print what `wecom-auth check` found: one line to act on, then what was tried; or JSON."""

import json
import os
import sys
from typing import Any

from ..._advice import CAUSES, advise
from ...errors import help_url
from ..console import say
from .finding import Finding, Run, Step

_LOCALE = ("LC_ALL", "LC_MESSAGES", "LANG")


def language(wanted: str | None) -> str:
    """Return `"zh"` or `"en"`: as wanted, else by WECOM_LANG, else by the locale.

    English also on a console whose encoding has no Chinese.
    """
    spoken = [wanted, os.environ.get("WECOM_LANG"), *map(os.environ.get, _LOCALE)]
    first = next((each for each in spoken if each), "")
    return "zh" if first.lower().startswith("zh") and _shows_chinese() else "en"


def _shows_chinese() -> bool:
    try:
        CAUSES["ok"].zh.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def as_text(run: Run, finding: Finding, lang: str) -> None:
    """Print the finding, then the platform's words, the notes, and each step."""
    say(finding.sentence(lang))
    for line in _below(run, finding, lang):
        say(f"  {line}")


def _below(run: Run, finding: Finding, lang: str) -> list[str]:
    lines = [finding.errmsg] if finding.errmsg else []
    if finding.errcode:
        lines.append(help_url(finding.errcode))
    lines += [advise(cause, facts, lang) for cause, facts in run.notes]
    if any(app.get("name") for app in run.agents or []) and not run.agent:
        lines.append(f"agent/list: {run.own}")
    return lines + [_line(step) for step in run.steps]


def _line(step: Step) -> str:
    outcome = step.trouble or ("ok" if not step.errcode else f"errcode {step.errcode}")
    if step.trouble and step.errcode:
        outcome = f"errcode {step.errcode} ({step.trouble})"
    return f"{step.step:<18} {outcome:<20} {step.ms:>6} ms"


def as_json(run: Run, finding: Finding) -> None:
    """Print one object for machines; `cause` is an id that does not change."""
    answer: dict[str, Any] = {
        "ok": finding.exit == 0,
        "cause": finding.cause,
        "errcode": finding.errcode,
        "exit": finding.exit,
        "corpid": run.corpid,
        "agent": _agent(run),
        "ip": run.ip,
        "advice": {lang: finding.sentence(lang) for lang in ("en", "zh")},
        "errmsg": finding.errmsg,
        "clock_off": run.clock_off,
        "steps": [{"step": s.step, "errcode": s.errcode, "ms": s.ms} for s in run.steps],
    }
    say(json.dumps(answer, indent=2))


def _agent(run: Run) -> dict[str, Any] | None:
    if run.agent:
        return run.agent
    return run.agents[0] if run.agents and len(run.agents) == 1 else None
