"""No secret of a suite, a tenant or a provider anywhere that a person or a log can see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from leakhunt import Hunt, LogTrap
from leakworld import connection_refused, nothing, read_timeout, rejected_once, tls_failure
from tenacity import nap

from wecom_auth import (
    CorpCredential,
    Credential,
    FileStore,
    JsTicket,
    ProviderCredential,
    SuiteCredential,
    TicketBox,
    TokenSource,
    attach,
    mask_urllib3_logs,
    on_event,
    raise_for_errcode,
)
from wecom_auth._credential import exchange as exchange_module
from wecom_auth.testing import FakeWeCom, reset
from wecom_auth.testing._platform import tokens as fake_tokens
from wecom_auth.testing._platform.accounts import Accounts

SUITE, CORP, PROVIDER = "ww-suite", "wpcorp", "wwprovider"
SUITE_SECRET = "CANARY/suite+sec=0123456789abcdefghij"
PROVIDER_SECRET = "CANARY/provider+sec=0123456789abcdefgh"


class Kinds:
    """A provider's platform whose secrets, codes, tickets and tokens are all canaries."""

    def __init__(self, made: list[str], directory: Path) -> None:
        store = FileStore(directory)
        self.fake = FakeWeCom()
        self.fake.suite(SUITE, SUITE_SECRET)
        self.fake.provider(PROVIDER, PROVIDER_SECRET)
        self.server = self.fake.serve()
        self.server.start()
        self.base_url = self.server.url
        self.options: dict[str, Any] = {"timeout": 10}
        self.hunt = Hunt(lambda: [SUITE_SECRET, PROVIDER_SECRET, *made])
        self.store, self.directory = store, directory
        self.box = TicketBox(store)
        self.box.put(SUITE, self.fake.push_ticket(SUITE))
        self.code = self.fake.authorise(SUITE, CORP)

    def credential(self, kind: str) -> Credential:
        suite = SuiteCredential(SUITE, SUITE_SECRET, self.box, base_url=self.base_url)
        corp = CorpCredential(suite, CORP, self.code)
        provider = ProviderCredential(PROVIDER, PROVIDER_SECRET, base_url=self.base_url)
        ticket = JsTicket(corp, 7)
        return {"suite": suite, "corp": corp, "provider": provider, "ticket": ticket}[kind]


PATHS = {"suite": "service/get_auth_info", "corp": "user/get", "provider": "service/get_login_info"}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every code, ticket and token that the platform has made."""
    made: list[str] = []

    def make(*about: object) -> str:
        made.append(f"{len(made):09}/CANARY-made+{'x' * 30}=")
        return made[-1]

    monkeypatch.setattr(fake_tokens, "_value", make)
    monkeypatch.setattr(Accounts, "make", make)
    monkeypatch.setattr(nap.time, "sleep", lambda seconds: None)
    return made


@pytest.fixture
def kinds(made: list[str], tmp_path: Any) -> Iterator[Kinds]:
    reset()
    there = Kinds(made, tmp_path / "store")
    yield there
    there.fake.let_go()
    reset()
    there.server.stop()
    mask_urllib3_logs()


def refused(world: Any) -> Any:
    world.fake.fail(40001, path="service/get_provider_token")
    world.fake.fail(40080, path="service/get_suite_token")
    return nothing(world)


def refused_tenant(world: Any) -> Any:
    world.fake.fail(40084, path="service/get_corp_token")
    return nothing(world)


def stale(world: Any) -> Any:
    world.fake.revoke(kind="suite_ticket")
    return nothing(world)


def parent_dead(world: Any) -> Any:
    TokenSource(world.credential("suite"), store=world.store).get()
    world.fake.revoke(kind="suite")
    return nothing(world)


def echoing(world: Any) -> Any:
    """The platform's own words hold what it was sent."""

    def echo(request: Any) -> dict[str, Any]:
        return {"errcode": 40013, "errmsg": f"cannot read {request.query} {request.body!r}"}

    for path in ("get_provider_token", "get_suite_token", "get_corp_token"):
        world.fake.route(f"service/{path}", echo, check_token=False)
    return nothing(world)


TROUBLES = [nothing, rejected_once, connection_refused, read_timeout, tls_failure]
TROUBLES += [refused, refused_tenant, stale, parent_dead, echoing]


def use(kinds: Kinds, kind: str, source: TokenSource) -> Any:
    """Make a call with it, or sign a page."""
    if kind == "ticket":
        return source.credential.config("https://crm.example.com/")  # type: ignore[attr-defined]
    url = f"{kinds.base_url}/cgi-bin/{PATHS[kind]}"
    session = attach(requests.Session(), source)
    session.trust_env = False
    return session.post(url, json={"auth_corpid": CORP}, **kinds.options)


def observe(kinds: Kinds, kind: str, trouble: Callable[[Any], Any]) -> None:
    hunt = kinds.hunt
    end = on_event(lambda event: hunt.show("event", repr(event)))
    with trouble(kinds), LogTrap(hunt):
        credential = kinds.credential(kind)
        source = TokenSource(credential, store=kinds.store)
        try:
            outcome = use(kinds, kind, source)
            hunt.show_object("outcome", outcome)
            if isinstance(outcome, requests.Response):
                raise_for_errcode(outcome)
        except requests.RequestException as error:
            hunt.show_error(error)
    end()
    for name, thing in {"credential": credential, "source": source, "box": kinds.box}.items():
        hunt.show(name, f"{thing!r} {thing!s} {[thing]}")
    hunt.show("key", credential.key)
    hunt.show("files", " ".join(path.name for path in kinds.directory.iterdir()))


def name(value: Any) -> str | None:
    return getattr(value, "__name__", None)


@pytest.mark.parametrize("trouble", TROUBLES, ids=name)
@pytest.mark.parametrize("kind", ["suite", "corp", "provider", "ticket"])
def test_no_kind_shows_its_secret_its_ticket_or_its_token(
    kinds: Kinds, kind: str, trouble: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    observe(kinds, kind, trouble)
    printed = capfd.readouterr()
    kinds.hunt.show("output", printed.out + printed.err)
    assert kinds.hunt.leaks() == []


@pytest.mark.parametrize("kind", ["suite", "corp", "provider"])
def test_control_without_redaction_an_answer_that_echoes_shows_them(
    kinds: Kinds, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange_module, "redact", lambda text, *secrets: text)
    observe(kinds, kind, echoing)
    assert kinds.hunt.leaks()


@pytest.mark.parametrize("kind", ["suite", "corp", "provider"])
def test_control_each_canary_is_found(kinds: Kinds, made: list[str], kind: str) -> None:
    ticket = kinds.box.get(SUITE)
    canaries = {"suite": SUITE_SECRET, "corp": kinds.code, "provider": PROVIDER_SECRET}
    for canary in (canaries[kind], ticket):
        hunt = Hunt(lambda: [SUITE_SECRET, PROVIDER_SECRET, *made])
        hunt.show("planted", f"before {canary} behind")
        assert hunt.leaks()


def test_a_pickle_holds_what_the_credential_needs_and_never_a_token(
    kinds: Kinds, made: list[str]
) -> None:
    credential = kinds.credential("corp")
    token = TokenSource(credential, store=kinds.store).get().value
    kinds.hunt.show_pickle("credential", credential)
    assert kinds.hunt.leaks(of=[SUITE_SECRET])
    assert kinds.hunt.leaks(of=[kinds.code])
    assert kinds.hunt.leaks(of=[token, str(kinds.box.get(SUITE))]) == []
