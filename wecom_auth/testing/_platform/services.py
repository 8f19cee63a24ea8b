"""The exchanges: each answers with a token of its kind or an errcode, never both.

Source: WeCom developer documentation, the page of each call; answers of suites and tenants hold
an errcode on failure only.
"""

from __future__ import annotations

from typing import Any

from .facts import ACCESS, SUITE, TICKETS
from .replies import error, ok
from .state import Handler, State
from .tokens import Owner
from .wire import Reply, Request, json_reply


def _field(request: Request, name: str) -> str:
    """Return a field of the JSON body as text, `""` if absent."""
    body = request.json()
    value = body.get(name) if isinstance(body, dict) else None
    return "" if value is None else str(value)


def _grant(state: State, owner: Owner, name: str, serial: int, *, errcode: bool = True) -> Reply:
    with state.changed:
        value = state.tokens.issue(owner)
        seconds = state.tokens.expires_in(value)
    fields: dict[str, Any] = {name: value, "expires_in": seconds}
    return ok(serial, **fields) if errcode else json_reply(fields, serial)


def _bearer(state: State, request: Request, parameter: str) -> Owner:
    """Return the owner of the token that the call carries; it was checked before."""
    with state.changed:
        owner = state.tokens.owner(request.params.get(parameter))
    return owner or Owner("app", "")  # a route or fault may have let it pass unchecked


def _gettoken(state: State, request: Request, serial: int) -> Reply:
    corpid, secret = (request.params.get(name, "") for name in ("corpid", "corpsecret"))
    with state.changed:
        code = state.accounts.refuse_app(corpid, secret)
    if code:
        return error(code, serial)
    return _grant(state, Owner("app", corpid, secret), "access_token", serial)


def _suite_token(state: State, request: Request, serial: int) -> Reply:
    names = ("suite_id", "suite_secret", "suite_ticket")
    suite_id, secret, ticket = (_field(request, name) for name in names)
    with state.changed:
        now = state.tokens.now()
        code = state.accounts.refuse_suite(suite_id, secret, ticket, now)
    if code:
        return error(code, serial)
    owner = Owner("suite", suite_id)
    return _grant(state, owner, SUITE.parameter, serial, errcode=False)


def _tenant(state: State, request: Request) -> tuple[int, Owner]:
    suite = _bearer(state, request, SUITE.parameter).id
    corpid, code = _field(request, "auth_corpid"), _field(request, "permanent_code")
    with state.changed:
        return state.accounts.refuse_tenant(suite, corpid, code), Owner("corp", corpid, suite)


def _corp_token(state: State, request: Request, serial: int) -> Reply:
    code, owner = _tenant(state, request)
    if code:
        return error(code, serial)
    return _grant(state, owner, ACCESS.parameter, serial, errcode=False)


def _auth_info(state: State, request: Request, serial: int) -> Reply:
    code, owner = _tenant(state, request)
    return error(code, serial) if code else json_reply(_about(owner.id), serial)


def _permanent_code(state: State, request: Request, serial: int) -> Reply:
    with state.changed:
        found = state.accounts.auth_codes.pop(_field(request, "auth_code"), None)
        suite = _bearer(state, request, SUITE.parameter).id
        if found is None or found[0] != suite:
            return error(40029, serial)
        code = state.accounts.authorise(*found)
        fields: dict[str, Any] = {"permanent_code": code, **_about(found[1])}
        if not request.path.startswith("service/v2/"):
            value = state.tokens.issue(Owner("corp", found[1], suite))
            fields |= {"access_token": value, "expires_in": state.tokens.expires_in(value)}
    return json_reply(fields, serial)


def _about(corpid: str) -> dict[str, Any]:
    agent = {"agentid": 1000001, "name": "Fake app"}
    return {
        "auth_corp_info": {"corpid": corpid, "corp_name": "Fake corp"},
        "auth_info": {"agent": [agent]},
    }


def _pre_auth_code(state: State, request: Request, serial: int) -> Reply:
    return ok(serial, pre_auth_code=f"fake-pre-auth-code-{serial}", expires_in=1200)


def _provider_token(state: State, request: Request, serial: int) -> Reply:
    corpid, secret = _field(request, "corpid"), _field(request, "provider_secret")
    with state.changed:
        known = state.accounts.providers
        good = corpid and secret and (not known or known.get(corpid) == secret)
    if not good:
        return error(40001, serial)
    return _grant(state, Owner("provider", corpid), "provider_access_token", serial)


def _downstream_token(state: State, request: Request, serial: int) -> Reply:
    scope = (_field(request, "corpid"), _field(request, "agentid"))
    if _field(request, "business_type") not in ("", "0", "1"):
        return error(40058, serial)
    with state.changed:
        shared = all(scope) and (not state.accounts.shared or scope in state.accounts.shared)
    if not shared:
        return error(670001, serial)
    return _grant(state, Owner("downstream", *scope), ACCESS.parameter, serial)


def _jsapi_ticket(state: State, request: Request, serial: int) -> Reply:
    if SUITE.parameter in request.params:
        return error(42012, serial)
    corpid = _bearer(state, request, TICKETS.parameter).id
    return _grant(state, Owner("jsapi_ticket", corpid), "ticket", serial)


def _agent_ticket(state: State, request: Request, serial: int) -> Reply:
    if request.params.get("type") != "agent_config":
        return error(91040, serial)
    if SUITE.parameter in request.params:
        return error(42012, serial)
    app = _bearer(state, request, TICKETS.parameter)
    return _grant(state, Owner("agent_ticket", app.id, f"{app.kind} {app.part}"), "ticket", serial)


HANDLERS: dict[str, Handler] = {
    "gettoken": _gettoken,
    "service/get_suite_token": _suite_token,
    "service/get_corp_token": _corp_token,
    "service/get_auth_info": _auth_info,
    "service/v2/get_auth_info": _auth_info,
    "service/get_permanent_code": _permanent_code,
    "service/v2/get_permanent_code": _permanent_code,
    "service/get_pre_auth_code": _pre_auth_code,
    "service/get_provider_token": _provider_token,
    "corpgroup/corp/gettoken": _downstream_token,
    "get_jsapi_ticket": _jsapi_ticket,
    "ticket/get": _agent_ticket,
}
