"""Look for an errcode in what a decorated function returned or raised."""

import inspect
from collections.abc import Mapping
from http.client import HTTPResponse
from typing import Any

import requests
import urllib3

from .._http import verdict
from .requests.answer import verdict as verdict_of
from .requests.peek import peek_raw

_OF_ERRORS = ("errcode", "err_code", "code")
_FEW = 3
"""Items of a tuple that is `(status, json)` and the like."""

_NO_ANSWERS = (str, bytes, int, float, list, type(None))


class Unreadable(Exception):
    """Say that this is an answer, and nobody can look into it any more, or yet."""


def errcode_of(said: Any, codes: frozenset[int]) -> int | None:
    """Return the errcode that this result or exception carries if it is one of these, else None.

    Args:
        said: a response of requests, httpx, urllib or urllib3, a mapping or an object with
            `errcode`, a tuple of a few of these, or an exception with `errcode`, `err_code`,
            `code`, or the `response`, or one it was raised from.
        codes: the errcodes that are looked for.

    Raises:
        Unreadable: it is an answer whose body cannot be seen.
    """
    if isinstance(said, _NO_ANSWERS):
        return None
    if isinstance(said, Mapping):
        return _if_among(verdict.errcode_of(said), codes)
    if isinstance(said, requests.Response):
        return verdict_of(said, codes, stream=True)
    if isinstance(said, tuple):
        return _first(said, codes)
    if isinstance(said, Exception):
        return _of_error(said, codes)
    if inspect.isawaitable(said):  # a plain function that returns a coroutine
        raise Unreadable
    code = _attribute(said, "errcode")
    return _if_among(code, codes) if type(code) is int else _of_foreign_response(said, codes)


async def read_ahead(said: Any, codes: frozenset[int]) -> bytes | None:
    """Return the body of a small JSON answer that has to be awaited (aiohttp's), else None.

    It keeps the body: who returned it unread can read it as before.
    """
    headers = _attribute(said, "headers")
    read = _attribute(said, "read")
    if not isinstance(headers, Mapping) or not inspect.iscoroutinefunction(read):
        return None
    if _status(said) != 200 or not verdict.may_hold_errcode(headers, codes):
        return None
    try:
        body = await read()
    except Exception:  # what it raises is the library's own, and is met again by its reader
        return None
    return body if isinstance(body, bytes) else None


def _first(said: tuple[Any, ...], codes: frozenset[int]) -> int | None:
    for each in said[:_FEW] if len(said) <= _FEW else ():
        if not isinstance(each, tuple) and (code := errcode_of(each, codes)) is not None:
            return code
    return None


def _if_among(code: int | None, codes: frozenset[int]) -> int | None:
    return code if code in codes else None


def _attribute(said: Any, name: str) -> Any:
    """Return an attribute; None where there is none: a user's property may raise anything."""
    try:
        return getattr(said, name, None)
    except Exception:
        return None


def _of_error(error: Exception, codes: frozenset[int], depth: int = 3) -> int | None:
    for name in _OF_ERRORS:
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


def _status(said: Any) -> Any:
    status = _attribute(said, "status_code")
    return _attribute(said, "status") if status is None else status


def _of_foreign_response(said: Any, codes: frozenset[int]) -> int | None:
    """Look into a response of another library, or one like it; leave alone what is streamed."""
    headers = _attribute(said, "headers")
    if not callable(_attribute(headers, "get")) or _status(said) != 200:
        return None
    body = _body_of(said)
    if isinstance(body, bytes):
        return verdict.errcode_in(body, codes, headers)
    if verdict.may_hold_errcode(headers, codes):
        raise Unreadable
    return None


def _body_of(said: Any) -> Any:
    """Return the body if it can be seen without taking it away: httpx, urllib3, urllib."""
    if _attribute(said, "status_code") is not None:
        return _attribute(said, "content") if getattr(said, "is_stream_consumed", True) else None
    body = _attribute(said, "_body")  # urllib3's and aiohttp's, once it has been read
    if isinstance(body, bytes):
        return body
    if isinstance(said, urllib3.HTTPResponse):
        return peek_raw(said)
    return _of_urllib(said) if isinstance(said, HTTPResponse) else None


def _of_urllib(said: HTTPResponse) -> bytes | None:
    try:
        return said.peek(verdict.BODY_LIMIT) or None  # nothing where it has been read
    except OSError:
        return None
