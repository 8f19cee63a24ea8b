"""The recipes that are web services: the fake platform on one side, a client on the other."""

import base64
import sys
from collections.abc import Iterator
from hashlib import sha1
from importlib import import_module
from pathlib import Path
from threading import Thread, enumerate
from types import ModuleType
from typing import Any

import pytest
import requests
import xmltodict
from test_recipes import RECIPES
from wechatpy.enterprise.crypto import WeChatCrypto
from werkzeug.serving import make_server

from wecom_auth import TokenUnavailable
from wecom_auth.testing import FakeWeCom, reset

CORPID, SECRET = "ww0123456789abcdef", "the-secret-of-the-app"
SUITE, PROVIDER, CUSTOMER = "ww01suite", "ww01provider", "wwcustomer"
KEYS = "callback-token", base64.b64encode(bytes(range(32))).decode().rstrip("=")

Load = Any


@pytest.fixture
def fake() -> FakeWeCom:
    fake = FakeWeCom()
    fake.app(CORPID, SECRET)
    return fake


@pytest.fixture
def load(fake: FakeWeCom, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Load]:
    """Load a recipe as if its program started now, with these settings."""
    monkeypatch.syspath_prepend(str(RECIPES))
    with fake.serve() as url:
        ours = {"WECOM_CORPID": CORPID, "WECOM_CORPSECRET": SECRET, "WECOM_BASE_URL": url}

        def load(name: str, **environment: str) -> ModuleType:
            for key, value in {**ours, **environment}.items():
                monkeypatch.setenv(key, value)
            sys.modules.pop(name, None)
            return import_module(name)

        yield load
        reset()


# --- the provider's callback ---


class Callback:
    """The platform's side of a provider's callback: it encrypts, signs and posts."""

    def __init__(self, browser: Any) -> None:
        self._browser = browser

    def push(self, kind: str, receiver: str = SUITE, **fields: str) -> tuple[int, str]:
        known = {"SuiteId": SUITE, "InfoType": kind, "TimeStamp": "1700000000", **fields}
        text = xmltodict.unparse({"xml": known})
        sealed = WeChatCrypto(*KEYS, receiver).encrypt_message(text, "nonce", "1700000000")
        signature = xmltodict.parse(sealed)["xml"]["MsgSignature"]
        return self.post(sealed, signature)

    def post(self, sealed: str, signature: str) -> tuple[int, str]:
        query = {"msg_signature": signature, "timestamp": "1700000000", "nonce": "nonce"}
        answer = self._browser.post("/callback", query_string=query, data=sealed)
        for thread in enumerate():
            if "keep_code" in thread.name:
                thread.join(10)
        return answer.status_code, answer.text


@pytest.fixture
def provider(load: Load, fake: FakeWeCom, tmp_path: Path) -> ModuleType:
    fake.suite(SUITE, "suite-secret")
    return load(
        "provider_callback",
        WECOM_SUITE_ID=SUITE,
        WECOM_SUITE_SECRET="suite-secret",
        WECOM_STORE=f"file://{tmp_path}/store",
        PROVIDER_CORPID=PROVIDER,
        CALLBACK_TOKEN=KEYS[0],
        CALLBACK_AES_KEY=KEYS[1],
    )


@pytest.fixture
def callback(provider: ModuleType) -> Callback:
    return Callback(provider.app.test_client())


def user(provider: ModuleType) -> int:
    url = f"{provider.suite.base_url}/cgi-bin/user/get?userid=zhangsan"
    return int(provider.client_of(CUSTOMER).get(url, timeout=10).json()["errcode"])


def test_provider_callback(provider: ModuleType, callback: Callback, fake: FakeWeCom) -> None:
    assert callback.push("suite_ticket", SuiteTicket=fake.push_ticket(SUITE)) == (200, "success")
    callback.push("create_auth", AuthCode=fake.auth_code(SUITE, CUSTOMER))
    first = provider.codes[CUSTOMER]
    assert user(provider) == 0
    callback.push("reset_permanent_code", AuthCode=fake.auth_code(SUITE, CUSTOMER))
    assert provider.codes[CUSTOMER] != first
    fake.revoke(kind="corp")
    assert user(provider) == 0, "the new code counts at once"
    fake.cancel(SUITE, CUSTOMER)
    callback.push("cancel_auth", AuthCorpId=CUSTOMER)
    reset()
    with pytest.raises(KeyError):
        user(provider)


def test_provider_callback_finds_the_ticket_of_another_worker(
    provider: ModuleType, callback: Callback, load: Load, fake: FakeWeCom
) -> None:
    callback.push("suite_ticket", SuiteTicket=fake.push_ticket(SUITE))
    other = load("provider_callback")
    assert other is not provider
    assert other.box.get(SUITE) == provider.box.get(SUITE) is not None


def test_provider_callback_refuses_what_is_not_signed(
    provider: ModuleType, callback: Callback
) -> None:
    sealed = WeChatCrypto(*KEYS, SUITE).encrypt_message("<xml/>", "nonce", "1700000000")
    assert callback.post(sealed, "0" * 40)[0] == 403
    assert provider.box.get(SUITE) is None


def test_provider_callback_verifies_its_url(provider: ModuleType) -> None:
    sealed = WeChatCrypto(*KEYS, PROVIDER).encrypt_message("echo", "nonce", "1700000000")
    said = xmltodict.parse(sealed)["xml"]
    query = {"msg_signature": said["MsgSignature"], "timestamp": "1700000000", "nonce": "nonce"}
    answer = provider.app.test_client().get(
        "/callback", query_string={**query, "echostr": said["Encrypt"]}
    )
    assert answer.text == "echo"


# --- the page ---


def test_js_sdk_page(load: Load) -> None:
    module = load("js_sdk_page", PAGE="https://crm.example.com/")
    browser = module.app.test_client()
    assert "wx.config" in browser.get("/").text
    url = "https://crm.example.com/orders?id=1&x=2"
    said = browser.get("/config", query_string={"url": url}).json
    ticket = module.ticket.source().get().value
    text = f"jsapi_ticket={ticket}&noncestr={said['nonceStr']}&timestamp={said['timestamp']}"
    assert said["signature"] == sha1(f"{text}&url={url}".encode()).hexdigest()
    assert sorted(said) == ["appId", "nonceStr", "signature", "timestamp"]
    assert browser.get("/config", query_string={"url": "https://evil.example/"}).status_code == 403


# --- the central service and its clients ---


@pytest.fixture
def central(load: Load) -> Iterator[str]:
    service = load("token_service", SERVICE_KEY="key-of-the-service")
    server = make_server("127.0.0.1", 0, service.app, threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def node(load: Load, central: str, **more: str) -> ModuleType:
    settings = {"SERVICE_KEY": "key-of-the-service", "TOKEN_SERVICE": central}
    module: ModuleType = load("token_client", **{**settings, **more})
    return module


def send(client: ModuleType, fake: FakeWeCom) -> int:
    body = {"touser": "a", "msgtype": "text", "agentid": 1, "text": {"content": "x"}}
    url = f"{client.app.base_url}/cgi-bin/message/send"
    return int(client.session.post(url, json=body, timeout=10).json()["errcode"])


def test_token_service_serves_its_clients(load: Load, central: str, fake: FakeWeCom) -> None:
    one, two = node(load, central), node(load, central)
    assert [send(one, fake), send(two, fake)] == [0, 0]
    assert fake.gettoken_calls == 1
    fake.revoke()
    assert [send(one, fake), send(two, fake), send(one, fake)] == [0, 0, 0]
    assert fake.gettoken_calls == 2, "both report the same token, and one fetch is made"
    fake.assert_delivered("text", times=5)


def test_token_service_wants_its_key(load: Load, central: str, fake: FakeWeCom) -> None:
    assert requests.get(f"{central}/token", timeout=10).status_code == 401
    client = node(load, central, SERVICE_KEY="another")
    with pytest.raises(TokenUnavailable, match="401"):
        send(client, fake)
    assert fake.gettoken_calls == 0


def test_token_service_says_why_there_is_no_token(
    load: Load, central: str, fake: FakeWeCom
) -> None:
    with fake.fail(40001, path="gettoken"):
        headers = {"Authorization": "Bearer key-of-the-service"}
        answer = requests.get(f"{central}/token", headers=headers, timeout=10)
    assert answer.status_code == 503
    assert answer.json()["errcode"] == 40001
    assert SECRET not in answer.text
