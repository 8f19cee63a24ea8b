"""The questions of `wecom-auth check`, in their order."""

import time
from typing import Any

from ..._credential.exchange import TOKEN_LIFE, Grant, seconds_of
from ..._credential.token import issue
from ..._http.trouble import proxy_of
from ...errors import CREDENTIAL, RATE_LIMITED, CredentialError, TokenUnavailable
from .asking import Answer, Asker
from .finding import Finding, Run, Step
from .refusals import of_agent, of_call, of_credential
from .settings import Settings

_CLOCK = 60
_ENDS_SOON = 600


def ask_everything(run: Run, settings: Settings, limit: float) -> Finding:
    """Ask step by step, and return the finding of success.

    Raises:
        Finding: the platform said no, or did not answer.
    """
    asker = Asker(run, settings, limit)
    token = _gettoken(run, settings, asker)
    _token_is_accepted(run, settings, asker, token)
    _list_apps(run, settings, asker, token)
    if settings.agent is not None:
        _look_at_app(run, settings, asker, token)
    _add_notes(run, settings)
    if settings.agent is None:
        return Finding("ok_partly", corpid=run.corpid)
    return Finding("ok", corpid=run.corpid, own=run.own)


def _gettoken(run: Run, settings: Settings, asker: Asker) -> str:
    """Fetch one token, and leave it in the store, if one is set."""
    now, wall = time.monotonic(), time.time()
    seen = settings.shared.read(now, wall, settings.fingerprint)
    if known := seen.failure:
        when = str(known).rpartition(" | ")[2]  # met before, and asked again in so many seconds
        run.steps.append(Step("gettoken", known.errcode, trouble=when))
        remembered = Answer(known.errcode or 0, known.errmsg, {})
        raise of_credential(run, settings, remembered)
    answer = asker.ask("gettoken", corpid=settings.corpid.value, corpsecret=settings.secret.value)
    token = answer.fields.get("access_token")
    if answer.errcode or not isinstance(token, str):
        _remember(settings, answer, now, wall)
        raise of_credential(run, settings, answer)
    asker.hidden.append(token)
    life = seconds_of(answer.fields.get("expires_in"), TOKEN_LIFE)
    settings.shared.put(seen, issue(Grant(token, life), now, wall), now, wall, ())
    if life < _ENDS_SOON:
        run.note("token_ends", n=round(life))
    return token


def _remember(settings: Settings, answer: Answer, now: float, wall: float) -> None:
    """Tell the neighbours: a hundred hosts with a wrong secret would block the IP."""
    if answer.errcode in CREDENTIAL | {RATE_LIMITED}:
        kind = TokenUnavailable if answer.errcode == RATE_LIMITED else CredentialError
        failure = kind("", errcode=answer.errcode, errmsg=answer.errmsg)
        settings.shared.leave_failure(failure, now, wall, settings.fingerprint)


def _token_is_accepted(run: Run, settings: Settings, asker: Asker, token: str) -> None:
    answer = asker.ask("get_api_domain_ip", access_token=token)
    if answer.errcode:
        raise of_call(run, settings, "get_api_domain_ip", answer)


def _list_apps(run: Run, settings: Settings, asker: Asker, token: str) -> None:
    """Learn which app the secret belongs to; a contacts or customer secret has none."""
    try:
        answer = asker.ask("agent/list", access_token=token)
    except Finding:
        return  # a proxy may let only some paths pass
    if answer.errcode in (60020, RATE_LIMITED):
        raise of_call(run, settings, "agent/list", answer)
    if answer.errcode in (0, 48002):
        run.agents = _apps(answer.fields.get("agentlist"))


def _apps(listed: Any) -> list[dict[str, Any]]:
    items = listed if isinstance(listed, list) else []
    return [_app(each) for each in items if isinstance(each, dict)]


def _app(fields: Any) -> dict[str, Any]:
    return {"agentid": fields.get("agentid"), "name": str(fields.get("name", ""))}


def _look_at_app(run: Run, settings: Settings, asker: Asker, token: str) -> None:
    answer = asker.ask("agent/get", access_token=token, agentid=str(settings.agent))
    if answer.errcode:
        raise of_agent(run, settings, answer)
    run.agent = _app({"agentid": int(str(settings.agent)), **answer.fields})
    if answer.fields.get("close") == 1:
        raise Finding("closed", errcode=0, own=run.own)
    if not any(_visible(answer.fields)):
        raise Finding("scope_empty", errcode=0, own=run.own)


def _visible(fields: Any) -> list[Any]:
    """Return the three lists of the visible range; one that is not there is not known to be empty.

    Source: WeCom developer documentation, "agent/get".
    """
    lists = (("allow_userinfos", "user"), ("allow_partys", "partyid"), ("allow_tags", "tagid"))
    if not any(outer in fields for outer, _ in lists):
        return [True]
    outers = [(fields.get(outer), inner) for outer, inner in lists]
    return [each.get(inner) for each, inner in outers if isinstance(each, dict)]


def _add_notes(run: Run, settings: Settings) -> None:
    if run.clock_off is not None and abs(run.clock_off) > _CLOCK:
        run.note("clock_ahead" if run.clock_off > 0 else "clock_behind", n=abs(run.clock_off))
    if proxy := proxy_of(settings.base_url):
        run.note("by_proxy", name=proxy[0])
