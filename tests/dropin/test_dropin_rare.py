"""What happens rarely under `install`: marks are lost, loops end, evidence speaks."""

from __future__ import annotations

import asyncio
import contextvars
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import pytest
import requests
from legacy import CORP, SECRET, Legacy
from timing import until

from wecom_auth import AppCredential, CorpCredential, SuiteCredential, install
from wecom_auth._dropin import suspicion
from wecom_auth._dropin.inline import InlineSource
from wecom_auth._dropin.ledger import Entry
from wecom_auth.stores import FileStore
from wecom_auth.testing import FakeWeCom, Request


def app(client: Legacy) -> AppCredential:
    return AppCredential(CORP, SECRET, base_url=client.url)


def gettoken(client: Legacy) -> str:
    return f"{client.url}/cgi-bin/gettoken?corpid={CORP}&corpsecret={SECRET}"


# --- suspicion ---


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks again is believed at once."""
    monkeypatch.setattr(suspicion, "UNCARRIED", 0.0)
    monkeypatch.setattr(suspicion, "EXCHANGE_AGE", 0.0)


@pytest.mark.usefixtures("at_once")
def test_a_coroutine_that_asks_again_is_believed(client: Legacy, fake: FakeWeCom) -> None:
    async def main() -> None:
        async with httpx.AsyncClient(verify=False) as http:
            for _ in "12":
                assert (await http.get(gettoken(client))).json()["errcode"] == 0

    with install():
        asyncio.run(main())
    assert fake.gettoken_calls == 2


@pytest.mark.usefixtures("at_once")
def test_another_that_asks_while_no_call_was_seen_is_believed(
    client: Legacy, fake: FakeWeCom
) -> None:
    with install():
        for _ in "12":
            contextvars.Context().run(client.fetch)
    assert fake.gettoken_calls == 2


def test_a_mark_that_stands_already_is_not_written_again(
    client: Legacy, fake: FakeWeCom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Any] = []
    write = suspicion.write

    def noted(*args: Any) -> None:
        written.append(args)
        write(*args)

    monkeypatch.setattr(suspicion, "write", noted)
    with install(store=FileStore(tmp_path / "store")):
        for _ in "123":
            contextvars.Context().run(client.fetch)
    assert (len(written), fake.gettoken_calls) == (1, 1)


def test_a_mark_that_is_gone_is_not_made_up(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "store")
    suspicion.mark_carried(Entry(None), "T", None)  # another call has marked it meanwhile
    suspicion.mark_carried(Entry(None, given=1.0), "T", store)
    assert suspicion.read(store, "T") == (None, None)


@pytest.mark.parametrize(
    ("text", "record"),
    [
        ("app:key", suspicion.Record("app:key")),
        ("{", None),
        ("{}", None),
        (json.dumps({"owner": "k", "given": "soon", "exchanged": 0}), None),
    ],
    ids=["of version 0.1", "no json", "nothing", "no number"],
)
def test_a_record_is_read_whoever_has_written_it(text: str, record: Any, tmp_path: Path) -> None:
    store = FileStore(tmp_path / "store")
    store.compare_and_set(suspicion._name("T"), None, text, 60)
    assert suspicion.read(store, "T") == (text, record)


# --- evidence ---


@pytest.mark.parametrize("replayable", [True, False])
def test_a_replaced_call_that_is_refused_as_anothers_gets_its_own_answer(
    replayable: bool, client: Legacy, fake: FakeWeCom, caplog: Any
) -> None:
    """And the statement that every token is one app's counts no longer."""

    def answer(request: Request) -> dict[str, Any]:
        live = request.params["access_token"] == fake.token(CORP, SECRET)
        return {"errcode": 48002 if live else 40014, "errmsg": "no"}

    fake.route("some/thing", answer, check_token=False)
    with install(sole_app=app(client)):
        client.token = "theirs"
        assert client.send("x")["errcode"] == 0
        url = f"{client.url}/cgi-bin/some/thing?access_token=theirs"
        body = b"{}" if replayable else iter([b"{}"])
        said = requests.post(url, data=body).json()
    assert said["errcode"] == (40014 if replayable else 48002)
    assert "no longer counts" in caplog.text


def test_a_statement_of_another_kind_ends_where_an_app_is_seen(
    client: Legacy, fake: FakeWeCom, caplog: Any
) -> None:
    suite = SuiteCredential("suite", "secret", lambda: "ticket", base_url=client.url)
    with install(sole_app=CorpCredential(suite, CORP, "code")):
        client.fetch()
    assert "no longer counts" in caplog.text


def test_a_statement_is_ended_once(client: Legacy, fake: FakeWeCom, caplog: Any) -> None:
    with install(sole_app=app(client)):
        for corp in ("other", "another"):
            Legacy(client.url, corpid=corp).fetch()
    assert caplog.text.count("no longer counts") == 1


# --- exchanges ---


def test_a_mistake_of_ours_in_a_gettoken_lets_it_go_its_own_way(
    client: Legacy, fake: FakeWeCom, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise LookupError("a bug")

    monkeypatch.setattr(InlineSource, "get", fails)
    with install():
        assert client.fetch() == fake.token(CORP, SECRET)
    assert "in fails" in caplog.text


def test_where_the_loop_of_who_fetches_ends_the_others_fetch_for_themselves(
    client: Legacy, fake: FakeWeCom
) -> None:
    source = InlineSource(app(client))

    async def first() -> None:
        async with httpx.AsyncClient(verify=False, timeout=20) as http:
            asking = asyncio.create_task(http.get(gettoken(client)))
            await asyncio.to_thread(hold.wait_for, 1)
            waiting.append(pool.submit(Legacy(client.url).fetch))
            await asyncio.to_thread(until, lambda: source.statistics.waits >= 1)
            asking.cancel()

    waiting: list[Any] = []
    with install(), ThreadPoolExecutor(1) as pool, fake.hold("gettoken") as hold:
        asyncio.run(first())
        hold.wait_for(2)
        hold.release()
        assert waiting[0].result() == fake.token(CORP, SECRET)


def test_an_exchange_on_a_loop_has_no_more_time_than_its_caller(client: Legacy) -> None:
    """Though the client's own timeouts end nothing, as where an answer drips."""

    async def hangs(*_: Any) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        async with httpx.AsyncClient(verify=False, timeout=0.02) as http:
            with pytest.raises(httpx.ReadTimeout):
                await http.get(gettoken(client))

    with mock.patch.object(httpx.AsyncHTTPTransport, "handle_async_request", hangs), install():
        asyncio.run(main())


def test_a_call_without_a_token_that_needs_none_is_not_explained(
    client: Legacy, fake: FakeWeCom, caplog: Any
) -> None:
    fake.app(CORP, "another")
    fake.route("some/thing", {"errcode": 0}, check_token=False)
    with install():
        assert client.ask().json()["errcode"] == 40001
        url = f"{client.url}/cgi-bin/some/thing?access_token=None"
        assert requests.get(url).json() == {"errcode": 0}
        assert "without a token" not in caplog.text
        requests.get(f"{client.url}/cgi-bin/user/get?access_token=None")
    assert "without a token" in caplog.text
