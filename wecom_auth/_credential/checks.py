"""What a credential is made of, looked at when it is made: what cannot work is refused there."""

from inspect import iscoroutinefunction


def kind(value: object) -> str:
    """What to call it in an error; never its repr, which may show a secret."""
    return "None" if value is None else type(value).__name__


def text(name: str, value: object) -> str:
    """The text without the blanks around it.

    Raises:
        TypeError, ValueError: it is none, it is empty, or it cannot be sent.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {kind(value)}")
    if not value.strip():
        raise ValueError(f"{name} is empty: is the variable or setting it comes from set?")
    if not (usable := token(value)):  # os.environ makes surrogates of bytes that are not UTF-8
        raise ValueError(f"{name} holds bytes that are not UTF-8: set it again, as text")
    return usable


def function(name: str, value: object) -> None:
    """Raises TypeError unless this can be called, not awaited, and told apart by its hash."""
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
    """The text that can go into a URL, without the blanks around it; empty where it is none.

    JSON may hold half of a surrogate pair, which UTF-8 cannot.
    """
    if not isinstance(value, str) or any("\ud800" <= each <= "\udfff" for each in value):
        return ""
    return value.strip()
