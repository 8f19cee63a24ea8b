"""The decorator: a function that calls WeCom in its own way gets the token handed in."""

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
from .._source.source import TokenSource, as_source
from .outcomes import errcode_of

P = ParamSpec("P")
R = TypeVar("R")

Given = TokenSource | Credential | Callable[..., TokenSource | Credential]

_Find = Callable[..., TokenSource]
_Arguments = tuple[tuple[Any, ...], dict[str, Any]]


def with_access_token(
    source: Given, *, param: str = "access_token", retry: Retry | bool = True
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Hand a valid token to a function that calls WeCom, and call it again if it was rejected.

    Make one WeCom call per decorated function: calling it again repeats all that it did. What it
    returns or raises is looked at for an errcode that rejects the token: a `requests` or httpx
    response, a mapping with `errcode`, an exception with `errcode`, `err_code`, `code` or
    `response`. A function that returns only a text, or one field of the JSON, hides the errcode and
    is not called again. Open files among its arguments, and those that an argument has as an
    attribute (`self.file`) and that do not stand at their end as a log does, are put back to where
    they stood. With an iterator, or a stream that cannot be put back, there or here, it is not
    called again: a database cursor on `self` counts as one, `itertools.count()` does not. The dead
    token is dropped all the same, and the next call gets a fresh one.

    An `async def` must itself be decorated: of a plain function that returns a coroutine, as a
    wrapper around an `async def` does, the answer is never seen, so it is not called again, and its
    token is fetched on the event loop.

    Args:
        source: a `TokenSource`, a credential, or a function that is called with the arguments of
            the call and returns one, for methods that find theirs on `self`.
        param: the parameter that takes the token; give it a default (`access_token: str = ""`)
            and put it last or behind `*`: what a caller passes there, by position too, is taken
            for a token of the caller's own, and wins.
        retry: errcodes to retry beside those that reject the token; False to hand in the token
            and leave it at that.

    Raises:
        TypeError: the function has no such parameter, or is a generator; the source is none.

    Example:
        >>> @with_access_token(app)  # doctest: +SKIP
        ... def user(userid, access_token=""):
        ...     query = {"access_token": access_token, "userid": userid}
        ...     return requests.get(f"{app.base_url}/cgi-bin/user/get", params=query).json()
    """
    find = _finder(source, param)
    if not isinstance(retry, bool | Retry):
        raise TypeError(f"retry must be True, False or a Retry, not {kind(retry)}")
    wish = (ONLY_TOKENS if retry else None) if isinstance(retry, bool) else retry

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        made = _Function(_Place(function, param), find, wish)
        way: Any = made.coroutine if inspect.iscoroutinefunction(function) else made.sync
        return cast(Callable[P, R], wraps(function)(way(function)))

    return decorate


class _Function:
    """A decorated function: where its tokens come from, and what is retried.

    Args:
        place: of its token parameter.
        find: returns the source for the arguments of a call.
        retry: errcodes to retry beside those that reject the token; None for nothing at all.
    """

    def __init__(self, place: "_Place", find: _Find, retry: Retry | None) -> None:
        self._place, self._find, self._retry = place, find, retry

    def sync(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function that hands in a token."""

        def call(*args: Any, **kwargs: Any) -> Any:
            if self._place.is_taken(args, kwargs):
                return function(*args, **kwargs)
            one = _OneCall(self._find(*args, **kwargs), self._place, self._retry, args, kwargs)

            def attempt(token: Token, again: bool) -> Answered | None:
                if again and not one.put_back():
                    return None
                filled, named = one.fill(token)
                try:
                    return one.answered(_Outcome(function(*filled, **named)))
                except Exception as error:
                    return one.answered(_Outcome(error=error))

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
        """Return the coroutine function that hands in a token."""

        async def call(*args: Any, **kwargs: Any) -> Any:
            if self._place.is_taken(args, kwargs):
                return await function(*args, **kwargs)
            one = _OneCall(self._find(*args, **kwargs), self._place, self._retry, args, kwargs)

            async def attempt(token: Token, again: bool) -> Answered | None:
                if again and not one.put_back():
                    return None
                filled, named = one.fill(token)
                try:
                    return one.answered(_Outcome(await function(*filled, **named)))
                except Exception as error:
                    return one.answered(_Outcome(error=error))

            token = one.source.ready() or await one.source.aget()
            with HealedInside() as inside:
                first = cast(Answered, await attempt(token, False))
            if first.errcode is None or one.source.credential in inside:
                return first.answer.give()
            return (await drive_async(one.flow(token, first), one.source, attempt)).give()

        return call


class _OneCall:
    """One call of a decorated function: its arguments, and where the files among them stood."""

    __slots__ = ("_args", "_codes", "_kwargs", "_place", "_retry", "_stood", "source")

    def __init__(
        self,
        source: TokenSource,
        place: "_Place",
        retry: Retry | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        self.source, self._place, self._retry = source, place, retry
        self._args, self._kwargs = args, kwargs
        self._stood = None if retry is None else positions(args, kwargs)
        self._codes = frozenset() if retry is None else source.credential.rejections | retry.codes

    def fill(self, token: Token) -> _Arguments:
        """Return the arguments with this token among them."""
        return self._place.fill(self._args, self._kwargs, token.value)

    def put_back(self) -> bool:
        """Put the files back to where they stood; False where that cannot be."""
        return put_back(self._stood)

    def answered(self, outcome: "_Outcome") -> Answered:
        """Return the outcome as the flow takes it."""
        return Answered(outcome, outcome.errcode(self._codes) if self._codes else None)

    def flow(self, token: Token, first: Answered) -> Flow:
        """Return the flow that carries the call to its end."""
        retry, replayable = self._retry or ONLY_TOKENS, self._stood is not None
        return flow(self.source, token, first, retry=retry, replayable=replayable)


class _Outcome:
    """A result, or the exception in place of one."""

    __slots__ = ("_error", "_result")

    def __init__(self, result: Any = None, error: Exception | None = None) -> None:
        self._result, self._error = result, error

    def errcode(self, codes: frozenset[int]) -> int | None:
        said = self._result if self._error is None else self._error
        return errcode_of(said, codes)

    def give(self) -> Any:
        if self._error is None:
            return self._result
        try:
            raise self._error
        finally:
            del self._error  # else error, traceback and this frame would hold each other


class _Place:
    """The parameter that takes the token."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        if not isinstance(name, str) or not name.isidentifier():
            raise TypeError("param must be the name of a parameter, as in param='token'")
        if not inspect.isroutine(function) or isinstance(function, classmethod | staticmethod):
            raise TypeError(
                "@with_access_token(app) goes on a function or method, below @classmethod or"
                f" @staticmethod, not on {kind(function)}"
            )
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{function.__qualname__} is a generator: it cannot be called again")
        self._name = name
        self._index = _index(function, name)

    def is_taken(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether the caller brings a token."""
        if self._index is not None and self._index < len(args):
            return bool(args[self._index])
        return bool(kwargs.get(self._name))

    def fill(self, args: tuple[Any, ...], kwargs: dict[str, Any], token: str) -> _Arguments:
        """The arguments with this token in them."""
        if self._index is not None and self._index < len(args):
            return (*args[: self._index], token, *args[self._index + 1 :]), kwargs
        return args, {**kwargs, self._name: token}


def _without(signature: inspect.Signature, name: str) -> inspect.Signature:
    """Return the signature that frameworks and `help()` show: the caller gives no token."""
    shown = [each for each in signature.parameters.values() if each.name != name]
    return signature.replace(parameters=shown)


def _index(function: Callable[..., Any], name: str) -> int | None:
    """Where the parameter stands among the positional ones; None where it goes by name only."""
    parameters = inspect.signature(function).parameters
    if name not in parameters:
        takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        if takes_any or getattr(function, "__token_parameter__", None) == name:
            return None
        raise TypeError(
            f'{function.__qualname__} needs a parameter for the token: {name}: str = "", or name'
            " the one that it has with param="
        )
    sort = parameters[name].kind
    if sort in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL):
        raise TypeError(f"{function.__qualname__} must take {name} by name")
    return list(parameters).index(name) if sort is inspect.Parameter.POSITIONAL_OR_KEYWORD else None


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
