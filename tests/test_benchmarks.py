"""The benchmark measures what it says: counts are asserted here, times never."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
from benchmarks import __main__ as program
from benchmarks import beneath, clients, measure, null, storms, verdicts
from benchmarks.calls import PLATFORM
from benchmarks.measure import BRIEF, Effort, Row, Timing
from benchmarks.report import as_text
from benchmarks.ways import all_ways

from wecom_auth import install
from wecom_auth._call.retry import Policy
from wecom_auth._clients.requests.answer import verdict
from wecom_auth._source import join as flights
from wecom_auth.errors import REJECTED


class Seen(null.NullTransport):
    """A transport that notes the URLs it is asked for."""

    urls: list[str]

    def send(self, request: requests.PreparedRequest, *args: Any, **kw: Any) -> requests.Response:
        Seen.urls.append(request.url or "")
        return super().send(request, *args, **kw)


@pytest.fixture
def seen() -> Iterator[list[str]]:
    Seen.urls = []
    return Seen.urls


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, dict[str, Any]]]:
    file = tmp_path_factory.mktemp("bench") / "figures.json"
    # In a process of its own: in this one the collector looks through all that the suite has made.
    command = [sys.executable, "-m", "tests.benchmarks", "--brief", "--json", str(file)]
    subprocess.run(command, cwd=Path(__file__).parents[1], check=True, capture_output=True)
    data = json.loads(file.read_text("utf-8"))["tables"]
    return {name: {row["what"]: row["figures"] for row in rows} for name, rows in data.items()}


def test_every_benchmark_runs_and_is_written(tables: dict[str, Any]) -> None:
    assert list(tables) == list(program.BENCHMARKS)
    assert all(len(rows) > 1 for rows in tables.values())


def test_ours_and_the_neighbours_are_side_by_side(tables: dict[str, Any]) -> None:
    for name in ("null", "loopback"):
        assert {"by hand, params=", "auth", "adapter", "decorator", "install()"} <= set(
            tables[name]
        )
    pytest.importorskip("wechatpy")
    assert "wechatpy" in tables["null"]


def test_storms_cost_one_gettoken_and_no_call(tables: dict[str, Any]) -> None:
    ours = {what: row for what, row in tables["storm"].items() if "wechatpy" not in what}
    assert len(ours) == 8
    for what, row in ours.items():
        assert (row["gettoken"], row["lost calls"]) == (1, 0), what


def test_a_turn_over_costs_no_call(tables: dict[str, Any]) -> None:
    rows = tables["turnover"]
    early = rows["the new token comes early: meanwhile"]
    assert (early["gettoken"], early["calls that waited"], early["lost calls"]) == (2, 0, 0)
    late = rows["the same token until it ends: meanwhile"]
    assert late["lost calls"] == 0
    assert late["calls that waited"] > 0  # the last token was dead


def test_each_credential_fetches_once_and_is_small(tables: dict[str, Any]) -> None:
    assert 200 < tables["growth"]["100 credentials, one of them"]["bytes each"] < 20_000


# --- controls: the figures would show it ---


def test_control_without_the_single_flight_a_storm_costs_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(flights, "_under_way", lambda state: None)
    rows = {row.what: row for row in storms.storms(BRIEF)}
    assert rows["cold start, 8 threads, adapter"].figures["gettoken"] > 1
    assert "gettoken" in rows["cold start, 8 threads, adapter"].missed


def test_control_without_the_resend_calls_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Policy, "rejects", lambda policy, answered: False)
    rows = {row.what: row for row in storms.storms(BRIEF)}
    assert rows["revoked, 8 threads, adapter"].figures["lost calls"] > 0


# --- the same work for everyone ---


def test_every_way_makes_the_same_call(seen: list[str]) -> None:
    for name, way in all_ways(PLATFORM, Seen, null.TOKEN):
        way()
        seen.clear()
        answer: Any = way()
        assert answer["userid"] == "zhangsan", name
        assert len(seen) == 1, name
        assert seen[0].startswith(f"{PLATFORM}/cgi-bin/user/get?"), name
        in_query = f"access_token={null.TOKEN}" in seen[0]
        assert in_query == (name not in ("google-auth", "requests-oauth2client")), name


def test_every_client_makes_the_same_call_by_hand_and_attached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[bytes] = []

    def noting(there: Any, of: Callable[[Any], bytes]) -> Any:
        def noted(self: Any, what: Any) -> Any:
            sent.append(of(what))
            return there(self, what)

        return noted

    for kind, name, of in (
        (beneath.Pool, "handle_request", lambda request: request.url.target),
        (beneath._Wire, "write", bytes),
        (beneath._Socket, "sendall", bytes),
    ):
        monkeypatch.setattr(kind, name, noting(getattr(kind, name), of))
    with asyncio.Runner() as runner, ExitStack() as stack:
        for client, make in clients.Lab(stack, runner.get_loop()).makers():
            for way, call in clients._ways(make, null.usual_answers()).items():
                sent.clear()
                assert call() == null.USER, (client, way)
                assert len(sent) == 1, (client, way)
                assert sent[0].count(f"access_token={null.TOKEN}".encode()) == 1, (client, way)
                assert b"userid=zhangsan" in sent[0], (client, way)


def test_calls_in_a_coroutine_are_made_as_often_as_others() -> None:
    made: list[str] = []

    async def call() -> None:
        made.append("it")

    with asyncio.Runner() as runner:
        measure.race({"it": measure.Awaited(runner.get_loop(), call)}, Effort(2, 5))
    assert len(made) == 3 + 2 * (1 + 5)


def test_install_is_in_force_in_its_own_turns_only() -> None:
    before = requests.Session.get_adapter
    inside: list[bool] = []
    way = measure.Within(install, lambda: inside.append(requests.Session.get_adapter != before))
    measure.race({"it": way, "other": lambda: None}, Effort(1, 1))
    assert inside == [True] * 5
    assert requests.Session.get_adapter == before


def test_the_usual_answers_are_as_varied_as_real_ones() -> None:
    answers = null.usual_answers()
    assert {"Error-Code" in each.headers for each in answers} == {True, False}
    assert any(each.headers.get("Content-Encoding") == "gzip" for each in answers)
    transport = null.NullTransport()
    request = requests.Request("GET", f"{PLATFORM}/cgi-bin/user/get").prepare()
    bodies = [transport.send(request).json() for _ in answers]
    assert bodies == [null.USER] * len(answers)
    assert len({tuple(body) for body in bodies}) > 1, "keys in another order"


@pytest.mark.parametrize("kind", verdicts._KINDS)
def test_the_verdict_is_given_on_answers_that_could_reject(kind: str) -> None:
    dead = {"errcode": 42001, "errmsg": "expired"}
    answer = null.json_answer(dead, codes=False, gzipped="gzip" in kind)
    adapter, request = null.NullTransport([answer]), verdicts._request()
    response = verdicts._fresh(adapter, request, answer, "stream" in kind)
    assert verdict(response, REJECTED, stream="stream" in kind) == 42001


# --- the tools ---


def test_ways_take_turns() -> None:
    order: list[str] = []
    ways: dict[str, Callable[[], object]] = {n: lambda n=n: order.append(n) for n in "abc"}
    timings = measure.race(ways, Effort(rounds=6, calls=2))
    turns = "".join(order[9:])
    rounds = [turns[start : start + 9] for start in range(0, 54, 9)]
    assert all(sorted(each[::3]) == list("abc") for each in rounds)
    assert all(each[::3] == each[1::3] == each[2::3] for each in rounds), "one of them not timed"
    assert len(set(rounds)) > 1, "none always comes after the same one"
    assert [len(each.cpu) for each in timings.values()] == [6, 6, 6]


def test_ways_are_made_anew_for_other_places_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "LAYOUTS", 3)
    made: list[dict[str, Callable[[], object]]] = []

    def make() -> dict[str, Callable[[], object]]:
        made.append({"a": lambda: None, "b": lambda: None})
        return made[-1]

    timings = measure.races(make, Effort(rounds=6, calls=1))
    assert len(made) == measure.LAYOUTS
    assert [len(each.cpu) for each in timings.values()] == [6, 6]


def test_ratios_are_taken_within_a_round() -> None:
    mine, base = Timing(cpu=[2.0, 40.0, 6.0]), Timing(cpu=[1.0, 10.0, 3.0])
    assert measure.ratio(mine, base) == 2.0


def test_a_missed_goal_is_marked() -> None:
    text = as_text("table", [Row("a", {"x": 2.0}, {"x": 1.5}), Row("b", {"x": 1.0, "y": 3})])
    assert "2.0! (goal 1.5)" in text
    assert text.count("!") == 1
    assert text.isascii()


def test_neighbours_that_are_not_installed_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("wechatpy", "wechatpy.enterprise", "google.auth.credentials"):
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("requests_oauth2client", "httpx", "httpx2", "aiohttp"):
        monkeypatch.setitem(sys.modules, name, None)
    with asyncio.Runner() as runner, ExitStack() as stack:
        lab = clients.Lab(stack, runner.get_loop())
        assert [client for client, _ in lab.makers()] == ["urllib"]
    names = dict(all_ways(PLATFORM, null.NullTransport, null.TOKEN))
    assert list(names)[-1] == "install()"
    assert measure.BRIEF.brief
    assert {row.what for row in storms.storms(BRIEF)} == {
        f"{what}, {threads} threads, {way}"
        for what in ("cold start", "revoked")
        for threads in (1, 8)
        for way in ("adapter", "auth")
    }


def test_one_table_may_be_asked_for(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert program.main(["--brief", "--only", "decorator", "--rounds", "1"]) == 0
    assert "a function that returns a dict" in capsys.readouterr().out
