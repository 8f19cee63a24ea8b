"""One call of existing code as a hook shows it to the decision, and the loops that run that."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from .._credential.exchange import Send as SendExchange
from .._http import query
from .._http.trouble import network_cause
from .._log import log
from .._source import steps
from ..errors import WeComError, network_kind
from .inline import InlineSource
from .owner import NAME

Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]
Point = tuple[Any, str, Wrap]
"""A class to patch, the name of its method, and what puts our own in the method's place."""


class Call(ABC):
    """One call. In a client of coroutines, what sends or reads is a coroutine function.

    Attributes:
        is_async: whether they are coroutine functions.
        url: of the call, as its caller made it.
        headers: of the call.
        limit: seconds that its caller allows; None without a limit.
        replayable: False where it is known that the body cannot be sent again.
        errors: what the client raises where the network fails.
        last: the last answer, if any came.
    """

    is_async = False
    url: str
    headers: Mapping[str, str]
    limit: float | None = None
    replayable: bool = True
    errors: tuple[type[Exception], ...]
    last: Any = None

    @abstractmethod
    def send(self, url: str, again: bool) -> Any:
        """Send it to this URL and return the answer; None where its body cannot be sent again."""

    @abstractmethod
    def errcode(self, answer: Any, codes: frozenset[int]) -> Any:
        """Return the errcode of the answer if it is one of these; an answer with it is closed."""

    @abstractmethod
    def exchange(self, seconds: float | None) -> Any:
        """Send it as it is and return the answer, unread.

        Args:
            seconds: how long it may take; None for the caller's own limit.
        """

    @abstractmethod
    def look(self, answer: Any) -> Any:
        """Return the `Answer` in an answer, which stays readable; of a long body, nothing."""

    @abstractmethod
    def close(self, answer: Any) -> Any:
        """Give up an answer that nobody reads."""

    def unreached(self, error: Exception) -> type[WeComError] | None:
        """Return the class of the failure that an error of this client is; None for a mistake."""
        known = isinstance(error, self.errors)
        return network_kind(error, network_cause(error)) if known else None

    @abstractmethod
    def way(self, learned: Mapping[str, str]) -> SendExchange:
        """Return a `Send` that goes the way of this call.

        Args:
            learned: the headers of the last gettoken that was seen for the credential.
        """

    @abstractmethod
    def make(self, headers: Mapping[str, str], body: bytes) -> Any:
        """Return an answer of the client with status 200, as if the platform had sent it."""

    def dress(self, answer: Any, sent: str) -> Any:
        """Return the answer as the caller knows it: with the own token in place of `sent`."""
        return answer

    def shown(self, url: str, sent: str) -> str:
        """Return a URL with the caller's own token in place of the one that was sent."""
        own = query.find(self.url, NAME)[-1]
        return url.replace(quote(sent, safe=""), quote(own, safe=""))

    def failure(self, error: WeComError) -> Exception:
        """Return the client's own exception for this failure."""
        return error


class Send(NamedTuple):
    """Send the call; reply with the answer, or None where it cannot be sent again."""

    url: str
    again: bool = False


class Do(NamedTuple):
    """Call this function, perhaps a coroutine function; reply with its result or error.

    `blocks` says that it waits for a store: then an event loop calls it in a thread.
    """

    function: Callable[[], Any]
    blocks: bool = False


class Failed(NamedTuple):
    """The end of a flow whose caller gets this error."""

    error: Exception


Flow = Generator[Send | Do, Any, Any]
"""The decision about a call; it returns the caller's answer, or `Failed`."""


def source_of(call: Call, source: InlineSource, name: str) -> Callable[..., Any]:
    """Return the source's method for code that waits, or the one for coroutines."""
    function: Callable[..., Any] = getattr(source, f"a{name}" if call.is_async else name)
    return function


def run(call: Call, flow: Flow) -> Any:
    """Run a flow in code that waits. A mistake in it is logged, and the call goes its own way."""
    reply, error = None, None
    while True:
        step = _step(flow, reply, error)
        if not isinstance(step, Send | Do):
            return _end(call, step)
        reply, error = None, None
        if isinstance(step, Send):
            reply = _noted(call, call.send(*step))
            continue
        try:
            reply = step.function()
        except Exception as failure:
            error = failure


async def run_async(call: Call, flow: Flow) -> Any:
    """Run a flow in a coroutine; see `run`."""
    reply, error = None, None
    while True:
        step = _step(flow, reply, error)
        if not isinstance(step, Send | Do):
            answer = _end(call, step)
            return await answer if inspect.isawaitable(answer) else answer
        reply, error = None, None
        if isinstance(step, Send):
            reply = _noted(call, await call.send(*step))
            continue
        try:
            reply = await _done(step)
        except Exception as failure:
            error = failure


async def _done(step: Do) -> Any:
    if step.blocks:
        return await steps.run_async(_in_thread(step.function))
    reply = step.function()
    return await reply if inspect.isawaitable(reply) else reply


def _in_thread(function: Callable[[], Any]) -> steps.Steps[Any]:
    replies: list[Any] = []
    yield steps.Call(lambda: replies.append(function()))
    return replies[0]


def _noted(call: Call, answer: Any) -> Any:
    if answer is not None:
        call.last = answer
    return answer


class _Mistake(NamedTuple):
    """The flow has failed by itself."""


def _step(flow: Flow, reply: Any, error: Exception | None) -> Any:
    try:
        return flow.send(reply) if error is None else flow.throw(error)
    except StopIteration as end:
        return (end.value,)
    except Exception as mistake:
        log_mistake(mistake)
        return _Mistake()


def _end(call: Call, step: Any) -> Any:
    if isinstance(step, _Mistake):
        return call.send(call.url, False) if call.last is None else call.last
    (answer,) = step
    if isinstance(answer, Failed):
        raise answer.error
    return answer


def log_mistake(mistake: Exception) -> None:
    """Log where it was made. Its text stays out: it may hold a token, as that of a KeyError."""
    import traceback

    where = "".join(traceback.format_tb(mistake.__traceback__))
    name = type(mistake).__name__
    log.error("a mistake of wecom_auth, and the call goes its own way: %s\n%s", name, where)
