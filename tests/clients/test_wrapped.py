"""Adapters that are wrapped around ours after `attach`: a call passes each once, and heals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import requests
import requests_cache
from requests.adapters import BaseAdapter, HTTPAdapter
from tokenside import at_once
from ways import platform

from wecom_auth import AppCredential, TokenSource, attach
from wecom_auth._clients.requests import adapter as module


class Wrapper(BaseAdapter):
    """Counts, and sends through what was there before."""

    def __init__(self, inner: BaseAdapter, seen: list[str]) -> None:
        super().__init__()
        self._inner, self.seen = inner, seen

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        self.seen.append(request.path_url.partition("?")[0].rpartition("/")[2])
        return self._inner.send(request.copy(), **options)

    def close(self) -> None:
        self._inner.close()


class Betamax(Wrapper):
    """As betamax does it: it looks its inner adapter up among those of before."""

    def __init__(self, session: requests.Session, seen: list[str]) -> None:
        super().__init__(HTTPAdapter(), seen)
        self._before = dict(session.adapters)

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        url = (request.url or "").lower()
        self._inner = next(a for p, a in self._before.items() if url.startswith(p.lower()))
        return super().send(request, **options)


def recorder(session: requests.Session, base_url: str, seen: list[str]) -> None:
    wrapper = Betamax(session, seen)
    for prefix in ("http://", "https://"):
        session.mount(prefix, wrapper)


def over_what_is_found(session: requests.Session, base_url: str, seen: list[str]) -> None:
    session.mount("http://", Wrapper(session.get_adapter(f"{base_url}/"), seen))


def in_our_place(session: requests.Session, base_url: str, seen: list[str]) -> None:
    session.mount(f"{base_url}/", Wrapper(session.get_adapter(f"{base_url}/"), seen))


def at_a_part(session: requests.Session, base_url: str, seen: list[str]) -> None:
    session.mount(f"{base_url}/cgi-bin", Wrapper(session.get_adapter(f"{base_url}/"), seen))


def each_of_them(session: requests.Session, base_url: str, seen: list[str]) -> None:
    for prefix, adapter in list(session.adapters.items()):
        session.mount(prefix, Wrapper(adapter, seen))


Wrap = Callable[[requests.Session, str, list[str]], None]
WRAPS: list[Wrap] = [recorder, over_what_is_found, in_our_place, at_a_part, each_of_them]


def get(session: requests.Session, app: AppCredential, path: str = "user/get") -> Any:
    return session.get(f"{app.base_url}/cgi-bin/{path}?userid=a", timeout=20).json()


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("own", [False, True], ids=["credential", "its own session="])
def test_a_call_passes_each_once_and_heals(wrap: Wrap, own: bool) -> None:
    seen: list[str] = []
    with platform(mode="rotate") as (fake, app):
        session = requests.Session()
        attach(session, TokenSource(app, session=session) if own else app)
        wrap(session, app.base_url, seen)
        assert get(session, app)["errcode"] == 0
        assert seen.count("get") == 1
        assert seen.count("gettoken") <= 1
        seen.clear()
        fake.revoke()
        assert get(session, app)["errcode"] == 0
        assert seen.count("get") in (1, 2), "around us it is one call, below us two"
        assert session.post(f"{app.base_url}/cgi-bin/webhook/send?key=k", json={}).status_code
        assert seen.count("send") == 1


def test_control_without_knowing_who_was_passed_it_never_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "has_passed", lambda adapter, url: False)
    with platform() as (_fake, app):
        session = attach(requests.Session(), app)
        over_what_is_found(session, app.base_url, [])
        with pytest.raises(RecursionError):
            get(session, app)


def test_two_wrappers_around_each_other() -> None:
    first: list[str] = []
    second: list[str] = []
    with platform(mode="rotate") as (fake, app):
        session = attach(requests.Session(), app)
        over_what_is_found(session, app.base_url, first)
        recorder(session, app.base_url, second)
        for _ in range(2):
            assert get(session, app)["errcode"] == 0
            fake.revoke()
        assert first.count("get") <= 3
        assert second.count("get") == 3


def test_a_wrapper_that_calls_the_platform_itself_is_authorised() -> None:
    """It reports each call, by the same session, to the same path even."""
    told: list[int] = []

    class Telling(HTTPAdapter):
        def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
            if not told and "gettoken" not in str(request.url):
                told.append(-1)
                told.append(get(session, app)["errcode"])
            return super().send(request, **options)

    with platform() as (_fake, app):
        session = attach(requests.Session(), app)
        session.mount("http://", Telling())
        assert get(session, app)["errcode"] == 0
        assert told == [-1, 0]


def test_threads_pass_a_wrapper_side_by_side() -> None:
    together = Barrier(4)

    class Meeting(Wrapper):
        def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
            if "gettoken" not in str(request.url):
                together.wait(20)
            return super().send(request, **options)

    seen: list[str] = []
    with platform() as (_fake, app):
        session = attach(requests.Session(), app)
        session.mount("http://", Meeting(session.get_adapter(f"{app.base_url}/"), seen))
        assert {said["errcode"] for said in at_once(4, lambda: get(session, app))} == {0}
        assert seen.count("get") == 4


def test_a_cache_is_asked_once_and_keeps_no_token(tmp_path: Path) -> None:
    with platform(mode="rotate") as (fake, app):
        session = requests_cache.CachedSession(str(tmp_path / "cache"), backend="filesystem")
        attach(session, app)
        for _ in range(2):
            assert get(session, app)["errcode"] == 0
        assert [call.path for call in fake.journal] == ["gettoken", "user/get"]
        kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        token = fake.token("ww0001", "app-secret")
        assert token is not None
        assert token.encode() not in kept
        session.close()


def test_loops_over_the_adapters_find_a_pool_manager() -> None:
    session = attach(requests.Session(), AppCredential("ww1", "s"))
    assert all(adapter.poolmanager.pools is not None for adapter in session.adapters.values())


def test_a_hundred_rejected_answers_do_not_hold_the_pool() -> None:
    """Each is read to its end and closed before a token is asked for."""
    with platform() as (fake, app):
        session = requests.Session()
        session.mount("http://", HTTPAdapter(pool_maxsize=4, pool_block=True))
        attach(session, app)
        assert get(session, app)["errcode"] == 0

        def stream() -> int:
            with session.get(
                f"{app.base_url}/cgi-bin/user/get?userid=a", stream=True, timeout=30
            ) as response:
                return int(response.json()["errcode"])

        fake.fail("no-error-code-header")
        fake.revoke()
        assert set(at_once(100, stream)) == {0}
        assert fake.gettoken_calls == 2
