"""How one request goes through the platform: holds, faults, the token, the answer, the journal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition

from .books import Books
from .endpoints import carries_token, handler_for
from .faults import Faults
from .holds import Hold
from .journal import Journal
from .replies import error
from .tokens import OK, TokenDesk
from .wire import (
    Answer,
    DroppedError,
    Reply,
    Request,
    TimedOutError,
    as_reply,
)


@dataclass(frozen=True)
class Route:
    """An answer of the user's own."""

    answer: Answer | Callable[[Request], Answer]
    check_token: bool


class Platform:
    """One lock, `changed`, over all of it; nothing waits or does I/O under that lock."""

    def __init__(self, desk: TokenDesk, journal: Journal) -> None:
        self.changed = Condition()
        self.books = Books(self.changed, desk, journal)
        self.faults = Faults(self.changed)
        self.holds: list[Hold] = []
        self.routes: dict[str, Route] = {}
        self._serial = 0

    def handle(self, request: Request) -> Reply:
        """Answers one request; raises as `FakeWeCom.handle` does."""
        serial = self.next_serial()
        corpid = self._owner(request)
        try:
            for hold in self.holds:
                hold.keep(request, "before")
            reply = self._with_faults(request, serial)
        except (DroppedError, TimedOutError):
            self._note(request, corpid, None, 0)
            raise
        self._note(request, corpid, reply.errcode, reply.status)
        for hold in self.holds:
            hold.keep(request, "after")
        return reply

    def next_serial(self) -> int:
        """The number of a call: it turns keys and makes ids and hints differ."""
        with self.changed:
            self._serial += 1
            return self._serial

    def _owner(self, request: Request) -> str | None:
        with self.changed:
            return self.books.desk.owner(request.params.get("access_token"))

    def _note(self, request: Request, corpid: str | None, code: int | None, status: int) -> None:
        with self.changed:
            self.books.journal.add(request, errcode=code, status=status, corpid=corpid)

    def _with_faults(self, request: Request, serial: int) -> Reply:
        with self.changed:
            faults = self.faults.take(request.path, carries_token(request.path))

        def answer(depth: int = 0) -> Reply:
            if depth == len(faults):
                return self._answer(request, serial)
            return faults[depth].apply(request, lambda: answer(depth + 1))

        return answer()

    def _answer(self, request: Request, serial: int) -> Reply:
        with self.changed:
            route = self.routes.get(request.path)
            checked = carries_token(request.path) and (route is None or route.check_token)
            token = request.params.get("access_token")
            code = self.books.desk.check(token) if checked else OK
        if code:
            return error(code, serial, request.path)
        if route is None:
            return handler_for(request.path)(self.books, request, serial)
        answer = route.answer(request) if callable(route.answer) else route.answer
        return as_reply(answer, serial)
