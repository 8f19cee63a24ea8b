"""httpx, another HTTP client: compared with itself, with the token by hand and by an auth flow."""

import itertools
from collections.abc import Iterator
from typing import Any

from .measure import Way
from .null import TOKEN, next_user, usual_answers

URL = "https://qyapi.weixin.qq.com/cgi-bin/user/get"


def httpx_ways() -> dict[str, Way]:
    """By hand and by an auth flow that looks for a rejected token; nothing without httpx."""
    try:
        import httpx
    except ImportError:
        return {}

    class TokenAuth(httpx.Auth):
        requires_response_body = True

        def auth_flow(self, request: Any) -> Iterator[Any]:
            request.url = request.url.copy_merge_params({"access_token": TOKEN})
            response = yield request
            if response.json().get("errcode") in (40014, 42001):
                yield request

    by_hand, flow = _client(httpx), _client(httpx, auth=TokenAuth())

    def call_by_hand() -> object:
        return by_hand.get(URL, params={"access_token": TOKEN, "userid": next_user()}).json()

    return {
        "httpx by hand, params=": call_by_hand,
        "httpx with an auth flow": lambda: flow.get(URL, params={"userid": next_user()}).json(),
    }


def _client(httpx: Any, **options: Any) -> Any:
    answers = itertools.cycle(usual_answers())

    def answer(request: Any) -> Any:
        each = next(answers)
        return httpx.Response(each.status, headers=each.headers, content=each.body)

    return httpx.Client(transport=httpx.MockTransport(answer), **options)
