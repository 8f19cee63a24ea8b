"""`wecom-auth check`: ask the platform, and name the one thing to change.

`settings` looks at the environment (step 0), `steps` asks the platform, `refusals` names the cause
of what it answered, `report` prints.
"""

from ..._credential.environment import SettingError
from ..exits import MISCONFIGURED
from . import report
from .finding import Finding, Run
from .settings import read_settings
from .steps import ask_everything

LIMIT = 10.0
"""Seconds that one step may take."""


def check_command(
    agent: str | None = None,
    lang: str | None = None,
    as_json: bool = False,
    *,
    limit: float = LIMIT,
) -> int:
    """Check the credential in the environment, and print what is to be changed.

    Args:
        agent: the AgentId to check with it.
        lang: `"zh"` or `"en"`; by default that of WECOM_LANG, else of the locale.
        as_json: print one JSON object.
        limit: seconds that one step may take.

    Returns:
        The exit code: 0 the platform said yes to every step asked; 1 it said no; 2 nothing was
        asked, because a setting is missing or unreadable; 3 no answer, or "later".

    Example:
        >>> check_command(agent="1000002")  # doctest: +SKIP
        ok: ww0123456789abcdef, app 1000002 (Alerts): the token works from this machine
        0
    """
    run = Run()
    try:
        settings = read_settings(run, agent)
        finding = ask_everything(run, settings, limit)
    except Finding as stopped:
        finding = stopped
    except SettingError as error:
        finding = Finding(error.cause, exit=MISCONFIGURED, **error.facts)
    if as_json:
        report.as_json(run, finding)
    else:
        report.as_text(run, finding, report.language(lang))
    return finding.exit
