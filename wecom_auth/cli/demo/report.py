"""What the demo prints: a table for people, or JSON for machines; plain ASCII either way."""

import json

from ..console import say
from .stage import Played

_LINE = "{:<38}  {:>5}  {:>8}  {:>8}  {}"
_LEGEND = (
    "calls: made by the program; requests: what arrived for them, those made again included;\n"
    "gettoken: tokens fetched."
)


def opening(url: str) -> None:
    """Before the first step."""
    say(f"A fake WeCom platform listens on {url}; nothing leaves this machine.\n")
    say(_LINE.format("what happened", "calls", "requests", "gettoken", "outcome"))
    say(_LINE.format("-" * 38, "-" * 5, "-" * 8, "-" * 8, "-" * 32))


def line(played: Played) -> None:
    """After each step."""
    outcome = f"ok   {played.outcome}" if played.ok else "FAIL"
    say(_LINE.format(played.title, played.calls, played.requests, played.gettoken, outcome))
    for problem in played.problems[:5]:
        say(f"    {problem}")
    if len(played.problems) > 5:
        say(f"    and {len(played.problems) - 5} more")


def closing(story: list[Played], seconds: float) -> None:
    """After the last step."""
    kept = sum(played.ok for played in story)
    say(f"\n{_LEGEND}\n")
    say(
        f"{kept} of {len(story)} steps went as promised: {sum(p.calls for p in story)} calls,"
        f" {sum(p.gettoken for p in story)} gettoken, {seconds:.1f} s."
    )


def as_json(story: list[Played], seconds: float) -> None:
    """All of it for a machine."""
    steps = [
        {
            "step": played.title,
            "ok": played.ok,
            "calls": played.calls,
            "requests": played.requests,
            "gettoken": played.gettoken,
            "outcome": played.outcome,
            "problems": played.problems,
        }
        for played in story
    ]
    ok = all(played.ok for played in story)
    say(json.dumps({"ok": ok, "seconds": round(seconds, 2), "steps": steps}, indent=2))
