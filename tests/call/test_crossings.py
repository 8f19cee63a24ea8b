"""A healed call does not wander through the house: few of its calls lead into another folder."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import requests
from ways import platform

import wecom_auth
from wecom_auth import AppCredential, TokenSource, attach
from wecom_auth._call.route import Route

GOAL = 40
"""Calls from a function in one folder of the package to one in another, on the caller's thread."""

PACKAGE = Path(wecom_auth.__file__).parent


def crossings(function: Callable[[], object]) -> list[tuple[str, str]]:
    """The folders that calls lead from and to; what others call back counts as ours."""
    found: list[tuple[str, str]] = []

    def note(frame: FrameType, event: str, _: Any) -> None:
        there = folder(frame) if event == "call" else None
        caller = frame.f_back
        while there and caller is not None and folder(caller) is None:
            caller = caller.f_back
        if there and caller is not None and (here := folder(caller)) != there:
            found.append((str(here), there))

    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return found


def folder(frame: FrameType) -> str | None:
    file = Path(frame.f_code.co_filename)
    return str(file.parent.relative_to(PACKAGE)) if PACKAGE in file.parents else None


def test_a_call_that_is_rejected_and_retried() -> None:
    with platform() as (fake, app):
        session, url = attach(requests.Session(), app), f"{app.base_url}/cgi-bin/get_api_domain_ip"
        for _ in range(2):  # what is imported and made once has been
            session.get(url, timeout=20)
            fake.revoke()
        before = len(fake.journal)
        answers: list[Any] = []
        found = crossings(lambda: answers.append(session.get(url, timeout=20).json()))
        assert answers[0]["errcode"] == 0
        assert [each.path for each in fake.journal[before:]] == [
            "get_api_domain_ip",
            "gettoken",
            "get_api_domain_ip",
        ]
        assert len(found) <= GOAL, found


def test_control_it_counts_what_leads_into_another_folder_and_nothing_else() -> None:
    app = AppCredential("ww01", "a-secret")
    route, url = Route([TokenSource(app)]), f"{app.base_url}/cgi-bin/user/get"
    route.match(url)
    assert crossings(lambda: route.match(url)) == [("_call", "_credential")]
    assert crossings(lambda: route.base_urls) == []
