"""The session adapter: it authorises what a session sends, around the adapter it has."""

from collections.abc import Iterable, MutableMapping
from functools import partial
from typing import Any, TypeVar

import requests
from requests.adapters import BaseAdapter, HTTPAdapter

from .._call.replay import replay
from .._credential.credentials import Credential
from .._http import query
from .._http.redaction import hide_token, twin, visible_request
from .._http.scope import mounts
from .._http.verdict import rejection
from .._source.source import Store, TokenSource, as_source
from .auth import is_authorised
from .sending import by_name, by_way_of, send_clean

Session = TypeVar("Session", bound=requests.Session)


class WeComAdapter(BaseAdapter):
    """A transport adapter that puts a valid `access_token` into the calls it sends.

    Mount it yourself, or let `attach` do that. The token is not to be seen in the response, in
    its request, or in a connection error.

    Args:
        source: a `TokenSource`, or a credential.
        inner: the adapter that sends; an `HTTPAdapter` of its own if none is given.

    Raises:
        TypeError: for anything else.

    Example:
        >>> session = requests.Session()
        >>> session.mount("https://qyapi.weixin.qq.com/", WeComAdapter(app))  # doctest: +SKIP
    """

    def __init__(self, source: TokenSource | Credential, inner: BaseAdapter | None = None) -> None:
        super().__init__()
        if inner is not None and not isinstance(inner, BaseAdapter):
            raise TypeError(f"inner must be a requests adapter, not {type(inner).__name__}")
        self.source = as_source(source)
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
        inner, source, credential = self._inner_for(request), self.source, self.source.credential
        name, url = credential.parameter, request.url or ""
        if args:
            options = by_name(args, options)
        if is_authorised(request):
            return send_clean(inner, visible_request(request, name), options, request)
        if not credential.covers(url):
            return inner.send(request, **options)
        may_bring_one = name in url or "%" in url  # %61ccess_token
        visible = self._without_token(request) if may_bring_one else request
        token = source.ready() or source.get(**by_way_of(inner, options))
        outgoing = twin(request, query.append(visible.url or "", name, token.escaped))
        response = send_clean(inner, visible, options, outgoing)
        stream = bool(options.get("stream"))
        if rejection(response, credential.rejections, stream=stream) is not None:
            again, way = partial(send_clean, inner, visible, options), by_way_of(inner, options)
            response = replay(source, response, outgoing, token.value, again, stream=stream, **way)
        response.connection = self  # type: ignore[assignment]
        return hide_token(response, visible, name)

    def _inner_for(self, request: requests.PreparedRequest) -> BaseAdapter:
        return self._inner

    def _without_token(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        url, brought = query.take(request.url or "", self.source.credential.parameter)
        if not brought:
            return request
        self.source.warn_of_foreign_token(brought)
        return twin(request, url)

    def close(self) -> None:
        """Close the inner adapter."""
        self._inner.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.source!r})"


class _SessionAdapter(WeComAdapter):
    """Sends through what the session would use without it, so a later `mount` still counts."""

    def __init__(self, source: TokenSource, adapters: MutableMapping[str, BaseAdapter]) -> None:
        super().__init__(source)
        self._adapters = adapters

    def _inner_for(self, request: requests.PreparedRequest) -> BaseAdapter:
        url = request.url or ""
        for prefix, adapter in self._adapters.items():  # requests keeps the longest first
            if isinstance(adapter, WeComAdapter):
                continue
            if url.startswith(prefix) or url.lower().startswith(prefix.lower()):
                return adapter
        return self._inner


def attach(
    session: Session, source: TokenSource | Credential, *, store: Store | None = None
) -> Session:
    """Let this session authorise its WeCom calls; everything else of it stays as it is.

    The adapter that the session has for the credential's base URL goes on sending, with its
    pool, retries, TLS context and proxies, and it sends gettoken as well. Attaching the same
    credential again does nothing. An adapter that is mounted later at `https://` still counts;
    one at the base URL itself, or below it, takes our place: mount that one before you attach.

    Args:
        session: any `requests.Session`.
        source: a `TokenSource`, or a credential.
        store: with a credential: a store that processes share, or its URL.

    Returns:
        The session.

    Raises:
        TypeError, ValueError: for what is no session, source or store, where the session
            carries another credential's tokens to the same base URL already, or the same one's
            in another store, and where its class finds adapters in a way of its own.

    Example:
        >>> session = attach(requests.Session(), AppCredential.from_env())  # doctest: +SKIP
    """
    if not isinstance(session, requests.Session):
        raise TypeError(f"session must be a requests.Session, not {type(session).__name__}")
    source = as_source(source, store)
    ours = mounts(source.credential.base_url)
    there = {p: a for p, a in session.adapters.items() if p.lower().startswith(tuple(ours))}
    _refuse_another(source, there.values())
    by_default = _SessionAdapter(source, session.adapters)
    for prefix in [*ours, *there]:
        inner = there.get(prefix)
        if not isinstance(inner, WeComAdapter):
            session.mount(prefix, by_default if inner is None else WeComAdapter(source, inner))
    _refuse_a_detour(session, source.credential)
    return session


def _refuse_another(source: TokenSource, there: Iterable[BaseAdapter]) -> None:
    for attached in (each.source for each in there if isinstance(each, WeComAdapter)):
        if attached.credential != source.credential:
            raise ValueError(
                f"this session carries another credential's tokens to {source.credential.base_url}:"
                " use one session for each credential, or auth=WeComAuth(...) for each request"
            )
        if not attached.keeps_for(source):
            raise ValueError(
                "this session is attached already, with another store: attach it once, with the"
                " store that it is to have"
            )


def _refuse_a_detour(session: requests.Session, credential: Credential) -> None:
    if not isinstance(session.get_adapter(f"{credential.base_url}/"), WeComAdapter):
        raise ValueError(
            f"{type(session).__name__} has a get_adapter of its own that passes by what is mounted:"
            " set session.auth = WeComAuth(...) instead"
        )
