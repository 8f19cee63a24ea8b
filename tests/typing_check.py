"""A user's typed program: `mypy --strict` and pyright accept it, and find each mistake in it.

Nothing here is run; `test_typing.py` has both read it. An ignore marks a mistake: where a checker
accepts that line, it reports the ignore itself.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, assert_type

import requests
from requests.adapters import HTTPAdapter

import wecom_auth
from wecom_auth import (
    APIError,
    AppCredential,
    Credential,
    CredentialError,
    ExternalToken,
    FileStore,
    MemoryStore,
    RedisStore,
    Statistics,
    Token,
    TokenSource,
    TokenStore,
    TokenUnavailable,
    WeComAdapter,
    WeComAuth,
    WeComError,
    attach,
    mask_urllib3_logs,
    raise_for_errcode,
    with_access_token,
)

app = AppCredential("ww0123456789abcdef", "corpsecret")
AppCredential("ww01", "s", base_url="http://10.0.0.1", allow_http=True)
AppCredential.from_env()
AppCredential.from_env("OTHER_", environ={"OTHER_CORPID": "ww01"})
AppCredential("ww01")  # type: ignore[call-arg]
AppCredential("ww01", b"s")  # type: ignore[arg-type]

outside = ExternalToken(lambda: "token")
ExternalToken(lambda: ("token", 60.0), print)
ExternalToken("token")  # type: ignore[arg-type]
each: list[Credential] = [app, outside]

source = TokenSource(app, store=MemoryStore(), session=requests.Session())
assert_type(source.get(), Token)
assert_type(wecom_auth.__version__, str)
assert_type(source.get(timeout=3).value, str)
assert_type(source.refresh(), Token)
assert_type(source.statistics, Statistics)
assert_type(source.statistics.fetches, int)
source.invalidate(source.get())
source.invalidate("value")
TokenSource("ww01")  # type: ignore[arg-type]

session = assert_type(attach(requests.Session(), app), requests.Session)
attach(session, source)
attach(session, outside, store=MemoryStore())


class Session(requests.Session):
    """A session of the user's own, with a helper."""

    def send_text(self, text: str) -> requests.Response:
        return self.post("https://h", json={"text": text})


assert_type(attach(Session(), app), Session).send_text("hello")


# --- store= ---

shared: list[str | TokenStore | MemoryStore | None] = [
    "file:",
    FileStore("/var/cache/alerts"),
    RedisStore("redis://localhost"),
    MemoryStore(),
    None,
]
for each_store in shared:
    attach(session, app, store=each_store)
    TokenSource(app, store=each_store)
TokenSource(app, store=5)  # type: ignore[arg-type]
attach(session, app, store=Path("tokens"))  # type: ignore[arg-type]
attach(app, session)  # type: ignore[arg-type]

session.auth = WeComAuth(app)
requests.get("https://h", auth=WeComAuth(source))
session.mount("https://h/", WeComAdapter(app, HTTPAdapter(max_retries=3)))
WeComAdapter(app, inner="http")  # type: ignore[arg-type]

assert_type(raise_for_errcode(session.get("https://h")), requests.Response)
session.hooks["response"].append(raise_for_errcode)
assert_type(raise_for_errcode({"errcode": 0}), dict[str, int])
raise_for_errcode("text")  # type: ignore[type-var]
mask_urllib3_logs(False)


@with_access_token(app)
def user(userid: str, access_token: str = "") -> dict[str, Any]:
    return {}


assert_type(user("zhangsan"), dict[str, Any])
user("zhangsan", access_token="mine")
user(5)  # type: ignore[arg-type]
user("zhangsan", token="x")  # type: ignore[call-arg]


@with_access_token(source, param="token", retry=False)
async def later(token: str = "") -> int:
    return 1


assert_type(asyncio.run(later()), int)


class Api:
    def __init__(self) -> None:
        self.source = source

    @with_access_token(lambda self, *args, **kwargs: self.source)
    def user(self, userid: str, access_token: str = "") -> str:
        return userid


assert_type(Api().user("zhangsan"), str)

try:
    user("zhangsan")
except APIError as error:
    assert_type(error.errcode, int | None)
    assert_type(error.advice, str)
except (CredentialError, TokenUnavailable) as trouble:
    assert_type(trouble.help_url, str | None)
except WeComError as other:
    assert_type(other.errmsg, str)


async def story() -> None:
    assert_type(await later(), int)
    assert_type(await source.aget(), Token)


# --- names that do not exist, as they are mistyped ---

from wecom_auth import atach  # type: ignore[attr-defined]  # noqa: E402, F401
from wecom_auth.stores import FielStore  # type: ignore[attr-defined]  # noqa: E402, F401
from wecom_auth.testing import FakeWecom  # type: ignore[attr-defined]  # noqa: E402, F401

wecom_auth.instal()  # type: ignore[attr-defined]
