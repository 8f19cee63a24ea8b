"""Check what a credential is made of when it is made: refuse there what cannot work."""

from collections.abc import Callable
from hashlib import sha256
from inspect import iscoroutinefunction


def kind(value: object) -> str:
    """Return a name for its kind in an error; never its repr, which may show a secret."""
    return "None" if value is None else type(value).__name__


def text(name: str, value: object) -> str:
    """Return the text without the blanks around it.

    Raises:
        TypeError, ValueError: it is none, it is empty, or it cannot be sent.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {kind(value)}")
    if not value.strip():
        raise ValueError(f"{name} is empty: is the variable or setting it comes from set?")
    if not is_text(value):
        raise ValueError(f"{name} holds bytes that are not UTF-8: set it again, as text")
    return value.strip()


def is_text(value: str) -> bool:
    """Return whether this can be encoded: os.environ makes surrogates of odd bytes."""
    return not any("\ud800" <= each <= "\udfff" for each in value)


def function(name: str, value: object) -> None:
    """Raise TypeError unless this can be called, not awaited, and told apart by its hash."""
    if iscoroutinefunction(value):
        raise TypeError(f"{name} must be a plain function, not a coroutine function")
    if not callable(value):
        raise TypeError(f"{name} must be a plain function, not {kind(value)}")
    if type(value).__hash__ is None:
        raise TypeError(
            f"{name} must be hashable, and {kind(value)} has __eq__ without __hash__: define both"
            " (a dataclass: @dataclass(frozen=True)), or pass one of its methods"
        )


def token(value: object) -> str:
    """Return the token without the blanks around it; empty where it is none.

    A token is printable ASCII: whatever else a gateway sends would end up in somebody's f-string.
    """
    if not isinstance(value, str):
        return ""
    stripped = value.strip()
    return stripped if stripped.isascii() and stripped.isprintable() else ""


def secret(name: str, value: object) -> str | Callable[[], str]:
    """Return a secret, or the function that gives it; as `text` and `function` check them."""
    if isinstance(value, str) or not callable(value):
        return text(name, value)
    function(name, value)
    return value


def ask(name: str, value: str | Callable[[], str]) -> str:
    """Return the secret as it stands now; what a function raises reaches its author."""
    return value if isinstance(value, str) else text(f"what {name} returned", value())


def identity(value: str | Callable[[], str]) -> str:
    """Return what names a secret in a key: the text itself, or the function, never its result."""
    if isinstance(value, str):
        return value
    named = getattr(value, "identity", None)
    if isinstance(named, str):
        return named
    where = getattr(value, "__module__", ""), getattr(value, "__qualname__", type(value).__name__)
    return f"function:{where[0]}.{where[1]}"


def digest(value: str) -> str:
    """Return enough of a hash to tell two secrets apart."""
    return sha256(value.encode()).hexdigest()[:16]


def agentid(value: object) -> int:
    """Return an agentid as the platform takes it: a number.

    Raises:
        TypeError, ValueError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError(f"agentid must be a number, as on the app's page, not {kind(value)}")
    if isinstance(value, str) and not (value.isascii() and value.isdecimal()):
        raise ValueError("agentid must be a number, as on the app's page, without blanks")
    return int(value)
