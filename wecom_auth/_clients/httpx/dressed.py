"""Let errors of a call be found as the library's own, and show no token."""

from collections.abc import Iterator
from typing import Any

from wecom_auth._clients.dressed import dress
from wecom_auth._http.redaction import redact
from wecom_auth.errors import TokenConnectionError, TokenTimeout, WeComError


def dress_as(error: WeComError, library: Any, request: Any) -> WeComError:
    """Return the same error as one that `except httpx.HTTPError` finds as well.

    Args:
        error: what getting a token has raised.
        library: httpx or httpx2.
        request: the call that got no token.
    """
    return dress(error, getattr(library, _base(error)), _request=request)


def _base(error: WeComError) -> str:
    if isinstance(error, TokenTimeout):
        return "TimeoutException"
    return "ConnectError" if isinstance(error, TokenConnectionError) else "RequestError"


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
