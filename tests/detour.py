"""Brings what is sent to the real platform to a fake one, below everything that clients do."""

from __future__ import annotations

from typing import Any

import requests
from requests.adapters import HTTPAdapter

HOST = "https://qyapi.weixin.qq.com"


def detour(url: str, patch: Any = setattr) -> None:
    """Published clients hard-code the host; this is how they meet the fake over real HTTP."""
    send = HTTPAdapter.send

    def detoured(
        self: HTTPAdapter, request: requests.PreparedRequest, *args: Any, **options: Any
    ) -> requests.Response:
        there = request.copy()
        there.url = (request.url or "").replace(HOST, url, 1)
        response = send(self, there, *args, **options)
        response.request, response.url = request, request.url or ""
        return response

    patch(HTTPAdapter, "send", detoured)
