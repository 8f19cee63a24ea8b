"""Let a client's own `except` clause find the errors of a call as well."""

from functools import lru_cache
from importlib import import_module
from typing import Any

from wecom_auth.errors import WeComError


def dress(error: WeComError, base: type[Exception], **state: Any) -> WeComError:
    """Return the same error as one that is also of this class.

    Raise it *outside* the `except` block: the error that it stands for is no context of it.

    Args:
        error: what getting a token has raised.
        base: a class of the client's library.
        state: attributes that this class has.
    """
    where = base.__module__, base.__name__
    kind: Any = type(error)
    dressed = _restore(kind, where, error.args, {**vars(error), **state})
    dressed.__traceback__ = error.__traceback__
    return dressed


def _restore(
    kind: Any, where: tuple[str, str], args: tuple[Any, ...], state: dict[str, Any]
) -> WeComError:
    try:
        cls = _pair(kind, *where)
    except ImportError:  # unpickled where the library is not installed
        cls = kind
    error: WeComError = cls.__new__(cls)
    error.args = args
    vars(error).update(state)
    return error


@lru_cache(maxsize=256)
def _pair(kind: Any, module: str, name: str) -> Any:
    def reduce(self: WeComError) -> tuple[Any, ...]:
        return _restore, (kind, (module, name), self.args, dict(vars(self)))

    def text(self: WeComError) -> str:
        return str(self.args[0]) if self.args else ""

    names = {"__module__": kind.__module__, "__doc__": kind.__doc__}
    base = getattr(import_module(module), name)
    return type(kind.__name__, (kind, base), {**names, "__reduce__": reduce, "__str__": text})
