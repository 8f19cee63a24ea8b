"""Authorise one call, or a session's, by an auth."""

from functools import partial
from threading import get_ident
from typing import Any
from urllib.parse import urljoin

import requests
from requests.auth import AuthBase

from ..._call.retry import ONLY_TOKENS, Answered, Retry
from ..._call.route import warn_of_bypass
from ..._credential.credential import Credential
from ..._credential.token import carried
from ..._http import query
from ..._source.source import TokenSource, as_source
from .answer import verdict
from .call import Call
from .hide import at_url, clean_echo, hide_token
from .send import SEND_OPTIONS, way_before


class WeComAuth(AuthBase):
    """Authorise WeCom calls: `requests.get(url, auth=WeComAuth(app))`, or `session.auth = …`.

    Calls to other hosts, webhooks and token endpoints pass untouched. A rejected token is
    replaced and the call is made again, once. Where a connection fails, requests itself raises
    the error, with the token in its text and its `request.url`; `attach` hides it there as well.

    Args:
        source: a `TokenSource`, or a credential.
        retry: errcodes to retry beside those that reject the token.

    Raises:
        TypeError: for anything else.

    Example:
        >>> requests.get(url, auth=WeComAuth(app)).json()  # doctest: +SKIP
    """

    def __init__(self, source: TokenSource | Credential, *, retry: Retry = ONLY_TOKENS) -> None:
        self.source = as_source(source)
        self._retry = retry

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the token in; requests calls this when it prepares the request."""
        url = request.url or ""
        if not isinstance(url, str):  # httpx calls whatever can be called with its own request
            raise TypeError(
                "this WeComAuth is for requests: with httpx and httpx2 use"
                " wecom_auth.httpx.WeComAuth"
            )
        name = self.source.credential.parameter_for(url)
        if name is None:
            warn_of_bypass(url, self.source.credential)
            return request
        without, foreign = query.take(url, name)
        if foreign:
            self.source.warn_of_foreign_token(foreign)
        token = self.source.ready() or self.source.get(via=way_before(request))
        request.url = query.append(without, name, token.escaped)
        answered = _Answered(self.source, self._retry, (name, without, hash(request.url)))
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
    """Return whether a `WeComAuth` looks after this request."""
    hooks: Any = getattr(request, "hooks", None)  # a request out of a cache has none
    found = hooks and hooks.get("response")
    return bool(found) and any(isinstance(hook, _Answered) for hook in found)


def _others(request: requests.PreparedRequest) -> list[Any]:
    """Return the response hooks of others; another app's hook may stand before this one."""
    hooks: Any = getattr(request, "hooks", None)
    found = hooks and hooks.get("response")
    return [hook for hook in found if not isinstance(hook, _Answered)] if found else []


class _Answered:
    """Retry what was rejected, and hide the token, as a response hook.

    It rides along on redirects, runs in whatever thread sends, and runs twice under requests-cache.
    It knows the authorised URL by its hash and keeps no token: the exception of a failed call holds
    the request, and by way of its hooks whatever is kept here.

    Args:
        source: of the token.
        retry: errcodes to retry beside those that reject the token.
        sent: the parameter, the URL without it, and the hash of the URL with it.
    """

    __slots__ = ("_codes", "_redirects", "_retry", "_sent", "_source")

    def __init__(self, source: TokenSource, retry: Retry, sent: tuple[str, str, int]) -> None:
        self._source, self._retry, self._sent = source, retry, sent
        self._codes = retry.beside(source.credential)
        self._redirects: dict[int, requests.Response] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is pickled with its request, hooks and all: the secret stays here.
        return partial, (_as_it_is,)

    def __deepcopy__(self, memo: object) -> "_Answered":
        return _Answered(self._source, self._retry, self._sent)

    def __call__(self, response: requests.Response, **options: Any) -> requests.Response:
        request = response.request
        if request is None:  # an adapter of the user's own, which answers by itself
            return response
        name, without, ours = self._look_at(request.url or "")
        visible = at_url(request, without)
        visible.hooks = {"response": _others(request)}  # so that a pickle holds no secret
        if ours:
            stream = bool(options.get("stream"))
            code = verdict(response, self._codes, stream=stream)
            if code is not None:
                answered = Answered(response, code)
                response = self._retried(answered, request, visible, name, options)
        hide_token(response, visible, name)
        self._clean_redirect_to_here(name)
        if response.status_code != 200 and response.is_redirect:
            self._authorise_redirect(response, request.url or "")
        return response

    def _look_at(self, url: str) -> tuple[str, str, bool]:
        """Return the parameter, the URL without it, and whether its token is of this source."""
        name, without, authorised = self._sent
        if hash(url) == authorised:
            return name, without, True
        here = self._source.credential.parameter_for(url)  # a redirect may lead to another host
        without, sent = query.take(url, here or name)
        return here or name, without, here is not None and bool(sent)

    def _retried(
        self,
        answered: Answered,
        request: requests.PreparedRequest,
        visible: requests.PreparedRequest,
        name: str,
        options: dict[str, Any],
    ) -> requests.Response:
        """Return the answer to the call with a fresh token."""
        response: requests.Response = answered.answer
        connection = getattr(response, "connection", None)
        if connection is None:  # an answer out of a cache
            return response
        known = {each: options[each] for each in SEND_OPTIONS if each in options}
        sent = carried(query.find(request.url or "", name)[-1])
        call = Call(connection, visible, known, self._source, name, self._retry, response.elapsed)
        return call.finish(sent, answered)

    def _clean_redirect_to_here(self, name: str) -> None:
        followed = self._redirects.pop(get_ident(), None) if self._redirects else None
        if followed is not None:
            clean_echo(followed, name)

    def _authorise_redirect(self, response: requests.Response, url: str) -> None:
        """Give a redirect within the platform a token: requests takes the next URL from here.

        It is followed by the thread that met it; another may be sending the same request.
        """
        location = response.headers["Location"]
        target = urljoin(url, location)
        name = self._source.credential.parameter_for(target)
        if location and name is not None:  # an empty one is not followed
            token = self._source.get().value
            response.headers["Location"] = query.put(target, name, token)
            self._redirects[get_ident()] = response


def _as_it_is(response: requests.Response, **options: Any) -> requests.Response:
    """Stand for an `_Answered` in a pickle."""
    return response
