"""The decorator: a function that calls WeCom in its own way gets the token handed in."""

import inspect
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from .._call.arguments import positions, put_back
from .._call.replay import NotingResends, heal, heal_async
from .._credential.checks import kind
from .._credential.credentials import Credential
from .._source.source import TokenSource, as_source
from .outcomes import rejects

P = ParamSpec("P")
R = TypeVar("R")

Given = TokenSource | Credential | Callable[..., TokenSource | Credential]

_Find = Callable[..., TokenSource]
_Arguments = tuple[tuple[Any, ...], dict[str, Any]]


def with_access_token(
    source: Given, *, param: str = "access_token", retry: bool = True
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
        retry: False to hand in the token and leave it at that.

    Raises:
        TypeError: the function has no such parameter, or is a generator; the source is none.

    Example:
        >>> @with_access_token(app)  # doctest: +SKIP
        ... def user(userid, access_token=""):
        ...     query = {"access_token": access_token, "userid": userid}
        ...     return requests.get(f"{app.base_url}/cgi-bin/user/get", params=query).json()
    """
    find = _finder(source, param)
    if not isinstance(retry, bool):
        raise TypeError(f"retry must be True or False, not {kind(retry)}: it is once or not at all")

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        place = _Place(function, param)
        way: Any = _awaiting if inspect.iscoroutinefunction(function) else _calling
        wrapped: Any = wraps(function)(way(function, place, find, retry))
        wrapped.__signature__ = _without(inspect.signature(function), param)
        wrapped.__token_parameter__ = param
        return cast(Callable[P, R], wrapped)

    return decorate


def _calling(
    function: Callable[..., Any], place: "_Place", find: _Find, retry: bool
) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if place.is_taken(args, kwargs):
            return function(*args, **kwargs)
        source = find(*args, **kwargs)
        stood = positions(args, kwargs) if retry else None
        token = source.get().value

        def attempt(value: str) -> _Outcome:
            filled, named = place.fill(args, kwargs, value)
            try:
                return _Outcome(function(*filled, **named))
            except Exception as error:
                return _Outcome(error=error)

        def again(value: str) -> _Outcome | None:
            return attempt(value) if put_back(stood) else None

        with NotingResends() as inside:
            outcome = attempt(token)
        if retry and outcome.rejects(source) and source.credential not in inside:
            if stood is None:
                source.invalidate(token)
            else:
                outcome = heal(source, token, outcome, again, lambda o: o.rejects(source))
        return outcome.give()

    return call


def _awaiting(
    function: Callable[..., Coroutine[Any, Any, Any]], place: "_Place", find: _Find, retry: bool
) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        if place.is_taken(args, kwargs):
            return await function(*args, **kwargs)
        source = find(*args, **kwargs)
        stood = positions(args, kwargs) if retry else None
        token = (await source.aget()).value

        async def attempt(value: str) -> _Outcome:
            filled, named = place.fill(args, kwargs, value)
            try:
                return _Outcome(await function(*filled, **named))
            except Exception as error:
                return _Outcome(error=error)

        async def again(value: str) -> _Outcome | None:
            return await attempt(value) if put_back(stood) else None

        with NotingResends() as inside:
            outcome = await attempt(token)
        if retry and outcome.rejects(source) and source.credential not in inside:
            if stood is None:
                await source.ainvalidate(token)
            else:
                outcome = await heal_async(
                    source, token, outcome, again, lambda o: o.rejects(source)
                )
        return outcome.give()

    return call


class _Outcome:
    """What a function returned or raised."""

    __slots__ = ("_error", "_result")

    def __init__(self, result: Any = None, error: Exception | None = None) -> None:
        self._result, self._error = result, error

    def rejects(self, source: TokenSource) -> bool:
        said = self._result if self._error is None else self._error
        return rejects(said, source.credential.rejections)

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
