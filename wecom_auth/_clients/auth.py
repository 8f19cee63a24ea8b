"""The auth class: one call, or a session's `auth`."""

from functools import partial
from threading import get_ident
from typing import Any
from urllib.parse import urljoin

import requests
from requests.auth import AuthBase

from .._call.replay import replay
from .._credential.credentials import Credential
from .._http import query
from .._http.redaction import clean_location, hide_token, twin
from .._http.verdict import rejection
from .._source.source import TokenSource, as_source
from .sending import SEND_OPTIONS, call_limit, send_clean


class WeComAuth(AuthBase):
    """Authorises WeCom calls: `requests.get(url, auth=WeComAuth(app))`, or `session.auth = …`.

    Calls to other hosts, webhooks and token endpoints pass untouched. A rejected token is
    replaced and the call is made again, once. Where a connection fails, requests itself raises
    the error, with the token in its text and its `request.url`; `attach` hides it there as well.

    Args:
        source: a `TokenSource`, or a credential.

    Raises:
        TypeError: for anything else.

    Example:
        >>> requests.get(url, auth=WeComAuth(app)).json()  # doctest: +SKIP
    """

    def __init__(self, source: TokenSource | Credential) -> None:
        self.source = as_source(source)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the token in; requests calls this when it prepares the request."""
        credential, url = self.source.credential, request.url or ""
        if not credential.covers(url):
            return request
        without, foreign = query.take(url, credential.parameter)
        if foreign:
            self.source.warn_of_foreign_token(foreign)
        token = self.source.ready() or self.source.get()
        request.url = query.append(without, credential.parameter, token.escaped)
        answered = _Answered(self.source, without, hash(request.url))
        request.hooks["response"] = [*_others(request), answered]
        return request

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WeComAuth):
            return NotImplemented
        return self.source == other.source

    def __hash__(self) -> int:
        return hash(self.source)

    def __repr__(self) -> str:
        return f"WeComAuth({self.source!r})"


def is_authorised(request: requests.PreparedRequest) -> bool:
    """Whether a `WeComAuth` looks after this request."""
    hooks: Any = getattr(request, "hooks", None)  # a request out of a cache has none
    found = hooks and hooks.get("response")
    return bool(found) and any(isinstance(hook, _Answered) for hook in found)


def _others(request: requests.PreparedRequest) -> list[Any]:
    """The response hooks that are not ours, or another app's before us."""
    hooks: Any = getattr(request, "hooks", None)
    found = hooks and hooks.get("response")
    return [hook for hook in found if not isinstance(hook, _Answered)] if found else []


class _Answered:
    """The response hook: replays what was rejected, and hides the token.

    It rides along on redirects, runs in whatever thread sends, and runs twice under requests-cache.
    It knows the authorised URL by its hash and keeps no token: the exception of a failed call holds
    the request, and by way of its hooks whatever is kept here.

    Args:
        source: of the token.
        without: the URL without it.
        authorised: the hash of the URL with it.
    """

    __slots__ = ("_authorised", "_redirects", "_source", "_without")

    def __init__(self, source: TokenSource, without: str, authorised: int) -> None:
        self._source = source
        self._without, self._authorised = without, authorised
        self._redirects: dict[int, requests.Response] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is pickled with its request, hooks and all: the secret stays here.
        return partial, (_as_it_is,)

    def __deepcopy__(self, memo: object) -> "_Answered":
        return _Answered(self._source, self._without, self._authorised)

    def __call__(self, response: requests.Response, **options: Any) -> requests.Response:
        request, credential = response.request, self._source.credential
        if request is None:  # an adapter of the user's own, which answers by itself
            return response
        url = request.url or ""
        if hash(url) == self._authorised:
            without, ours = self._without, True
        else:  # a redirect may have led to another host
            without, sent = query.take(url, credential.parameter)
            ours = bool(sent) and credential.covers(url)
        visible = twin(request, without)
        visible.hooks = {"response": _others(request)}  # so that a pickle holds no secret
        if ours:
            stream = bool(options.get("stream"))
            if rejection(response, credential.rejections, stream=stream) is not None:
                response = self._replay(response, request, visible, options)
        hide_token(response, visible, credential.parameter)
        followed = self._redirects.pop(get_ident(), None) if self._redirects else None
        if followed is not None:  # to here
            clean_location(followed, credential.parameter, ())
        if response.status_code != 200 and response.is_redirect:
            self._authorise_redirect(response, url)
        return response

    def _replay(
        self,
        response: requests.Response,
        request: requests.PreparedRequest,
        visible: requests.PreparedRequest,
        options: dict[str, Any],
    ) -> requests.Response:
        connection = getattr(response, "connection", None)
        if connection is None:  # an answer out of a cache
            return response
        known = {name: options[name] for name in SEND_OPTIONS if name in options}
        send = partial(send_clean, connection, visible, known)
        sent = query.find(request.url or "", self._source.credential.parameter)[-1]
        stream = bool(options.get("stream"))
        limit = call_limit(options.get("timeout"))
        return replay(self._source, response, request, sent, send, stream=stream, timeout=limit)

    def _authorise_redirect(self, response: requests.Response, url: str) -> None:
        """A redirect within the platform gets a token: requests takes the next URL from here.

        It is followed by the thread that met it; another may be sending the same request.
        """
        location = response.headers["Location"]
        target = urljoin(url, location)
        credential = self._source.credential
        if location and credential.covers(target):  # an empty one is not followed
            token = self._source.get().value
            response.headers["Location"] = query.put(target, credential.parameter, token)
            self._redirects[get_ident()] = response


def _as_it_is(response: requests.Response, **options: Any) -> requests.Response:
    """What is left of an `_Answered` in a pickle."""
    return response
