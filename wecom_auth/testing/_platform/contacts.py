"""Members, departments, apps and the platform's own addresses, with the documented fields.

Source: WeCom developer documentation, the page of each call.
"""

from __future__ import annotations

from typing import Any

from .replies import error, ok
from .state import Handler, State
from .wire import Reply, Request


def _user_get(state: State, request: Request, serial: int) -> Reply:
    userid = request.params.get("userid")
    if not userid:
        return error(40058, serial)
    return ok(
        serial,
        **_member(userid),
        order=[1],
        position="Engineer",
        is_leader_in_dept=[0],
        direct_leader=[],
        telephone="",
        alias="",
        main_department=1,
        extattr={"attrs": []},
        status=1,
        external_position="",
    )


def _user_simplelist(state: State, request: Request, serial: int) -> Reply:
    if not request.params.get("department_id"):
        return error(40058, serial)
    return ok(serial, userlist=[_member("alice"), _member("bob")])


def _member(userid: str) -> dict[str, Any]:
    name = userid.capitalize()
    return {"userid": userid, "name": name, "department": [1], "open_userid": f"wo-{userid}"}


def _department_list(state: State, request: Request, serial: int) -> Reply:
    root = {"id": 1, "name": "Fake", "name_en": "Fake", "parentid": 0, "order": 1}
    team = {"id": 2, "name": "Team", "name_en": "Team", "parentid": 1, "order": 2}
    return ok(serial, department=[{**d, "department_leader": []} for d in (root, team)])


def _api_domain_ip(state: State, request: Request, serial: int) -> Reply:
    return ok(serial, ip_list=["192.0.2.1", "192.0.2.2"])


def _agent_list(state: State, request: Request, serial: int) -> Reply:
    return ok(serial, agentlist=[{"agentid": 1000002, "name": "Fake", "square_logo_url": ""}])


def _agent_get(state: State, request: Request, serial: int) -> Reply:
    agentid = request.params.get("agentid", "")
    if not agentid.isdecimal():
        return error(40056, serial)
    return ok(
        serial,
        agentid=int(agentid),
        name="Fake",
        close=0,
        allow_userinfos={"user": [{"userid": "alice"}, {"userid": "bob"}]},
        allow_partys={"partyid": [1]},
        allow_tags={"tagid": []},
    )


HANDLERS: dict[str, Handler] = {
    "user/get": _user_get,
    "user/simplelist": _user_simplelist,
    "department/list": _department_list,
    "get_api_domain_ip": _api_domain_ip,
    "agent/list": _agent_list,
    "agent/get": _agent_get,
}
