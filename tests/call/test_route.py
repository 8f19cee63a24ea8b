"""Which credential's token a call carries, where one client carries several."""

from __future__ import annotations

import re
from contextvars import ContextVar, copy_context
from typing import Any

import pytest
from tokenside import HOST, Clock

from wecom_auth import AppCredential, Credential, Grant, Kind, TokenSource
from wecom_auth._call.route import Chosen, Route
from wecom_auth._source.source import as_source

SUITE = Kind("suite", "service/get_suite_token", "suite_access_token", re.compile("service/"))
PROVIDER = Kind("provider", "service/get_provider_token", "access_token", re.compile("license/"))


class Suite(Credential):
    kind = SUITE

    def __init__(self, name: str = "suite", base_url: str = HOST) -> None:
        self._name(base_url, f"suite:{name}")

    def obtain(self, send: Any, seconds: float) -> Grant:
        return Grant("suite-token")


class Provider(Suite):
    kind = PROVIDER

    def __init__(self) -> None:
        self._name(HOST, "provider")


def app(name: str = "ww01", base_url: str = HOST) -> AppCredential:
    return AppCredential(name, "secret", base_url=base_url)


def find(route: Route, url: str, request: Any = None) -> TokenSource | None:
    found = route.match(url, request)
    return None if found is None else found[0]


def url(path: str, base: str = HOST) -> str:
    return f"{base}/cgi-bin/{path}"


def test_several_credentials_whose_scopes_differ():
    sources = [as_source(each) for each in (app(), Suite(), Provider())]
    route = Route()
    assert all(route.add(each) for each in sources)
    for path, source in zip(
        ("message/send", "service/get_auth_info", "license/list_order"), sources, strict=True
    ):
        assert find(route, url(path)) is source
    assert find(route, url("gettoken?corpid=1")) is None
    assert find(route, "https://elsewhere.example/cgi-bin/message/send") is None
    assert route.base_urls == [HOST]


def test_a_call_that_names_another_kinds_parameter_is_left_alone():
    route = Route([as_source(app())])
    assert find(route, url("message/send?suite_access_token=theirs")) is None


def test_two_base_urls():
    gateway = "https://gateway.example/wecom"
    one, two = as_source(app()), as_source(app(base_url=gateway))
    route = Route([one])
    assert route.add(two)
    assert find(route, url("user/get")) is one
    assert find(route, url("user/get", gateway)) is two
    assert route.base_urls == [HOST, gateway]


def test_the_same_again_is_no_news():
    route = Route([as_source(app())])
    assert not route.add(as_source(app()))
    assert len(route.sources) == 1


@pytest.mark.parametrize("other", [app("ww02"), AppCredential("ww01", "another")])
def test_two_whose_tokens_go_to_the_same_calls_are_refused(other: AppCredential):
    route = Route([as_source(app())])
    with pytest.raises(ValueError, match="another credential's tokens to https://qyapi"):
        route.add(as_source(other))
    assert len(route.sources) == 1


def test_two_suites_are_refused():
    with pytest.raises(ValueError, match="another credential's tokens"):
        Route([as_source(Suite("a"))]).add(as_source(Suite("b")))


def test_the_same_with_another_store_is_refused():
    route = Route([as_source(app())])
    with pytest.raises(ValueError, match="with another store"):
        route.add(as_source(app(), Clock().store()))


# --- chosen by a function ---

tenant: ContextVar[str] = ContextVar("tenant")


def of_tenant(request: Any) -> Credential | None:
    name = tenant.get("")
    return app(name) if name else None


def corpid_in(name: str, route: Chosen) -> Any:
    def look() -> Any:
        tenant.set(name)
        found = find(route, url("message/send"), "request")
        return found and found.credential.corpid

    return copy_context().run(look)


def test_tenants_by_a_context_variable():
    route = Chosen(of_tenant)
    assert [corpid_in(name, route) for name in ("ww1", "ww2", "")] == ["ww1", "ww2", None]


def test_it_is_asked_only_below_the_base_url_and_with_the_request():
    asked: list[Any] = []

    def choose(request: Any) -> Credential:
        asked.append(request)
        return app()

    route = Chosen(choose)
    assert find(route, "https://elsewhere.example/cgi-bin/user/get", "elsewhere") is None
    assert find(route, f"{HOST}.evil.example/cgi-bin/user/get", "evil") is None
    assert asked == []
    assert find(route, url("user/get"), "request") is not None
    assert asked == ["request"]
    assert route.base_urls == [HOST]


def test_what_is_chosen_must_cover_the_call():
    assert find(Chosen(lambda _: Suite()), url("message/send")) is None
    assert find(Chosen(lambda _: app(base_url="https://other.example")), url("user/get")) is None


def test_a_source_may_be_chosen_and_a_store_is_shared():
    own = TokenSource(app(), store=Clock().store())
    assert find(Chosen(lambda _: own), url("user/get")) is own
    store = Clock().store()
    route = Chosen(lambda _: app(), store=store)
    assert find(route, url("user/get")) == TokenSource(app(), store=store)


def test_what_is_no_credential_is_refused_with_words():
    with pytest.raises(TypeError, match="credential must be an AppCredential"):
        find(Chosen(lambda _: "ww01"), url("user/get"))  # type: ignore[arg-type,return-value]


def test_what_the_function_raises_reaches_the_caller():
    def choose(request: Any) -> Credential:
        raise LookupError("no such tenant")

    with pytest.raises(LookupError, match="no such tenant"):
        find(Chosen(choose), url("user/get"))


def test_a_gateway_over_plain_http_is_for_its_credentials_to_allow():
    gateway = "http://gateway.example"
    chosen = AppCredential("ww01", "secret", base_url=gateway, allow_http=True)
    route = Chosen(lambda request: chosen, gateway)
    assert find(route, url("user/get", gateway)) is not None
