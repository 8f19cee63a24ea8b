"""Transports without a network: the answers are made as requests makes them, out of memory."""

import gzip
import itertools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Any, NamedTuple

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from wecom_auth.testing import FakeWeCom, Request

TOKEN = "kGk3" + "Zq-IdUeT1Xx_" * 17 + "abcdef"  # 214 characters, as seen in the wild
USER = {
    "errcode": 0,
    "errmsg": "ok",
    "userid": "zhangsan",
    "name": "张三",
    "department": [1, 2],
    "position": "engineer",
    "status": 1,
    "avatar": "https://wework.qpic.cn/wwpic/1234567890",
}
_users = itertools.cycle([f"zhangsan{number}" for number in range(509)])
_JSON = {"Content-Type": "application/json; charset=UTF-8", "Server": "nginx"}
_CODES = {"Error-Code": "0", "Error-Msg": "ok"}


class Answer(NamedTuple):
    """One answer of the platform, as it goes over the wire."""

    headers: Mapping[str, str]
    body: bytes
    status: int = 200


def json_answer(data: Any, *, codes: bool = True, gzipped: bool = False) -> Answer:
    """A JSON answer, with or without the undocumented headers, gzipped or not."""
    body = json.dumps(data, ensure_ascii=False).encode()
    body = gzip.compress(body, mtime=0) if gzipped else body
    encoding = {"Content-Encoding": "gzip"} if gzipped else {}
    length = {"Content-Length": str(len(body))}
    return Answer({**_JSON, **(_CODES if codes else {}), **encoding, **length}, body)


def usual_answers() -> list[Answer]:
    """What a program meets: with `Error-Code` and without, keys in any order, gzip too."""
    turned = dict(reversed(USER.items()))
    return [
        json_answer(USER),
        json_answer(turned, codes=False),
        json_answer(turned),
        json_answer(USER, codes=False, gzipped=True),
    ]


class NullTransport(HTTPAdapter):
    """Answers from memory, one answer after the other; gettoken always gives `TOKEN`."""

    def __init__(self, answers: Sequence[Answer] | None = None) -> None:
        super().__init__()
        self._answers = itertools.cycle(answers or usual_answers())
        self._grant = json_answer({"errcode": 0, "access_token": TOKEN, "expires_in": 7200})

    def send(self, request: requests.PreparedRequest, *args: Any, **kw: Any) -> requests.Response:
        grant = "gettoken" in (request.url or "")
        return respond(self, request, self._grant if grant else next(self._answers))


class FakeTransport(HTTPAdapter):
    """Answers for a `FakeWeCom`, each call and each gettoken after a while on the way."""

    def __init__(self, fake: FakeWeCom, travel: float = 0.0, gettoken: float = 0.0) -> None:
        super().__init__()
        self._fake = fake
        self._travel = travel
        self._gettoken = gettoken

    def send(self, request: requests.PreparedRequest, *args: Any, **kw: Any) -> requests.Response:
        asked = Request(request.method or "GET", request.path_url, dict(request.headers))
        time.sleep(self._gettoken if asked.path == "gettoken" else self._travel)
        reply = self._fake.handle(asked)
        return respond(self, request, Answer(reply.headers, reply.body, reply.status))


def next_user() -> str:
    """Another one for each call: urllib keeps the last 128 URLs that it has split."""
    return next(_users)


def caller(session: requests.Session, base_url: str) -> Callable[[], object]:
    """Makes one call of user/get through this session, which sees to the token itself."""
    url = f"{base_url}/cgi-bin/user/get"
    return lambda: session.get(url, params={"userid": next_user()}).json()


def respond(
    adapter: HTTPAdapter, request: requests.PreparedRequest, answer: Answer
) -> requests.Response:
    """The response that requests would build around this answer."""
    raw = HTTPResponse(
        body=BytesIO(answer.body),
        headers=answer.headers,
        status=answer.status,
        reason="OK",
        preload_content=False,
        decode_content=False,
        retries=adapter.max_retries,
        request_method=request.method,
        request_url=request.path_url,
    )
    return adapter.build_response(request, raw)
