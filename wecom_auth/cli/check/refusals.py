"""From the platform's no to the one thing to change."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from ..._advice import CALLS
from ..._credential.environment import Setting
from ..._http.redaction import redact
from ...errors import advice_of, facts_of
from .asking import Answer
from .finding import Finding, Run
from .settings import Settings

_QUOTES = "\"'“”‘’「」"
_CORPID = re.compile(r"w[wxp][A-Za-z0-9_-]{16}")
_PLACEHOLDER = re.compile(r"\$\{?\w+\}?|<.*>|%\w+%|\{\{.*\}\}|(?i:your[_-].*|x{3,}|changeme)")
_TOKEN = 100
"""Characters; a token has about 200, a secret 43."""

_BUSY = {-1, 6000, 45033}
_SIMPLE = {45009: "rate", 50003: "disabled", 48006: "withdrawn"}


def of_credential(run: Run, settings: Settings, answer: Answer) -> Finding:
    """Return why gettoken was refused: by the shape of the values where that tells."""
    code = answer.errcode
    if code in (40001, 40091, 41004, 40013):
        for cause, facts in _odd(settings, of_corpid=code == 40013):
            return _finding(run, cause, answer, **facts)
    if code in (40001, 40091):
        run.note("permanent_code")
        return _finding(run, "secret", answer)
    if code == 40013:
        mini = re.fullmatch("wx[A-Za-z0-9]{16}", settings.corpid.value)
        return _finding(run, "corpid_of_mp" if mini else "corpid", answer, corpid=run.corpid)
    if code in (41002, 41004):
        return _finding(run, "query_lost", answer, host=settings.host)
    return of_call(run, settings, "gettoken", answer)


def of_call(run: Run, settings: Settings, path: str, answer: Answer) -> Finding:
    """Return why a call with the new token was refused."""
    code = answer.errcode
    if code == 60020:
        return _of_ip(run, settings, answer)
    if code in _BUSY:
        return _finding(run, "busy", answer)
    if code in (40014, 42001):
        return _finding(run, "stale_proxy", answer, host=settings.host)
    if code == 41001:
        return _finding(run, "token_lost", answer, host=settings.host)
    if code == 48002:
        return _finding(run, "no_right", answer, path=path)
    if cause := _SIMPLE.get(code):
        return _finding(run, cause, answer)
    below = {lang: advice_of("see_below", lang=lang) for lang in ("en", "zh")}
    advice = {lang: advice_of(code, answer.errmsg, lang=lang) for lang in below}
    return _finding(run, "other", answer, path=path, advice=advice if code in CALLS else below)


def of_agent(run: Run, settings: Settings, answer: Answer) -> Finding:
    """Return why agent/get was refused, with what agent/list has told."""
    agent, code = settings.agent, answer.errcode
    if code in (301002, 48002) and run.agents == []:
        return _finding(run, "agent_contacts", answer, agent=agent)
    if code == 301002:
        cause = "agent" if run.own else "agent_unknown"
        return _finding(run, cause, answer, agent=agent, own=run.own)
    if code == 40056:
        return _finding(run, "agent_none", answer, agent=agent)
    return of_call(run, settings, "agent/get", answer)


def _of_ip(run: Run, settings: Settings, answer: Answer) -> Finding:
    ip = str(facts_of(answer.errmsg).get("ip", ""))
    run.ip = ip or None
    facts = {"ip": ip} if ip else {}
    if settings.corpid.value.startswith("wp"):  # a company as a provider's app sees it
        return _finding(run, "ip_provider", answer, **facts)
    if ":" in ip:
        return _finding(run, "ip_v6", answer, **facts)
    if settings.by_base_url:
        return _finding(run, "ip_of_proxy", answer, host=settings.host, **facts)
    return _finding(run, "ip", answer, **facts)


def _finding(run: Run, cause: str, answer: Answer, **facts: Any) -> Finding:
    facts = {"code": answer.errcode, **facts}
    return Finding(cause, errcode=answer.errcode, errmsg=answer.errmsg, **facts)


def _odd(settings: Settings, *, of_corpid: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what is odd about the two values, the likeliest cause of a refusal first.

    Args:
        settings: with the two.
        of_corpid: whether the platform refuses the corpid; then the secret's own oddities are
            not the reason.
    """
    corpid, secret = settings.corpid, settings.secret
    both = [corpid] if of_corpid else [secret, corpid]
    for look in (_quoted, _invisible, _placeholder):
        for setting in both:
            if found := look(setting):
                yield found
    if _CORPID.fullmatch(secret.value) and not _CORPID.fullmatch(corpid.value):
        yield "swapped", {"name": corpid.variable, "other": secret.variable}
    if len(secret.value) > _TOKEN and not of_corpid:
        yield "token_as_secret", {"name": secret.variable, "n": len(secret.value)}
    if secret.value.isdecimal() and not of_corpid:
        yield "agentid_as_secret", {"name": secret.variable}


Oddity = tuple[str, dict[str, Any]] | None


def _quoted(setting: Setting) -> Oddity:
    quoted = setting.value[0] in _QUOTES or setting.value[-1] in _QUOTES
    return ("quotes", {"name": setting.variable}) if quoted else None


def _invisible(setting: Setting) -> Oddity:
    for position, char in enumerate(setting.value, 1):
        hidden = unicodedata.category(char) in ("Cf", "Cc", "Zs", "Zl", "Zp", "Co", "Cn")
        if hidden or unicodedata.east_asian_width(char) in ("F", "W"):
            return "invisible", {"name": setting.variable, "n": position}
    return None


def _placeholder(setting: Setting) -> Oddity:
    if not _PLACEHOLDER.fullmatch(setting.value):
        return None
    return "placeholder", {"name": setting.variable, "value": redact(setting.value)}
