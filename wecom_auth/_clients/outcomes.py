"""Look for an errcode in what a decorated function returned or raised."""

from collections.abc import Mapping
from typing import Any

import requests

from .._http import verdict
from .requests.answer import verdict as verdict_of

_NAMES = ("errcode", "err_code", "code")


def errcode_of(said: Any, codes: frozenset[int]) -> int | None:
    """Return the errcode that this result or exception carries if it is one of these, else None.

    Args:
        said: a response of requests or httpx, a mapping with `errcode`, or an exception with
            `errcode`, `err_code`, `code`, or the `response`, or one it was raised from.
        codes: the errcodes that are looked for.
    """
    if said is None or isinstance(said, str | bytes | int | float | list):
        return None
    if isinstance(said, Mapping):
        return _if_among(verdict.errcode_of(said), codes)
    if isinstance(said, requests.Response):
        return verdict_of(said, codes, stream=True)
    if isinstance(said, Exception):
        return _of_error(said, codes)
    return _of_foreign_response(said, codes)


def _if_among(code: int | None, codes: frozenset[int]) -> int | None:
    return code if code in codes else None


def _of_error(error: Exception, codes: frozenset[int], depth: int = 3) -> int | None:
    for name in _NAMES:
        code = getattr(error, name, None)
        if type(code) is int:
            return _if_among(code, codes)
    response = getattr(error, "response", None)
    if response is not None and not isinstance(response, Exception):
        return errcode_of(response, codes)
    cause = error.__cause__  # `raise MyError(...) from error`
    if depth > 0 and isinstance(cause, Exception):
        return _of_error(cause, codes, depth - 1)
    return None


def _of_foreign_response(said: Any, codes: frozenset[int]) -> int | None:
    """Look into an httpx response, or one like it; leave alone one that is being streamed."""
    headers = getattr(said, "headers", None)
    if not isinstance(headers, Mapping) or getattr(said, "status_code", None) != 200:
        return None
    if not getattr(said, "is_stream_consumed", True):
        return None
    try:
        body = said.content
    except Exception:  # what it raises while it streams is the library's own
        return None
    return verdict.errcode_in(body, codes, headers) if isinstance(body, bytes) else None
