"""The decision about one call of existing code: a gettoken, a call with a token, or neither."""

from functools import partial
from typing import Any

from .._call import drive
from .._call import flow as calls
from .._call.retry import Answered
from .._credential.token import carried
from .._http import query
from .._log import log, warn_once
from .._source import recent
from ..errors import REJECTED, WeComError
from . import gettoken, suspicion
from .call import Call, Do, Flow, Send, log_mistake, run, run_async, source_of
from .ledger import ledger
from .owner import NAME, Owned, Owners, end

EVIDENCE = frozenset({301002, 48002, 60011, 40014})
"""Errcodes of a replaced call that say: this token is of another app than the call is."""

NO_TOKEN = frozenset({"", "None", "null", "undefined"})
"""Values that code sends where it has swallowed a refused gettoken."""

_WITHOUT_TOKEN = frozenset({41001, 40014})


def make(call: Call, owners: Owners) -> Any:
    """Make one call as its caller made it, with a live token in place of a dead one.

    Nearly every call carries a live token: it is sent and looked at, and nothing is decided.
    """
    own, owned = _live(call.url, owners)
    if owned is None:
        return run(call, _decide(call, owners))
    call.last = answer = call.send(call.url, False)
    try:
        code = call.errcode(answer, REJECTED)
    except Exception as mistake:
        log_mistake(mistake)
        return answer
    if code is None and owned.entry.given is None:
        return answer
    return run(call, _after(call, own, owned, owners, answer, code))


async def make_async(call: Call, owners: Owners) -> Any:
    """`make` for a client of coroutines."""
    own, owned = _live(call.url, owners)
    if owned is None:
        return await run_async(call, _decide(call, owners))
    call.last = answer = await call.send(call.url, False)
    try:
        code = await call.errcode(answer, REJECTED)
    except Exception as mistake:
        log_mistake(mistake)
        return answer
    if code is None and owned.entry.given is None:
        return answer
    return await run_async(call, _after(call, own, owned, owners, answer, code))


def _live(url: str, owners: Owners) -> tuple[str, Owned | None]:
    """Return the token in a call's URL and its owner, if that is known and the token is alive."""
    try:
        brought = [] if _may_be_exchange(url) else query.find(url, NAME)
        owned = owners.find(brought[-1], url) if brought else None
        if owned is not None and not owned.is_dead(brought[-1]):
            return brought[-1], owned
    except Exception:  # noqa: S110 (a mistake of ours: the decision meets it again, and logs it)
        pass
    return "", None


def _may_be_exchange(url: str) -> bool:
    return "gettoken" in url or "/service/get_" in url


def _decide(call: Call, owners: Owners) -> Flow:
    """Find out which kind of call this is, and make it."""
    if _may_be_exchange(call.url):
        credential = gettoken.credential_of(call.url)
        if credential is not None and call.replayable:
            return (yield from gettoken.answer(call, credential, owners))
        if gettoken.is_other_exchange(call.url):
            owners.see_exchange(None)
            answer = yield from _make(call, owners)
            yield from gettoken.note_others(call, answer)
            return answer
    return (yield from _make(call, owners))


def _make(call: Call, owners: Owners) -> Flow:
    brought = query.find(call.url, NAME)
    if not brought or brought[-1] in NO_TOKEN:
        return (yield from _without_token(call))
    return (yield from _with_token(call, brought[-1], owners))


def _with_token(call: Call, own: str, owners: Owners) -> Flow:
    owned, entry = owners.find(own, call.url), ledger.find(own)
    if owned is not None and owned.is_dead(own):
        return (yield from _Healing(call, owned, own, owners).translate())
    answer = yield Send(call.url)
    if entry is None and not owners.concerns(call.url):
        return answer
    code = yield Do(partial(call.errcode, answer, REJECTED))
    return (yield from _after(call, own, owned, owners, answer, code))


def _after(
    call: Call, own: str, owned: Owned | None, owners: Owners, answer: Any, code: int | None
) -> Flow:
    """Go on from the answer to a call with the caller's own token; heal it where it is rejected."""
    if code is None:
        yield from _carried(own, owners)
        return answer
    if owned is None:
        shared = owners.shared is not None
        owned = yield Do(partial(owners.find_rejected, own, call.url), blocks=shared)
    if owned is None:
        return answer
    return (yield from _Healing(call, owned, own, owners).heal(answer, code, own))


def _carried(value: str, owners: Owners) -> Flow:
    """Note that a call has carried this token, if it was given out and nobody has done so yet."""
    entry = ledger.find(value)
    if entry is not None and entry.given is not None:
        shared = owners.shared
        marks = partial(suspicion.mark_carried, entry, value, shared)
        yield Do(marks, blocks=shared is not None)


def _without_token(call: Call) -> Flow:
    """Send a call without a token; where a refused gettoken explains the answer, say so once."""
    answer = yield Send(call.url)
    refusal = recent.refusal(call.url)
    if refusal is not None:
        code = yield Do(partial(call.errcode, answer, _WITHOUT_TOKEN))
        if code is not None:
            failure = refusal.failure
            warn_once(
                f"errcode {code}: the call went out without a token, because gettoken for"
                f" {refusal.corpid} was refused with errcode {failure.errcode}:"
                f" {failure.advice or failure.help_url}"
            )
    return answer


class _Healing:
    """One call whose token's owner is known.

    Args:
        call: as its caller made it.
        owned: the token's source and entry.
        own: the token that the caller brought, and sees.
        owners: of all tokens.
    """

    def __init__(self, call: Call, owned: Owned, own: str, owners: Owners) -> None:
        self._call, self._own, self._owners = call, own, owners
        self._source, self._entry = owned
        self._sent = self._first = self._sending = own
        stated = self._entry.statement is not None
        self._codes = self._source.credential.rejections | (EVIDENCE if stated else frozenset())
        headers = ledger.headers(self._source.credential.key)
        self._way = {"timeout": call.limit, "via": call.way(headers)}

    def translate(self) -> Flow:
        """Make a call whose own token is known to be dead with the current one."""
        call, source = self._call, self._source
        try:
            token = yield Do(partial(source_of(call, source, "get"), **self._way))
        except WeComError as error:
            log.debug("a dead token could not be replaced before the call: %s", error)
            return (yield Send(call.url))
        answer = yield self._send(token.value, again=False)
        code = yield Do(partial(call.errcode, answer, self._codes))
        if code in source.credential.rejections:
            return (yield from self.heal(answer, code, token.value))
        return (yield from self._finish(answer, code, None))

    def heal(self, first: Any, code: int, sent: str) -> Flow:
        """Make a rejected call again, once, with another token."""
        call = self._call
        self._sent = self._first = sent
        flow = calls.call(
            self._source,
            carried(sent),
            Answered(first, code),
            limit=call.limit,
            replayable=call.replayable,
        )
        reply = Answered(first, code)
        step = next(flow, None)
        while step is not None:
            answered = yield from self._do(step)
            reply = answered if isinstance(answered, Answered) else reply
            try:
                step = flow.send(answered)
            except StopIteration:
                step = None
        self._note_dead()
        return (yield from self._finish(*reply, first))

    def _do(self, step: calls.Step) -> Any:
        """Carry out a step of the call's flow."""
        call, source = self._call, self._source
        if not isinstance(step, calls.Send):
            do: Any = drive.ado if call.is_async else drive.do
            return (yield Do(partial(do, step, source, **self._way)))
        answer = yield self._send(step.token.value, step.again)
        if answer is None:
            return None
        code = yield Do(partial(call.errcode, answer, self._codes))
        return Answered(answer, code)

    def _send(self, value: str, again: bool) -> Send:
        own = value == self._own
        url = self._call.url if own else query.put(self._call.url, NAME, value)
        self._sending = value
        return Send(url, again)

    def _finish(self, answer: Any, code: int | None, first: Any) -> Flow:
        """Return the answer as its caller knows it; first see what it says of the token."""
        if answer is not first:
            self._sent = self._sending
            if self._entry.statement is not None and code in EVIDENCE:
                why = f"a call with its token was refused with errcode {code}"
                end(self._entry.statement, why)
                return (yield from self._own_rejection(answer, first))
        if code not in REJECTED:
            yield from _carried(self._sent, self._owners)
        if self._sent == self._own:
            return answer
        if code not in REJECTED:
            ledger.count("healed")
            self._source.accept(carried(self._sent))
        return self._call.dress(answer, self._sent)

    def _own_rejection(self, answer: Any, first: Any) -> Flow:
        """Return what the platform says of the caller's own token."""
        if first is not None and self._first == self._own:
            return first
        own = yield Send(self._call.url, again=True)
        return self._call.dress(answer, self._sent) if own is None else own

    def _note_dead(self) -> None:
        current = self._source.peek()
        if current is None or current.value != self._own:
            self._entry.is_dead = True
