"""The neighbours, each called through its own public interface; what is not installed is left out.

They do not all do the same: google-auth and requests-oauth2client put the token into a header and
know of HTTP statuses only, so a rejection by errcode passes them by unseen.
"""

from collections.abc import Callable, Iterator
from typing import Any

import requests
from requests.adapters import BaseAdapter

from .null import TOKEN, caller, next_user

Get = Callable[[], object]
Neighbour = Callable[[str, BaseAdapter | None], Get]
"""Makes, for a base URL and a transport, the function that makes one call of user/get."""


def wechatpy(base_url: str, transport: BaseAdapter | None) -> Get:
    """wechatpy: the client that most Python programs for WeCom are written with."""
    from wechatpy.enterprise import WeChatClient

    class Client(WeChatClient):  # type: ignore[misc]
        API_BASE_URL = f"{base_url}/cgi-bin/"

        def fetch_access_token(self) -> Any:
            params = {"corpid": self.corp_id, "corpsecret": self.secret}
            return self._fetch_access_token(f"{base_url}/cgi-bin/gettoken", params)

    client = Client("corp", "secret")
    if transport is not None:
        client._http.mount("https://", transport)
    return lambda: client.get("user/get", params={"userid": next_user()})


def google_auth(base_url: str, transport: BaseAdapter | None) -> Get:
    """google-auth: the neighbour with the most users; its credentials are made to be derived."""
    from google.auth.credentials import Credentials
    from google.auth.transport.requests import AuthorizedSession, Request

    class AppToken(Credentials):  # type: ignore[misc]
        def refresh(self, request: Any) -> None:
            import json

            url = f"{base_url}/cgi-bin/gettoken?corpid=corp&corpsecret=secret"
            self.token = json.loads(request(url=url, method="GET").data)["access_token"]

    own = requests.Session()
    session = AuthorizedSession(AppToken(), auth_request=Request(own))
    if transport is not None:
        own.mount("https://", transport)
        session.mount("https://", transport)
    return caller(session, base_url)


def requests_oauth2client(base_url: str, transport: BaseAdapter | None) -> Get:
    """requests-oauth2client: an auth class for requests, as ours is."""
    from requests_oauth2client import BearerToken, OAuth2Client, OAuth2ClientCredentialsAuth

    client = OAuth2Client("https://idp.example.com/token", client_id="corp", client_secret="secret")
    token = BearerToken(TOKEN, expires_in=7200)
    session = requests.Session()
    session.auth = OAuth2ClientCredentialsAuth(client, token=token)
    if transport is not None:
        session.mount("https://", transport)
    return caller(session, base_url)


NEIGHBOURS: dict[str, Neighbour] = {
    "wechatpy": wechatpy,
    "google-auth": google_auth,
    "requests-oauth2client": requests_oauth2client,
}


def installed(
    base_url: str, transport: Callable[[], BaseAdapter | None]
) -> Iterator[tuple[str, Get]]:
    """The neighbours that are there, ready to be called."""
    for name, make in NEIGHBOURS.items():
        try:
            yield name, make(base_url, transport())
        except ImportError:
            continue
