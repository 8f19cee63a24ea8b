"""Look at an answer of httpx that has been read, for `raise_for_errcode`."""

from contextlib import suppress
from functools import partial
from typing import Any

from wecom_auth._clients.httpx.library import kit_of
from wecom_auth._clients.httpx.wire import at_url
from wecom_auth._clients.raising import Seen
from wecom_auth._http import query
from wecom_auth._http.redaction import without


def seen(response: Any) -> Seen:
    """Return what can be seen of this answer; a stream that nobody has read stays unread."""
    library = kit_of(response).library
    request = None
    with suppress(RuntimeError):  # one made by hand, in a test
        request = response.request
    sent = b""
    with suppress(library.RequestNotRead):  # an upload
        sent = b"" if request is None else request.content
    return Seen(
        response.status_code,
        response.headers,
        partial(_read, library, response),
        False,
        getattr(request, "method", ""),
        str(getattr(request, "url", "")),
        sent,
        partial(_part, library, response, request),
    )


def _read(library: Any, response: Any) -> bytes | None:
    try:
        content: bytes = response.content
    except library.ResponseNotRead:
        return None
    return content


def _part(library: Any, response: Any, request: Any) -> Any:
    """Take the token out of the answer, and return the request that may be shown."""
    url, tokens = query.take(str(getattr(request, "url", "")), "access_token")
    if not tokens:
        return request
    response.request = at_url(request, library.URL(url))
    for name, value in response.headers.multi_items():
        is_url = name.lower() in ("location", "content-location")
        clean = without(query.drop(value, "access_token") if is_url else value, tokens)
        if clean != value:
            response.headers[name] = clean
    return response.request
