"""Find the parameter of a decorated function that takes the token."""

import inspect
from collections.abc import Callable
from inspect import Parameter
from typing import Any

from .._credential.checks import kind

Arguments = tuple[tuple[Any, ...], dict[str, Any]]

_BY_PLACE = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


class TokenParameter:
    """Hold the parameter that takes the token. Callers need not know of it.

    Last, after `*`, or in `**kwargs`: what a caller passes there, by position too, is a token of
    the caller's own. With others after it (`def send(access_token, content)`), arguments by
    position are the others', unless there are too many for them; that can be told only where
    none of the others may be left out, so anything else is refused.

    Raises:
        TypeError: the function has no such parameter, cannot take it by name, or is none.
    """

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        if not isinstance(name, str) or not name.isidentifier():
            raise TypeError("param must be the name of a parameter, as in param='token'")
        _refuse_what_is_no_function(function)
        self._name = name
        # One that is decorated already hides its parameter from others.
        whole = getattr(function, "_whole_signature", None)
        self.whole: inspect.Signature = whole or inspect.signature(function)
        parameters = self.whole.parameters
        self._index = _index(function, parameters, name)
        places = [each for each in parameters.values() if each.kind in _BY_PLACE]
        others = [each for each in places if each.name != name]
        self._others = frozenset(each.name for each in others)
        self._is_inner = self._index is not None and self._index < len(others)
        has_more = any(each.kind is each.VAR_POSITIONAL for each in parameters.values())
        if self._index is not None and (has_more or (self._is_inner and _has_default(others))):
            raise TypeError(
                f"{function.__qualname__}: put {name} last, with a default, or behind *: where it"
                " stands, an argument given by position could be taken for the token"
            )

    @property
    def signature(self) -> inspect.Signature:
        """Return the signature that callers see."""
        there = self.whole.parameters.values()
        return self.whole.replace(parameters=[p for p in there if p.name != self._name])

    def brought(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the token that the caller brings, if there is one."""
        if self._stands_in(args, kwargs):
            return args[self._index]  # type: ignore[index]
        return kwargs.get(self._name)

    def fill(self, args: tuple[Any, ...], kwargs: dict[str, Any], token: str) -> Arguments:
        """Return the arguments with this token in them."""
        place = self._index
        if place is not None and self._stands_in(args, kwargs):
            return (*args[:place], token, *args[place + 1 :]), kwargs
        if place is not None and self._is_inner and len(args) > place:
            rest = {each: value for each, value in kwargs.items() if each != self._name}
            return (*args[:place], token, *args[place:]), rest
        return args, {**kwargs, self._name: token}

    def _stands_in(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Return whether an argument by position is the token, or an empty one."""
        if self._index is None or self._index >= len(args):
            return False
        if not self._is_inner:
            return True
        return len(args) + len(self._others & kwargs.keys()) > len(self._others)


def _refuse_what_is_no_function(function: Any) -> None:
    if not inspect.isroutine(function) or isinstance(function, classmethod | staticmethod):
        raise TypeError(
            "@with_access_token(app) goes on a function or method, below @classmethod or"
            f" @staticmethod, not on {kind(function)}"
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"{function.__qualname__} is a generator: it cannot be called again")


def _index(function: Callable[..., Any], parameters: Any, name: str) -> int | None:
    """Return where it stands among the positional ones; None where it goes by name only."""
    if name not in parameters:
        if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            return None
        raise TypeError(
            f'{function.__qualname__} needs a parameter for the token: {name}: str = "", or name'
            " the one that it has with param="
        )
    sort = parameters[name].kind
    if sort in (Parameter.POSITIONAL_ONLY, Parameter.VAR_POSITIONAL):
        raise TypeError(f"{function.__qualname__} must take {name} by name")
    return list(parameters).index(name) if sort is Parameter.POSITIONAL_OR_KEYWORD else None


def _has_default(parameters: list[Parameter]) -> bool:
    return any(each.default is not each.empty for each in parameters)
