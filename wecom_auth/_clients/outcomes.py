"""What a function returned or raised: does it say that the token was rejected?"""

from collections.abc import Mapping
from typing import Any

import requests

from .._http.peeking import BODY_LIMIT
from .._http.verdict import errcode_of, parse, rejection

_NAMES = ("errcode", "err_code", "code")


def rejects(said: Any, codes: frozenset[int]) -> bool:
    """Whether this result or exception carries one of these errcodes.

    Args:
        said: a response of requests or httpx, a mapping with `errcode`, or an exception with
            `errcode`, `err_code`, `code`, or the `response`, or one it was raised from.
        codes: the errcodes that reject the token.
    """
    if said is None or isinstance(said, str | bytes | int | float | list):
        return False
    if isinstance(said, Mapping):
        return errcode_of(said) in codes
    if isinstance(said, requests.Response):
        return rejection(said, codes, stream=True) is not None
    if isinstance(said, Exception):
        return _of_error(said, codes)
    return _of_foreign_response(said, codes)


def _of_error(error: Exception, codes: frozenset[int], depth: int = 3) -> bool:
    for name in _NAMES:
        code = getattr(error, name, None)
        if type(code) is int:
            return code in codes
    response = getattr(error, "response", None)
    if response is not None and not isinstance(response, Exception):
        return rejects(response, codes)
    cause = error.__cause__  # `raise MyError(...) from error`
    return depth > 0 and isinstance(cause, Exception) and _of_error(cause, codes, depth - 1)


def _of_foreign_response(said: Any, codes: frozenset[int]) -> bool:
    """An httpx response, or one like it; one that is still being streamed is left alone."""
    headers = getattr(said, "headers", None)
    if not isinstance(headers, Mapping) or getattr(said, "status_code", None) != 200:
        return False
    if "Content-Disposition" in headers or not getattr(said, "is_stream_consumed", True):
        return False
    try:
        body = said.content
    except Exception:  # what it raises while it streams is the library's own
        return False
    if not isinstance(body, bytes) or len(body) > BODY_LIMIT:
        return False
    return errcode_of(parse(body)) in codes
