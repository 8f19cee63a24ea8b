"""Errors of a call: found as the library's own, and without the token."""

from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from typing import Any

from wecom_auth._http.redaction import redact
from wecom_auth.errors import TokenConnectionError, TokenTimeout, WeComError


def dress(error: WeComError, library: Any, request: Any) -> WeComError:
    """Return the same error as one that `except httpx.HTTPError` finds as well.

    Args:
        error: what getting a token has raised.
        library: httpx or httpx2.
        request: the call that got no token.
    """
    if issubclass(type(error), library.HTTPError):
        return error
    base = _base(error)
    state = {**vars(error), "_request": request}
    dressed: WeComError = _restore(type(error), library.__name__, base, error.args, state)
    dressed.__traceback__ = error.__traceback__
    return dressed


def _base(error: WeComError) -> str:
    if isinstance(error, TokenTimeout):
        return "TimeoutException"
    return "ConnectError" if isinstance(error, TokenConnectionError) else "RequestError"


def _restore(
    kind: Any, library: str, base: str, args: tuple[Any, ...], state: dict[str, Any]
) -> WeComError:
    try:
        cls = _pair(kind, library, base)
    except ImportError:  # unpickled where the library is not installed
        cls = kind
    error: WeComError = cls.__new__(cls)
    error.args = args
    vars(error).update(state)
    vars(error).pop("request", None)  # the library's property answers
    return error


@lru_cache(maxsize=256)
def _pair(kind: Any, library: str, base: str) -> Any:
    def reduce(self: WeComError) -> tuple[Any, ...]:
        return _restore, (kind, library, base, self.args, dict(vars(self)))

    names = {"__module__": kind.__module__, "__doc__": kind.__doc__, "__reduce__": reduce}
    return type(kind.__name__, (kind, getattr(import_module(library), base)), names)


def clean_error(error: Exception, token: str) -> Exception | None:
    """Return a new error of the same type without this token; None where it does not show it.

    Raise it *outside* the `except` block that caught the old one: inside, Python would keep
    the old one as `__context__`, text and URL and all.
    """
    if not any(token in f"{each}{each.args}" for each in _chain(error)):
        return None
    clean = type(error).__new__(type(error))
    clean.args = tuple(redact(str(each), token) for each in error.args)
    vars(clean)["_request"] = None  # the client sets its own
    return clean


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
