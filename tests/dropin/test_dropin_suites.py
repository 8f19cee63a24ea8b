"""Programs of providers that fetch all their tokens by themselves, as they are found in public.

Under `install()` each goes on as without it, call by call; no call is answered for another owner.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import requests

from wecom_auth import AppCredential, CorpCredential, SuiteCredential, TicketBox, install
from wecom_auth._dropin import gettoken
from wecom_auth.testing import FakeWeCom, Request, reset

SUITE, SECRET, CORPS = "ww-suite", "suite-secret", ("wpone", "wptwo")
APP = "ww0001", "app-secret"


class Platform:
    """A suite that two corps have authorised; `user/get` says whose token it was asked with."""

    def __init__(self, url: str, fake: FakeWeCom) -> None:
        self.url, self.fake = url, fake
        fake.suite(SUITE, SECRET)
        self.ticket = fake.push_ticket(SUITE)
        self.codes = {corpid: fake.authorise(SUITE, corpid) for corpid in CORPS}
        fake.route("user/get", self._whose)

    def _whose(self, request: Request) -> dict[str, Any]:
        owner = self.fake._state.tokens.owner(request.params["access_token"])
        return {"errcode": 0, "corp": None if owner is None else owner.id}


# --- three shapes ---


class Functions:
    """Functions, and each token in a dict with its end."""

    def __init__(self, there: Platform, directory: Path) -> None:
        self.there, self.cache = there, {}  # type: tuple[Platform, Any]

    def _cached(self, name: str, fetch: Callable[[], dict[str, Any]], field: str) -> str:
        value, ends = self.cache.get(name, ("", 0.0))
        if time.time() >= ends:
            answer = fetch()
            value = answer.get(field, "")
            if value:
                self.cache[name] = value, time.time() + answer["expires_in"] - 200
        return str(value)

    def suite_token(self) -> str:
        body = {"suite_id": SUITE, "suite_secret": SECRET, "suite_ticket": self.there.ticket}
        url = f"{self.there.url}/cgi-bin/service/get_suite_token"
        return self._cached(
            SUITE, lambda: requests.post(url, json=body).json(), "suite_access_token"
        )

    def corp_token(self, corpid: str) -> str:
        body = {"auth_corpid": corpid, "permanent_code": self.there.codes[corpid]}
        url = f"{self.there.url}/cgi-bin/service/get_corp_token?suite_access_token="

        def fetch() -> dict[str, Any]:
            answer: dict[str, Any] = requests.post(url + self.suite_token(), json=body).json()
            return answer

        return self._cached(corpid, fetch, "access_token")

    def user(self, corpid: str) -> dict[str, Any]:
        params = {"access_token": self.corp_token(corpid), "userid": "alice"}
        answer: dict[str, Any] = requests.get(
            f"{self.there.url}/cgi-bin/user/get", params=params
        ).json()
        return answer


class Classes(Functions):
    """One class with a session, that asks again once where a code says that a token is dead."""

    def __init__(self, there: Platform, directory: Path) -> None:
        super().__init__(there, directory)
        self.http = requests.Session()

    def _post(self, path: str, params: dict[str, str], body: dict[str, str]) -> dict[str, Any]:
        answer: dict[str, Any] = self.http.request(
            method="post",
            url=f"{self.there.url}/cgi-bin/{path}",
            params=params,
            data=json.dumps(body),
        ).json()
        return answer

    def corp_token(self, corpid: str) -> str:
        if corpid not in self.cache:
            body = {"auth_corpid": corpid, "permanent_code": self.there.codes[corpid]}
            params = {"suite_access_token": self.suite_token()}
            answer = self._post("service/get_corp_token", params, body)
            if answer.get("errcode") in (40082, 42009):
                self.cache.pop(SUITE)
                params = {"suite_access_token": self.suite_token()}
                answer = self._post("service/get_corp_token", params, body)
            self.cache[corpid] = answer["access_token"]
        return str(self.cache[corpid])

    def user(self, corpid: str) -> dict[str, Any]:
        answer = super().user(corpid)
        if answer["errcode"] in (40014, 42001):
            del self.cache[corpid]
            answer = super().user(corpid)
        return answer


class Files(Functions):
    """Functions again, with the tokens in a file, and the first one from the authorisation (v1)."""

    def __init__(self, there: Platform, directory: Path) -> None:
        super().__init__(there, directory)
        self.file = directory / "tokens.json"

    def _cached(self, name: str, fetch: Callable[[], dict[str, Any]], field: str) -> str:
        self.cache = json.loads(self.file.read_text()) if self.file.exists() else {}
        value = super()._cached(name, fetch, field)
        self.file.write_text(json.dumps(self.cache))
        return value

    def authorised(self, corpid: str) -> None:
        url = f"{self.there.url}/cgi-bin/service/get_permanent_code"
        answer = requests.post(
            url,
            params={"suite_access_token": self.suite_token()},
            json={"auth_code": self.there.fake.auth_code(SUITE, corpid)},
        ).json()
        self.there.codes[corpid] = answer["permanent_code"]
        self.cache[corpid] = answer["access_token"], time.time() + answer["expires_in"]
        self.file.write_text(json.dumps(self.cache))


Shape = type[Functions]


def a_day(program: Functions) -> list[tuple[str, Any]]:
    """Call for both corps while tokens are revoked; return what each call was answered."""
    fake, seen = program.there.fake, []
    if isinstance(program, Files):
        program.authorised(CORPS[0])

    def both(times: int = 2) -> None:
        for _ in range(times):
            for corpid in CORPS:
                answer = program.user(corpid)
                seen.append((corpid, (answer["errcode"], answer.get("corp"))))

    both()
    fake.revoke(kind="suite")
    both()
    fake.revoke(kind="corp")
    both()
    program.cache.clear()  # as after a restart
    getattr(program, "file", Path("/nonexistent")).unlink(missing_ok=True)
    both()
    return seen


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Run a program for a day on a platform of its own; return its answers and its exchanges."""

    def run(shape: Shape, given: str) -> Any:
        reset()
        fake = FakeWeCom()
        directory = tmp_path / given
        directory.mkdir()
        with fake.serve() as url:
            there = Platform(url, fake)
            with installed(given, there):
                seen = a_day(shape(there, directory))
        return seen, [(call.path, call.errcode) for call in fake.journal]

    yield run
    reset()


def installed(given: str, there: Platform) -> Any:
    box = TicketBox()
    box.put(SUITE, there.ticket)
    suite = SuiteCredential(SUITE, SECRET, box, base_url=there.url)
    corps = [CorpCredential(suite, each, there.codes[each]) for each in CORPS]
    app = AppCredential(*APP, base_url=there.url)
    options: dict[str, Any] = {
        "bare": {},
        "credentials": {"credentials": [suite, *corps, app]},
        "sole app": {"sole_app": app},
    }
    return install(**options[given]) if given != "nothing" else nullcontext()


@pytest.mark.parametrize("given", ["bare", "credentials", "sole app"])
@pytest.mark.parametrize("shape", [Functions, Classes, Files])
def test_a_program_that_fetches_its_tokens_by_itself_goes_on_as_without_us(
    run: Callable[..., Any], shape: Shape, given: str
) -> None:
    seen, journal = run(shape, given)
    assert (seen, journal) == run(shape, "nothing")
    assert all(corp in (None, corpid) for corpid, (_, corp) in seen)
    assert [code for _, (code, _) in seen].count(0) >= 8


@pytest.mark.parametrize("shape", [Functions, Files])
def test_control_tokens_that_are_not_known_as_theirs_are_answered_for_another(
    run: Callable[..., Any], shape: Shape, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gettoken, "is_other_exchange", lambda url: False)
    seen, _ = run(shape, "sole app")
    assert any(corp == APP[0] for _, (_, corp) in seen)


def test_control_the_token_of_an_authorisation_alone_is_answered_for_another(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    knows = gettoken.is_other_exchange
    monkeypatch.setattr(
        gettoken, "is_other_exchange", lambda url: "permanent_code" not in url and knows(url)
    )
    monkeypatch.setattr("wecom_auth._dropin.owner.Owners.see_exchange", lambda *_: None)
    seen, _ = run(Files, "sole app")
    assert ("wpone", (0, APP[0])) in seen
