"""Authorise what a session sends, by an adapter around the one it has."""

from collections.abc import MutableMapping
from typing import Any, TypeVar
from weakref import ref

import requests
from requests.adapters import BaseAdapter, HTTPAdapter

from ..._call.retry import ONLY_TOKENS, Answered, Retry
from ..._call.route import Route
from ..._credential.credential import Credential
from ..._http import query
from ..._http.scope import PLATFORM, mounts
from ..._source.source import TokenSource
from ..routed import Routed
from .answer import verdict
from .auth import is_authorised
from .call import Call
from .hide import at_url, hide_token, visible_request
from .send import by_name, has_passed, send_clean, send_on

S = TypeVar("S", bound=requests.Session)


class WeComAdapter(Routed, BaseAdapter):
    """Put a valid `access_token` into the calls of a session, as a transport adapter.

    Mount it yourself, or let `attach` do that. The token is not to be seen in the response, in
    its request, or in a connection error.

    Args:
        source: a `TokenSource`, or a credential.
        inner: the adapter that sends; an `HTTPAdapter` of its own if none is given.
        retry: errcodes to retry beside those that reject the token.

    Raises:
        TypeError: for anything else.

    Example:
        >>> session = requests.Session()
        >>> session.mount("https://qyapi.weixin.qq.com/", WeComAdapter(app))  # doctest: +SKIP
    """

    def __init__(
        self,
        source: TokenSource | Credential | Route,
        inner: BaseAdapter | None = None,
        *,
        retry: Retry = ONLY_TOKENS,
    ) -> None:
        Routed.__init__(self, source, retry=retry)
        if inner is not None and (isinstance(inner, type) or not hasattr(inner, "send")):
            raise TypeError(f"inner must be a requests adapter, not {type(inner).__name__}")
        self._inner = inner or HTTPAdapter()

    def send(
        self, request: requests.PreparedRequest, *args: Any, **options: Any
    ) -> requests.Response:
        """Send the request, with a token if it is a WeCom call; once more if that is rejected.

        Args:
            request: as requests has prepared it; it is not changed.
            args, options: `stream`, `timeout`, `verify`, `cert` and `proxies`, as requests gives
                them; the inner adapter gets what was given.

        Raises:
            CredentialError, TokenUnavailable: no token could be had.
            requests.RequestException: as the inner adapter raises it, without the token.
        """
        if args:
            options = by_name(args, options)
        url = request.url or ""
        inner, found = self._inner_for(url), self.route.match(url, request)
        if found is None:
            return send_on(inner, request, options, self)
        source, name = found
        if is_authorised(request) or (name in url and has_passed(self, url)):
            return send_clean(inner, visible_request(request, name), options, request, self)
        visible, token, first = request, source.ready(), None
        if name in url or "%" in url:  # %61ccess_token
            visible = _without_token(request, source, name)
            url = visible.url or ""
        if token is not None:
            outgoing = at_url(visible, query.append(url, name, token.escaped))
            response = send_clean(inner, visible, options, outgoing, self)
            codes = self._retry.beside(source.credential)
            code = verdict(response, codes, stream=bool(options.get("stream")))
            first = None if code is None else Answered(response, code)
        if token is None or first is not None:
            call = Call(inner, visible, options, source, name, self._retry, by=self)
            response = call.finish(token, first, self._session())
        response.connection = self  # type: ignore[assignment]
        return hide_token(response, visible, name)

    def _inner_for(self, url: str) -> BaseAdapter:
        return self._inner

    def _session(self) -> requests.Session | None:
        return None

    def close(self) -> None:
        """Close the inner adapter."""
        self._inner.close()

    def __getattr__(self, name: str) -> Any:
        # Loops over session.adapters ask for `poolmanager` and the like.
        if name == "_inner":  # while it is being copied or unpickled
            raise AttributeError(name)
        return getattr(self._inner, name)


def _without_token(
    request: requests.PreparedRequest, source: TokenSource, name: str
) -> requests.PreparedRequest:
    without, brought = query.take(request.url or "", name)
    if not brought:
        return request
    source.warn_of_foreign_token(brought)
    return at_url(request, without)


class SessionAdapter(WeComAdapter):
    """Serve a session that `attach` has mounted this on; its own adapter goes on sending.

    Args:
        route: the sources of the session's tokens.
        session: the session.
        prefix: at which it is mounted.
        inner: the adapter that stood in this place before; without one, the session's adapter
            for the next shorter prefix sends, so that a later `mount` there still counts.
        retry: as for `WeComAdapter`.
    """

    def __init__(
        self,
        route: Route,
        session: requests.Session,
        prefix: str,
        inner: BaseAdapter | None,
        retry: Retry,
    ) -> None:
        super().__init__(route, inner or _shorter(session.adapters, prefix), retry=retry)
        self._owner, self._prefix = ref(session), prefix
        self._adapters = session.adapters if inner is None else None

    def _session(self) -> requests.Session | None:
        return self._owner()

    def _inner_for(self, url: str) -> BaseAdapter:
        """Return the adapter that sends: one that is not sending this request already.

        Where another was put around this one in its place, it is the one that stood there at
        first: the session's others may be wrapped by the same, and would count the call twice.
        """
        adapters = self._adapters
        if adapters is None or adapters.get(self._prefix) is not self:
            return self._inner
        return _shorter(adapters, self._prefix, url) or self._inner

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_owner": self._owner()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        owner = state["_owner"]
        vars(self).update(state, _owner=_nobody if owner is None else ref(owner))


def _nobody() -> None:
    """Stand for the reference to a session that is gone."""


def _shorter(
    adapters: MutableMapping[str, BaseAdapter], prefix: str, url: str = ""
) -> BaseAdapter | None:
    """Return the session's adapter for the next shorter prefix, none of this package's."""
    for each, adapter in adapters.items():  # requests keeps the longest first
        is_shorter = len(each) < len(prefix) and prefix.startswith(each.lower())
        if not is_shorter or isinstance(adapter, WeComAdapter):
            continue
        if not (url and has_passed(adapter, url)):
            return adapter
    return None


def attach(session: S, route: Route, retry: Retry) -> S:
    """Mount adapters that carry this route's tokens; see `wecom_auth.attach`."""
    # The platform's own too: a call that goes past base_url is warned of.
    bases = dict.fromkeys([*route.base_urls, PLATFORM])
    ours = [prefix for base in bases for prefix in mounts(base)]
    there = {p: a for p, a in session.adapters.items() if p.lower().startswith(tuple(ours))}
    for prefix in [*ours, *there]:
        inner = there.get(prefix)
        if not isinstance(inner, WeComAdapter):
            session.mount(prefix, SessionAdapter(route, session, prefix, inner, retry))
    for base in route.base_urls:
        _refuse_a_detour(session, base)
    return session


def route_of(session: requests.Session) -> Route:
    """Return the route that this session carries already, or a new one."""
    for adapter in session.adapters.values():
        if isinstance(adapter, WeComAdapter):
            return adapter.route
    return Route()


def _refuse_a_detour(session: requests.Session, base_url: str) -> None:
    if not isinstance(session.get_adapter(f"{base_url}/"), WeComAdapter):
        raise ValueError(
            f"{type(session).__name__} has a get_adapter of its own that passes by what is mounted:"
            " set session.auth = WeComAuth(...) instead"
        )
