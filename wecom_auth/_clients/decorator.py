"""Pass the token to a function that calls WeCom in its own way."""

import inspect
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from .._call.arguments import positions, put_back
from .._call.drive import drive, drive_async
from .._call.flow import Flow, HealedInside
from .._call.flow import call as flow
from .._call.retry import ONLY_TOKENS, Answered, Retry
from .._credential.checks import kind
from .._credential.credential import Credential
from .._credential.token import Token
from .._http.verdict import errcode_in
from .._log import warn_once
from .._source.source import TokenSource, as_source
from .outcomes import Unreadable, errcode_of, read_ahead
from .parameter import Arguments, TokenParameter

P = ParamSpec("P")
R = TypeVar("R")

Given = TokenSource | Credential | Callable[..., TokenSource | Credential]

_Find = Callable[..., TokenSource]


def with_access_token(
    source: Given, *, param: str = "access_token", retry: Retry | bool = True
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Pass a valid token to a function that calls WeCom, and call it again if it was rejected.

    Make one WeCom call per decorated function: calling it again repeats all that it did. What it
    returns or raises is looked at for an errcode that rejects the token: a response of requests,
    httpx, aiohttp, urllib or urllib3, a mapping or an object with `errcode`, `(status, json)`, an
    exception with `errcode`, `err_code`, `code` or `response`. A function that returns only a
    text, or one field of the JSON, hides the errcode and is not called again; a response that
    nobody can look into is logged once. Open files among its arguments are put back to where they
    stood, and so are those that an argument has as an attribute (`self.file`) and that are open
    for reading only. With an iterator, or a stream that cannot be put back, there or here, it is
    not called again: a database cursor on `self` counts as one, `itertools.count()` does not. The
    dead token is dropped all the same, and the next call gets a fresh one.

    An `async def` must itself be decorated: of a plain function that returns a coroutine, as a
    wrapper around an `async def` does, the answer is never seen, so it is not called again, and its
    token is fetched on the event loop.

    Args:
        source: a `TokenSource`, a credential, or a function that is called with the arguments of
            the call and returns one, for methods that find theirs on `self`.
        param: the parameter that takes the token. The decorated function's signature does not
            show it. Last with a default (`access_token: str = ""`), or after `*`: what a caller
            passes there is a token of the caller's own, and wins. First, as in
            `def send(access_token, content)`: the function is called as `send("text")`.
        retry: errcodes to retry beside those that reject the token; False to hand in the token
            and leave it at that.

    Raises:
        TypeError: the function has no such parameter, has it where an argument could be taken for
            the token, or is a generator; the source is none.

    Example:
        >>> @with_access_token(app)  # doctest: +SKIP
        ... def user(userid, access_token=""):
        ...     query = {"access_token": access_token, "userid": userid}
        ...     return requests.get(f"{app.base_url}/cgi-bin/user/get", params=query).json()
    """
    find = _finder(source, param)
    wish = _wish(retry)

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        made = _Function(TokenParameter(function, param), find, wish, function.__qualname__)
        return cast(Callable[P, R], made.decorate(function))

    return decorate


class _Function:
    """Hold what a decorated function needs: the source of its tokens, and what is retried.

    Args:
        place: the parameter that takes the token.
        find: returns the source for the arguments of a call.
        retry: errcodes to retry beside those that reject the token; None for nothing at all.
        name: of the function, for the log.
    """

    def __init__(self, place: TokenParameter, find: _Find, retry: Retry | None, name: str) -> None:
        self.place, self.find, self.retry, self.name = place, find, retry, name

    def decorate(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function decorated, in the way that it is called."""
        way: Any = self.coroutine if inspect.iscoroutinefunction(function) else self.sync
        decorated: Any = wraps(function)(way(function))
        decorated.__signature__ = self.place.signature
        decorated._whole_signature = self.place.whole
        return cast(Callable[..., Any], decorated)

    def sync(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function that passes a token."""

        def call(*args: Any, **kwargs: Any) -> Any:
            if own := self.place.brought(args, kwargs):
                filled, named = self.place.fill(args, kwargs, own)
                return function(*filled, **named)
            one = _OneCall(self, args, kwargs)

            def attempt(token: Token, again: bool) -> Answered | None:
                if again and not put_back(one.stood):
                    return None
                filled, named = one.fill(token)
                try:
                    outcome = _Outcome(function(*filled, **named))
                except Exception as error:
                    outcome = _Outcome(error=error)
                return Answered(outcome, one.errcode(outcome.said))

            token = one.source.ready() or one.source.get()
            with HealedInside() as inside:
                first = cast(Answered, attempt(token, False))
            if first.errcode is None or one.source.credential in inside:
                return first.answer.give()
            return drive(one.flow(token, first), one.source, attempt).give()

        return call

    def coroutine(
        self, function: Callable[..., Coroutine[Any, Any, Any]]
    ) -> Callable[..., Coroutine[Any, Any, Any]]:
        """Return the coroutine function that passes a token."""

        async def call(*args: Any, **kwargs: Any) -> Any:
            if own := self.place.brought(args, kwargs):
                filled, named = self.place.fill(args, kwargs, own)
                return await function(*filled, **named)
            one = _OneCall(self, args, kwargs)

            async def attempt(token: Token, again: bool) -> Answered | None:
                if again and not put_back(one.stood):
                    return None
                filled, named = one.fill(token)
                try:
                    outcome = _Outcome(await function(*filled, **named))
                except Exception as error:
                    outcome = _Outcome(error=error)
                body = await read_ahead(outcome.said, one.codes)
                return Answered(outcome, one.errcode(outcome.said, body))

            token = one.source.ready() or await one.source.aget()
            with HealedInside() as inside:
                first = cast(Answered, await attempt(token, False))
            if first.errcode is None or one.source.credential in inside:
                return first.answer.give()
            return (await drive_async(one.flow(token, first), one.source, attempt)).give()

        return call


class _OneCall:
    """Hold one call of a decorated function: its arguments, and the positions of its files."""

    __slots__ = ("_args", "_kwargs", "_of", "codes", "source", "stood")

    def __init__(self, of: _Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._of, self._args, self._kwargs = of, args, kwargs
        self.source, retry = of.find(*args, **kwargs), of.retry
        self.stood = None if retry is None else positions(args, kwargs)
        self.codes = frozenset() if retry is None else retry.beside(self.source.credential)

    def fill(self, token: Token) -> Arguments:
        """Return the arguments with this token among them."""
        return self._of.place.fill(self._args, self._kwargs, token.value)

    def errcode(self, said: Any, body: bytes | None = None) -> int | None:
        """Return the errcode that this result or exception says, if it asks for another call."""
        if not self.codes:
            return None
        try:
            if body is not None:
                return errcode_in(body, self.codes, said.headers)
            return errcode_of(said, self.codes)
        except Unreadable:
            warn_once(
                f"{self._of.name}: a rejected token is not seen in the {kind(said)} that it"
                " returns: return the JSON, or the response once it has been read"
            )
            return None

    def flow(self, token: Token, first: Answered) -> Flow:
        """Return the flow that carries the call to its end."""
        retry, replayable = self._of.retry or ONLY_TOKENS, self.stood is not None
        return flow(self.source, token, first, retry=retry, replayable=replayable)


class _Outcome:
    """Hold a result, or the exception in place of one."""

    __slots__ = ("_error", "_result")

    def __init__(self, result: Any = None, error: Exception | None = None) -> None:
        self._result, self._error = result, error

    @property
    def said(self) -> Any:
        return self._result if self._error is None else self._error

    def give(self) -> Any:
        if self._error is None:
            return self._result
        try:
            raise self._error
        finally:
            del self._error  # else error, traceback and this frame would hold each other


def _wish(retry: Retry | bool) -> Retry | None:
    if not isinstance(retry, bool | Retry):
        raise TypeError(f"retry must be True, False or a Retry, not {kind(retry)}")
    return (ONLY_TOKENS if retry else None) if isinstance(retry, bool) else retry


def _finder(given: Given, param: str) -> _Find:
    if isinstance(given, TokenSource | Credential):
        source = as_source(given)
        return lambda *args, **kwargs: source
    if not callable(given) or isinstance(given, type) or inspect.iscoroutinefunction(given):
        raise TypeError(
            "source must be a TokenSource, a credential, or a function of the call's arguments"
            f" that gives one, not {kind(given)}"
        )
    if _takes(given, param):
        raise TypeError("the source is missing: write @with_access_token(app)")
    return lambda *args, **kwargs: as_source(given(*args, **kwargs))


def _takes(function: Callable[..., Any], name: str) -> bool:
    try:
        return name in inspect.signature(function).parameters
    except ValueError:  # some that are written in C have none
        return False
