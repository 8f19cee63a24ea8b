"""Was an exception raised by a signal handler? Then it is the caller's, and nobody's failure."""

import signal
from collections.abc import Iterator
from types import CodeType, TracebackType


def is_interruption(error: BaseException) -> bool:
    """Whether a signal handler raised this, as Celery's for its soft time limit.

    The handler then stands in the traceback. It is not seen where it is an object with `__call__`
    or was exchanged meanwhile, or where a library has put an exception of its own in the place.

    Example:
        >>> is_interruption(OSError("the disk is full"))
        False
    """
    handlers = _handlers()
    return any(code in handlers for code in _codes(error.__traceback__))


def _handlers() -> set[CodeType | None]:
    """The code of every Python function or method that handles a signal now."""
    handlers = (signal.getsignal(number) for number in signal.valid_signals())
    return {getattr(each, "__code__", None) for each in handlers}


def _codes(traceback: TracebackType | None) -> Iterator[CodeType]:
    while traceback is not None:
        yield traceback.tb_frame.f_code
        traceback = traceback.tb_next
