"""Our ways to attach, and what users write by hand: each makes one call of user/get."""

from collections.abc import Callable, Iterator

import requests
from requests.adapters import BaseAdapter

from wecom_auth import (
    AppCredential,
    MemoryStore,
    TokenSource,
    WeComAuth,
    attach,
    install,
    with_access_token,
)

from .measure import Way, Within
from .neighbours import installed
from .null import caller, next_user

Transport = Callable[[], BaseAdapter | None]

_SECRET = "a secret of the usual length, 43 characters"


def session_over(transport: Transport) -> requests.Session:
    """A session that sends through this transport; None stands for the network."""
    session, adapter = requests.Session(), transport()
    if adapter is not None:
        session.mount("https://", adapter)
    return session


def by_hand(base_url: str, transport: Transport, token: str) -> Way:
    """`params={"access_token": ...}`: what everything is compared with."""
    return _by_hand(session_over(transport), f"{base_url}/cgi-bin/user/get", token)


def all_ways(base_url: str, transport: Transport, token: str) -> Iterator[tuple[str, Way]]:
    """By hand (twice: the difference is the noise of the run), ours, and the neighbours."""
    url = f"{base_url}/cgi-bin/user/get"
    yield "by hand, params=", by_hand(base_url, transport, token)
    yield "the same again: the noise", by_hand(base_url, transport, token)
    yield "by hand, f-string", _f_string(url, transport, token)
    yield "auth", _auth(base_url, source_over(base_url, transport), transport)
    yield "adapter", _adapter(base_url, source_over(base_url, transport), transport)
    yield "decorator", _decorator(url, source_over(base_url, transport), transport)
    yield "install()", _installed(base_url, transport)
    yield from installed(base_url, transport)


def source_over(base_url: str, transport: Transport) -> TokenSource:
    """A source of its own, whose gettoken goes by this transport."""
    app = AppCredential("ww0123456789abcdef", _SECRET, base_url=base_url)
    return TokenSource(app, store=MemoryStore(), session=session_over(transport))


def _f_string(url: str, transport: Transport, token: str) -> Way:
    session = session_over(transport)
    return lambda: session.get(f"{url}?access_token={token}&userid={next_user()}").json()


def _auth(base_url: str, source: TokenSource, transport: Transport) -> Way:
    session = session_over(transport)
    session.auth = WeComAuth(source)
    return caller(session, base_url)


def _adapter(base_url: str, source: TokenSource, transport: Transport) -> Way:
    return caller(attach(session_over(transport), source), base_url)


def _decorator(url: str, source: TokenSource, transport: Transport) -> Way:
    session = session_over(transport)

    @with_access_token(source)
    def user(userid: str, access_token: str = "") -> object:
        return session.get(url, params={"access_token": access_token, "userid": userid}).json()

    return lambda: user(next_user())


def _installed(base_url: str, transport: Transport) -> Way:
    """Code that fetches its token itself and keeps it, as most scripts do."""
    session = session_over(transport)
    asked = {"corpid": "ww0123456789abcdef", "corpsecret": _SECRET}
    with install():
        answer = session.get(f"{base_url}/cgi-bin/gettoken", params=asked).json()
    call = _by_hand(session, f"{base_url}/cgi-bin/user/get", answer["access_token"])
    return Within(install, call)


def _by_hand(session: requests.Session, url: str, token: str) -> Way:
    return lambda: session.get(url, params={"access_token": token, "userid": next_user()}).json()
