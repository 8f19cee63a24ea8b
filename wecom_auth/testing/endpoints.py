"""The part of the server API that the fake platform speaks, with the documented fields.

Source: WeCom developer documentation, the page of each call.
"""

from __future__ import annotations

from typing import Any

from . import media
from .books import Books, Handler
from .journal import Message
from .replies import error, ok
from .wire import Reply, Request

WITHOUT_TOKEN = ("gettoken", "webhook/", "service/", "openhw/get_model_token")


def carries_token(path: str) -> bool:
    """Whether a call to this path has to carry an access_token."""
    return not path.startswith((*WITHOUT_TOKEN, "/"))


def handler_for(path: str) -> Handler:
    """What answers this path: its own handler, or `errcode 0`."""
    return HANDLERS.get(path, _anything)


def _anything(books: Books, request: Request, serial: int) -> Reply:
    if request.path.startswith("/"):
        return Reply(404, {"Content-Type": "text/html"}, b"<html><h1>404 Not Found</h1></html>")
    return ok(serial)


def _gettoken(books: Books, request: Request, serial: int) -> Reply:
    app = (request.params.get("corpid", ""), request.params.get("corpsecret", ""))
    with books.lock:
        code = books.desk.refuse(app)
        value = None if code else books.desk.issue(app)
    if code:
        return error(code, serial)
    return ok(serial, access_token=value, expires_in=int(books.desk.life))


def _deliver(books: Books, request: Request, serial: int) -> int:
    """Accepts a message or says why not."""
    body = request.json()
    if not isinstance(body, dict):
        return 40058
    kind = body.get("msgtype")
    if not isinstance(kind, str) or not kind:
        return 40008
    if kind == "text" and not _text(body):
        return 44004
    with books.lock:
        books.journal.messages.append(Message(request.path, body))
    return 0


def _text(body: dict[str, Any]) -> object:
    text = body.get("text")
    return text.get("content") if isinstance(text, dict) else None


def _message_send(books: Books, request: Request, serial: int) -> Reply:
    code = _deliver(books, request, serial)
    if code:
        return error(code, serial)
    nobody = {"invaliduser": "", "invalidparty": "", "invalidtag": "", "unlicenseduser": ""}
    return ok(serial, **nobody, msgid=f"fake-message-{serial}")


def _appchat_send(books: Books, request: Request, serial: int) -> Reply:
    code = _deliver(books, request, serial)
    return error(code, serial) if code else ok(serial)


def _webhook_send(books: Books, request: Request, serial: int) -> Reply:
    code = _deliver(books, request, serial) if request.params.get("key") else 93000
    return error(code, serial) if code else ok(serial)


def _user_get(books: Books, request: Request, serial: int) -> Reply:
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


def _user_simplelist(books: Books, request: Request, serial: int) -> Reply:
    if not request.params.get("department_id"):
        return error(40058, serial)
    return ok(serial, userlist=[_member("alice"), _member("bob")])


def _member(userid: str) -> dict[str, Any]:
    name = userid.capitalize()
    return {"userid": userid, "name": name, "department": [1], "open_userid": f"wo-{userid}"}


def _department_list(books: Books, request: Request, serial: int) -> Reply:
    root = {"id": 1, "name": "Fake", "name_en": "Fake", "parentid": 0, "order": 1}
    team = {"id": 2, "name": "Team", "name_en": "Team", "parentid": 1, "order": 2}
    return ok(serial, department=[{**d, "department_leader": []} for d in (root, team)])


def _api_domain_ip(books: Books, request: Request, serial: int) -> Reply:
    return ok(serial, ip_list=["192.0.2.1", "192.0.2.2"])


HANDLERS: dict[str, Handler] = {
    "gettoken": _gettoken,
    "message/send": _message_send,
    "appchat/send": _appchat_send,
    "webhook/send": _webhook_send,
    "user/get": _user_get,
    "user/simplelist": _user_simplelist,
    "department/list": _department_list,
    "get_api_domain_ip": _api_domain_ip,
    "media/upload": media.upload,
    "webhook/upload_media": media.upload,
    "media/get": media.get,
}
