from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from wecom_auth.testing import FakeWeCom

CORP, SECRET = "ww0001", "app-secret"


@dataclass
class Wecom:
    """The fake, and a bare client of one of its fronts: it knows no more than `requests`."""

    fake: FakeWeCom
    url: str
    session: requests.Session

    def gettoken(self, corpid: str = CORP, corpsecret: str = SECRET, **more: Any) -> Any:
        params = {"corpid": corpid, "corpsecret": corpsecret}
        return self.session.get(f"{self.url}/cgi-bin/gettoken", params=params, **more).json()

    def token(self, corpid: str = CORP, corpsecret: str = SECRET) -> str:
        return str(self.gettoken(corpid, corpsecret)["access_token"])

    def get(self, path: str, token: str | None = None, **params: Any) -> requests.Response:
        return self.call("GET", path, token, params=params)

    def post(
        self, path: str, token: str | None = None, body: Any = None, **more: Any
    ) -> requests.Response:
        return self.call("POST", path, token, json=body, **more)

    def call(self, method: str, path: str, token: str | None, **more: Any) -> requests.Response:
        if token is not None:
            more["params"] = {"access_token": token, **more.get("params", {})}
        more.setdefault("timeout", 20)
        return self.session.request(method, f"{self.url}/cgi-bin/{path}", **more)

    def send(self, token: str | None, content: str = "hello") -> Any:
        return self.post("message/send", token, text(content)).json()


def text(content: str) -> dict[str, Any]:
    return {"touser": "alice", "msgtype": "text", "agentid": 1, "text": {"content": content}}


@pytest.fixture
def fake() -> FakeWeCom:
    return FakeWeCom()


@pytest.fixture(params=["http", "in process"])
def wecom(request: pytest.FixtureRequest, fake: FakeWeCom) -> Iterator[Wecom]:
    """Each fact and each state is shown over both fronts."""
    with requests.Session() as session:
        if request.param == "http":
            with fake.serve() as url:
                yield Wecom(fake, url, session)
        else:
            with fake.mocked():
                yield Wecom(fake, "https://qyapi.weixin.qq.com", session)


@pytest.fixture
def over_http(fake: FakeWeCom) -> Iterator[Wecom]:
    with fake.serve() as url, requests.Session() as session:
        yield Wecom(fake, url, session)
