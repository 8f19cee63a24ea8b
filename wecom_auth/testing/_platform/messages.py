"""Messages, refused as the platform refuses them: by receiver, agentid, msgtype, its fields.

Source: WeCom developer documentation, "send application messages", "application push to a group
chat", "message push (formerly group robots)".
"""

from __future__ import annotations

from typing import Any

from .facts import EMPTY_FIELD, MESSAGES, RECEIVERS
from .journal import Message
from .replies import error, ok
from .state import Handler, State
from .wire import Reply, Request


def _deliver(state: State, request: Request) -> int:
    """Accept a message, or return the errcode that refuses it."""
    body = request.json()
    code = _refuse(request.path, body) if isinstance(body, dict) else 40058
    if code:
        return code
    with state.changed:
        state.journal.messages.append(Message(request.path, body))
    return 0


def _refuse(path: str, body: dict[str, Any]) -> int:
    kind = body.get("msgtype")
    fields = MESSAGES[path].get(kind) if isinstance(kind, str) else None
    if fields is None:
        return 40008
    content = body.get(str(kind))
    held = content if isinstance(content, dict) else {}
    missing = next((name for name in fields if not held.get(name)), None)
    if missing is not None:
        return EMPTY_FIELD.get(missing, 40058)
    return _refuse_address(path, body)


def _refuse_address(path: str, body: dict[str, Any]) -> int:
    if path == "appchat/send":
        return 0 if body.get("chatid") else 40058
    if path == "webhook/send":
        return 0
    if body.get("agentid") in (None, ""):
        return 41011
    if not str(body["agentid"]).isdigit():
        return 40056
    return 0 if any(body.get(name) for name in RECEIVERS) else 82001


def _message_send(state: State, request: Request, serial: int) -> Reply:
    code = _deliver(state, request)
    if code:
        return error(code, serial)
    nobody = {"invaliduser": "", "invalidparty": "", "invalidtag": "", "unlicenseduser": ""}
    return ok(serial, **nobody, msgid=f"fake-message-{serial}")


def _appchat_send(state: State, request: Request, serial: int) -> Reply:
    code = _deliver(state, request)
    return error(code, serial) if code else ok(serial)


def _webhook_send(state: State, request: Request, serial: int) -> Reply:
    code = _deliver(state, request) if request.params.get("key") else 93000
    return error(code, serial) if code else ok(serial)


HANDLERS: dict[str, Handler] = {
    "message/send": _message_send,
    "appchat/send": _appchat_send,
    "webhook/send": _webhook_send,
}
