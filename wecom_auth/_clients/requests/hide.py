"""Hide the token in what requests shows: requests, answers, errors."""

from collections.abc import Iterable
from urllib.parse import unquote

import requests

from ..._http import query
from ..._http.redaction import redact, without


def visible_request(request: requests.PreparedRequest, name: str) -> requests.PreparedRequest:
    """Return the request, or a copy of it without the parameter if its URL holds that."""
    url = query.drop(request.url or "", name)
    return request if url == request.url else at_url(request, url)


def at_url(request: requests.PreparedRequest, url: str) -> requests.PreparedRequest:
    """Return the same request at another URL; it shares headers and body with the original.

    `PreparedRequest.copy` would copy the headers and cookies as well, 10 microseconds a call.
    """
    other = object.__new__(type(request))
    other.__dict__ = request.__dict__.copy()
    other.url = url
    return other


def hide_token(
    response: requests.Response, visible: requests.PreparedRequest, name: str
) -> requests.Response:
    """Make the response show `visible` in place of the request that carried the token."""
    sent = getattr(response.request, "url", None) or ""
    response.request = visible
    response.url = visible.url or ""
    raw = response.raw
    url = getattr(raw, "url", None)
    if isinstance(url, str):
        # Usually the path and query of what was sent; the visible URL, cut at the same place, is
        # then what it should be, and nothing need be parsed.
        cut = len(sent) - len(url) if sent.endswith(url) else None
        raw.url = query.drop(url, name) if cut is None else response.url[cut:]
    retries = getattr(raw, "retries", None)
    if retries is not None and getattr(retries, "history", None):
        raw.retries = retries.new(history=())
    if response.status_code != 200:
        clean_location(response, name, query.find(sent, name))
    return response


def clean_location(response: requests.Response, name: str, tokens: Iterable[str]) -> None:
    """Take the token out of `Location`, in which a proxy may echo the URL that it was asked for.

    It may echo the query, or the whole URL in a parameter of its own (`?return=`, `?service=`).
    """
    for headers in (response.headers, getattr(response.raw, "headers", {})):
        location = headers.get("Location") or ""
        clean = without(query.drop(location, name), tokens)
        if clean != location:
            headers["Location"] = clean


def clean_error(
    error: requests.RequestException, visible: requests.PreparedRequest, *secrets: str
) -> requests.RequestException:
    """Return a new exception of the same type, without token, cause, context or response.

    What it says of itself in plain attributes, its own `str` may want; the rest may hold anything.
    Raise it *outside* the `except` block that caught the old one: inside, Python would keep
    the old one as `__context__`, text and URL and all.
    """
    kind = type(error)
    text = redact(str(error), *secrets)
    clean = kind.__new__(kind, text)
    clean.args = (text,)
    for name, value in vars(error).items():
        if isinstance(value, str | int | float | None):
            setattr(clean, name, redact(value, *secrets) if isinstance(value, str) else value)
    clean.request, clean.response = visible, None
    return clean


def hidden(request: requests.PreparedRequest, visible: requests.PreparedRequest) -> list[str]:
    """Return what the query of the one holds and that of the other does not: the token."""
    sent, shown = ((each.url or "").partition("?")[2].split("&") for each in (request, visible))
    return [unquote(piece.partition("=")[2]) for piece in sent if piece not in shown]
