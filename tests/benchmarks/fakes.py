"""How fast the fake platform answers a test, in process and over loopback."""

import time

import requests

from wecom_auth import AppCredential, attach
from wecom_auth.testing import FakeWeCom

from .measure import Effort, Row


def fakes(effort: Effort) -> list[Row]:
    """Calls in a second, client and platform together; about 1,000 in process is the aim."""
    calls = 20 if effort.brief else 3000
    fake = FakeWeCom(remember=100)
    with fake.mocked():
        mocked = _rate("https://qyapi.weixin.qq.com", calls)
    with fake.serve() as url:
        served = _rate(url, calls)
    return [
        Row("in process, mocked()", mocked),
        Row("over HTTP, serve()", served),
    ]


def _rate(base_url: str, calls: int) -> dict[str, int]:
    app = AppCredential("corp", "secret", base_url=base_url)
    with attach(requests.Session(), app) as session:
        url = f"{base_url}/cgi-bin/message/send"
        body = {"touser": "a", "msgtype": "text", "agentid": 1, "text": {"content": "hi"}}
        session.post(url, json=body)
        began, cpu = time.perf_counter(), time.process_time()
        for _ in range(calls):
            assert session.post(url, json=body).json()["errcode"] == 0
        spent, cpu = time.perf_counter() - began, time.process_time() - cpu
    return {"calls a second": round(calls / spent), "a CPU second": round(calls / cpu)}
