"""JS-SDK tickets: what a page inside WeCom signs with.

A ticket's death is told to no server: the browser shows an invalid signature. So it is refreshed
early, and its life counts from the first sight of it in the whole fleet.

Source: WeCom developer documentation, "get_jsapi_ticket", "ticket/get", "JS-SDK signature".
"""

import secrets
from collections.abc import Callable
from functools import partial
from hashlib import sha1
from typing import Any

from .. import _clock
from .._credential import checks
from .._credential.credential import Credential
from .._credential.exchange import Grant, Send, exchange
from .._credential.external import ExternalToken
from .._credential.kind import APP_TICKET, CORP_TICKET, Kind
from .._http.query import escape
from .._http.scope import PLATFORM, parse_base_url
from .source import Store, TokenSource

Config = dict[str, str | int]


class _Signing(Credential):
    """A ticket that signs pages."""

    __slots__ = ()

    corpid: str
    agentid: int | None
    _store: Store

    def config(
        self, page_url: str, *, timestamp: int | None = None, nonce: str | None = None
    ) -> Config:
        """Return what `wx.config` wants, or with an agentid what `wx.agentConfig` wants.

        Args:
            page_url: of the page, exactly as the browser shows it; what follows `#` is left out.
            timestamp: seconds since the epoch; now if not given.
            nonce: a random text; drawn if not given.

        Raises:
            CredentialError, TokenUnavailable: there is no ticket.

        Example:
            >>> ticket.config("https://crm.example.com/page?id=1")  # doctest: +SKIP
            {'appId': 'ww01', 'timestamp': 1700000000, 'nonceStr': '...', 'signature': '...'}
        """
        if not isinstance(page_url, str) or "://" not in page_url:
            raise ValueError("page_url must be the whole URL of the page, https:// included")
        when = int(_clock.wall()) if timestamp is None else timestamp
        nonce = nonce or secrets.token_hex(8)
        ticket = self.source().get().value
        signature = sign(ticket, nonce, when, page_url)
        signed: Config = {"timestamp": when, "nonceStr": nonce, "signature": signature}
        if self.agentid is None:
            return {"appId": self.corpid, **signed}
        return {"corpid": self.corpid, "agentid": self.agentid, **signed}

    def refresh(self) -> None:
        """Fetch another ticket now."""
        self.source().refresh()

    def source(self) -> TokenSource:
        """Return the source of this ticket, over its store."""
        return TokenSource(self, store=self._store)


class JsTicket(_Signing):
    """The JS-SDK ticket of a corp, or with an agentid that of an app.

    Tickets are limited (400 an hour a corp, 100 an app): give the processes that sign one store.
    Then a ticket is fetched once a life for all of them, and nobody signs with one that has ended:
    past three quarters of its life a process looks into the store before it signs. What a program
    without that store fetches is not known here: its ticket may end sooner than this one counts.

    Args:
        app: the credential whose token fetches it: an `AppCredential` or a `CorpCredential`.
        agentid: of the app, for `wx.agentConfig`; without it, the corp's ticket for `wx.config`.
        corpid: of the corp; the credential's own if not given.
        store: that processes share, or its URL; else the one that WECOM_STORE names.
        base_url: where the ticket is fetched; the app's if not given.
        allow_http: permit plain http to a host that is not loopback.

    Raises:
        TypeError, ValueError: with a sentence that says what to do.

    Example:
        >>> JsTicket(app).config("https://crm.example.com/")  # doctest: +SKIP
    """

    __slots__ = ("_store", "agentid", "corpid", "kind", "parent")

    runs_inline = False

    kind: Kind  # type: ignore[misc]
    parent: Credential

    def __init__(
        self,
        app: Credential,
        agentid: int | None = None,
        *,
        corpid: str | None = None,
        store: Store = None,
        base_url: str | None = None,
        allow_http: bool = False,
    ) -> None:
        if not isinstance(app, Credential) or app.kind.parameter != "access_token":
            raise TypeError(f"app must be an app's or a corp's credential, not {checks.kind(app)}")
        known = getattr(app, "corpid", None) if corpid is None else corpid
        agent = None if agentid is None else checks.agentid(agentid)
        for name, value in {
            "parent": app,
            "corpid": checks.text("corpid", known),
            "agentid": agent,
            "kind": CORP_TICKET if agent is None else APP_TICKET,
            "_store": store,
        }.items():
            object.__setattr__(self, name, value)
        # A corp has one ticket for all of its apps, an app one of its own.
        base_url = app.base_url if base_url is None else parse_base_url(base_url, allow_http)
        self._name(base_url, f"{self.kind.name}:{agent or ''}:{app.key}")

    def obtain(self, send: Send, seconds: float) -> Grant:
        """Raise TypeError: the exchange needs the app's token; see `obtain_with`."""
        raise TypeError("a JsTicket is fetched with its app's token")

    def obtain_with(self, token: str, send: Send, seconds: float) -> Grant:
        """Fetch a ticket with one exchange; see `Credential.obtain_with`."""
        url = f"{self.base_url}/cgi-bin/{self.kind.exchange}?access_token={escape(token)}"
        if self.agentid is not None:
            url += "&type=agent_config"
        return exchange(self.kind, send, seconds, "GET", url, secrets=(token,))

    def __repr__(self) -> str:
        agent = "" if self.agentid is None else f", agentid={self.agentid}"
        return f"JsTicket({self.parent!r}{agent})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.parent, self.agentid, self.corpid, self._store, self.base_url)


class ExternalTicket(ExternalToken, _Signing):
    """A JS-SDK ticket that someone else keeps: a central service, a database row.

    Args:
        get: as for `ExternalToken`: returns the ticket, or the ticket and the seconds it lives.
        corpid: of the corp.
        agentid: of the app, for `wx.agentConfig`.
        base_url: of the calls that it belongs to.

    Example:
        >>> ExternalTicket(lambda: row.ticket, "ww01").config(page_url)  # doctest: +SKIP
    """

    __slots__ = ("_store", "agentid", "corpid")

    kind = CORP_TICKET

    def __init__(
        self,
        get: Callable[[], str | tuple[str, float]],
        corpid: str,
        agentid: int | None = None,
        *,
        base_url: str = PLATFORM,
    ) -> None:
        super().__init__(get, base_url=base_url, allow_http=True)
        object.__setattr__(self, "corpid", checks.text("corpid", corpid))
        agent = None if agentid is None else checks.agentid(agentid)
        object.__setattr__(self, "agentid", agent)
        object.__setattr__(self, "_store", None)

    def __reduce__(self) -> tuple[Any, ...]:
        make = partial(ExternalTicket, base_url=self.base_url)
        return make, (self._get, self.corpid, self.agentid)


def sign(ticket: str, nonce: str, timestamp: int, page_url: str) -> str:
    """Return the signature of a page: SHA-1, as the platform asks for it."""
    url = page_url.partition("#")[0]
    text = f"jsapi_ticket={ticket}&noncestr={nonce}&timestamp={timestamp}&url={url}"
    return sha1(text.encode()).hexdigest()  # noqa: S324


def _restore(
    app: Credential, agentid: int | None, corpid: str, store: Store, base_url: str
) -> JsTicket:
    more: dict[str, Any] = {"base_url": base_url, "allow_http": True}
    return JsTicket(app, agentid, corpid=corpid, store=store, **more)
