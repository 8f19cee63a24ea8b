"""The way of one request: holds, faults, the token, the answer, the journal."""

from __future__ import annotations

from fnmatch import fnmatchcase

from . import contacts, media, messages, services
from .facts import carried
from .replies import error
from .state import Handler, Route, State
from .wire import JSON_TYPE, DroppedError, Reply, Request, TimedOutError, as_reply, json_body

HANDLERS: dict[str, Handler] = {
    **services.HANDLERS,
    **messages.HANDLERS,
    **contacts.HANDLERS,
    **media.HANDLERS,
}
NOT_FOUND = 404
"""Not one of the platform's errcodes, so that nobody takes it for one."""


def handle(state: State, request: Request) -> Reply:
    """Answer one request; raise as `FakeWeCom.handle` does."""
    serial = state.next_serial()
    corpid = _corpid(state, request)
    try:
        for hold in state.holds:
            hold.keep(request, "before")
        reply = _with_faults(state, request, serial)
    except (DroppedError, TimedOutError):
        _note(state, request, corpid, None, 0)
        raise
    _note(state, request, corpid, reply.errcode, reply.status)
    for hold in state.holds:
        hold.keep(request, "after")
    return reply


def _corpid(state: State, request: Request) -> str | None:
    wanted = carried(request.path)
    with state.changed:
        owner = state.tokens.owner(request.params.get(wanted.parameter)) if wanted else None
    return owner.id if owner else None


def _note(
    state: State, request: Request, corpid: str | None, code: int | None, status: int
) -> None:
    with state.changed:
        state.journal.add(request, errcode=code, status=status, corpid=corpid)


def _with_faults(state: State, request: Request, serial: int) -> Reply:
    with state.changed:
        faults = state.faults.take(request.path, carried(request.path) is not None)

    def answer(depth: int = 0) -> Reply:
        if depth == len(faults):
            return _answer(state, request, serial)
        return faults[depth].apply(request, lambda: answer(depth + 1))

    return answer()


def _answer(state: State, request: Request, serial: int) -> Reply:
    wanted = carried(request.path)
    with state.changed:
        route = _route(state, request.path)
        checked = wanted is not None and (route is None or route.check_token)
        token = request.params.get(wanted.parameter) if wanted else None
        code = state.tokens.check(token, wanted) if wanted and checked else 0
    if code:
        return error(code, serial, request.path)
    if route is None:
        return HANDLERS.get(request.path, _unknown)(state, request, serial)
    answer = route.answer(request) if callable(route.answer) else route.answer
    return as_reply(answer, serial)


def _route(state: State, path: str) -> Route | None:
    """Return the route of this path: the one that names it, else the longest with a star."""
    if path in state.routes or path in HANDLERS:  # a star is for what the platform does not know
        return state.routes.get(path)
    matching = [name for name in state.routes if fnmatchcase(path, name)]
    return state.routes[max(matching, key=len)] if matching else None


def _unknown(state: State, request: Request, serial: int) -> Reply:
    path = request.path
    said = (
        f"the fake platform does not know {path}: say what it answers, "
        f'fake.route("{path}", {{"errcode": 0, "errmsg": "ok"}})'
    )
    if path.startswith("/"):
        return Reply(NOT_FOUND, {"Content-Type": "text/html"}, f"<h1>404</h1>{said}".encode())
    body = json_body({"errcode": NOT_FOUND, "errmsg": said})
    return Reply(NOT_FOUND, {"Content-Type": JSON_TYPE}, body, NOT_FOUND)
