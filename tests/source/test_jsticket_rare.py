"""JS-SDK tickets that are fetched again, asked the wrong way, or sent to another process."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from wecom_auth import AppCredential, JsTicket
from wecom_auth._source.jsticket import ExternalTicket
from wecom_auth.testing import FakeWeCom


def kept() -> str:
    return "ticket"


def test_another_ticket_is_fetched_when_asked_for() -> None:
    fake = FakeWeCom()
    with fake.serve() as url:
        ticket = JsTicket(AppCredential("ww1", "secret", base_url=url))
        ticket.refresh()
        ticket.refresh()
    assert [each.path for each in fake.journal].count("get_jsapi_ticket") == 2


def test_a_ticket_is_not_fetched_without_its_apps_token() -> None:
    def send(*_: Any) -> Any:
        raise AssertionError("nothing is sent")

    with pytest.raises(TypeError, match="with its app's token"):
        JsTicket(AppCredential("ww1", "secret")).obtain(send, 1)


def test_a_ticket_is_pickled() -> None:
    ticket = JsTicket(AppCredential("ww1", "secret"), 7, corpid="ww2")
    again = pickle.loads(pickle.dumps(ticket))
    assert (again, again.agentid, again.corpid) == (ticket, 7, "ww2")
    external = pickle.loads(pickle.dumps(ExternalTicket(kept, "ww1", 7)))
    assert (external.corpid, external.agentid) == ("ww1", 7)
