"""Credentials that are asked the wrong way, compared, or read from nowhere."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

from wecom_auth import (
    AppCredential,
    CorpCredential,
    DownstreamCredential,
    ExternalToken,
    SuiteCredential,
    TicketBox,
    TokenSource,
)
from wecom_auth._credential.app import SecretFile
from wecom_auth._credential.checks import agentid
from wecom_auth._credential.credential import Credential
from wecom_auth._source import process, tickets


def test_a_mounted_secret_is_known_by_its_path(tmp_path: Any) -> None:
    one, same = SecretFile(tmp_path / "a", "x"), SecretFile(tmp_path / "a", "y")
    assert one == same
    assert hash(one) == hash(same)
    assert one != SecretFile(tmp_path / "b", "x")


@pytest.mark.parametrize("wrong", [None, True, 1.5])
def test_an_agentid_is_a_number(wrong: object) -> None:
    with pytest.raises(TypeError, match="agentid must be a number"):
        agentid(wrong)


def _send(*_: Any) -> Any:
    raise AssertionError("nothing is sent")


def test_what_needs_a_parents_token_says_so() -> None:
    suite = SuiteCredential("suite", "secret", lambda: "ticket")
    app = AppCredential("ww1", "secret")
    corp = CorpCredential(suite, "ww2", "code")
    assert corp.auth_corpid == "ww2"
    for credential in (corp, DownstreamCredential(app, "ww3", 1)):
        with pytest.raises(TypeError, match="is fetched with its"):
            credential.obtain(_send, 1)
    with pytest.raises(NotImplementedError, match="AppCredential has a parent"):
        Credential.obtain_with(app, "T", _send, 1)


def test_a_timeout_of_the_owners_caller_reaches_the_caller() -> None:
    def get() -> str:
        raise TimeoutError("the alarm of a signal handler")

    with pytest.raises(TimeoutError, match="alarm"):
        TokenSource(ExternalToken(get)).get()


# --- tickets ---


class Kept:
    """A store with this text in it, into which another process always writes first."""

    def __init__(self, text: str | None = None) -> None:
        self.text, self.tries = text, 0

    def load(self, key: str) -> str | None:
        return self.text

    def compare_and_set(self, key: str, old: str | None, new: str | None, seconds: float) -> bool:
        self.tries += 1
        return False

    def lock(self, key: str, seconds: float) -> AbstractContextManager[bool]:
        return nullcontext(True)


def test_a_ticket_that_is_always_overtaken_is_given_up() -> None:
    store = Kept()
    TicketBox(store).put("suite", "ticket")
    assert store.tries == tickets._TRIES


@pytest.mark.parametrize("text", ["no json", "[]", '{"suite_ticket": "t"}', '{"suite_ticket": 1}'])
def test_a_record_that_is_none_is_no_ticket(text: str) -> None:
    box = TicketBox(Kept(text))
    assert box.get("suite") is None
    assert box.age("suite") is None
    assert "Kept" in repr(box)


def test_events_wait_for_the_next_one_where_no_thread_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def start(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(process.threading.Thread, "start", start)
    assert process._serve_events(lambda: None) is False
