"""Printing on any console, also one that knows GBK or ASCII only."""

import sys


def say(text: str, *, error: bool = False) -> None:
    """Print at once; what the console cannot show appears as its code.

    Args:
        text: what to print.
        error: to stderr.

    Example:
        >>> say("done")
        done
    """
    stream = sys.stderr if error else sys.stdout
    encoding = getattr(stream, "encoding", None) or "ascii"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
