"""Many threads at once: all start cold, or all meet a token that has just been revoked."""

import itertools
import time
from collections.abc import Callable
from threading import Barrier, Thread
from typing import Any

import requests

from wecom_auth import (
    AppCredential,
    MemoryStore,
    TokenSource,
    WeComAuth,
    attach,
)
from wecom_auth.testing import FakeWeCom

from .measure import Effort, Row
from .neighbours import wechatpy
from .null import FakeTransport

BASE = "https://qyapi.weixin.qq.com"
URL = f"{BASE}/cgi-bin/user/get"
CALLS = 6

Call = Callable[[], Any]


def storms(effort: Effort) -> list[Row]:
    """The platform ends the last token with each gettoken, which takes 50 ms; a call takes 2."""
    rows = []
    for threads in (1, 8) if effort.brief else (1, 8, 32, 128):
        for name, make in _CALLERS.items():
            for what, storm in (("cold start", _cold), ("revoked", _revoked)):
                fake = FakeWeCom(mode="rotate", remember=0)
                try:
                    call = make(FakeTransport(fake, travel=0.002, gettoken=0.05))
                except ImportError:
                    continue
                figures = storm(fake, call, threads)
                ours = {"gettoken": 1, "lost calls": 0} if name in ("adapter", "auth") else {}
                rows.append(Row(f"{what}, {threads} threads, {name}", figures, ours))
    return rows


def _cold(fake: FakeWeCom, call: Call, threads: int) -> dict[str, float]:
    return _figures(fake, _in_threads(threads, call, 1, bool))


def _revoked(fake: FakeWeCom, call: Call, threads: int) -> dict[str, float]:
    call()
    fake.reset_journal()
    return _figures(fake, _in_threads(threads, call, CALLS, fake.revoke))


def _in_threads(
    threads: int, call: Call, calls: int, halfway: Callable[[], object]
) -> list[tuple[float, bool]]:
    """Seconds of each call, and whether it was lost; `halfway` comes when half of them are made."""
    barrier, made = Barrier(threads), itertools.count(1)
    results: list[tuple[float, bool]] = []

    def work() -> None:
        barrier.wait()
        for _ in range(calls):
            results.append(_one(call))
            if next(made) == threads * calls // 2:
                halfway()

    workers = [Thread(target=work) for _ in range(threads)]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join()
    return results


def _one(call: Call) -> tuple[float, bool]:
    began = time.perf_counter()
    try:
        lost = call()["errcode"] != 0
    except Exception:  # whatever a neighbour raises, the call is lost
        lost = True
    return time.perf_counter() - began, lost


def _figures(fake: FakeWeCom, results: list[tuple[float, bool]]) -> dict[str, float]:
    return {
        "gettoken": fake.gettoken_calls,
        "lost calls": sum(lost for _, lost in results),
        "calls": len(results),
        "slowest ms": round(max(seconds for seconds, _ in results) * 1000, 1),
    }


def _source(transport: FakeTransport) -> TokenSource:
    session = requests.Session()
    session.mount("https://", transport)
    return TokenSource(AppCredential("corp", "secret"), store=MemoryStore(), session=session)


def _by_adapter(transport: FakeTransport) -> Call:
    session = requests.Session()
    session.mount("https://", transport)
    attach(session, _source(transport))
    return lambda: session.get(URL, params={"userid": "zhangsan"}).json()


def _by_auth(transport: FakeTransport) -> Call:
    session = requests.Session()
    session.mount("https://", transport)
    source = _source(transport)
    return lambda: session.get(URL, params={"userid": "lisi"}, auth=WeComAuth(source)).json()


def _by_wechatpy(transport: FakeTransport) -> Call:
    return wechatpy(BASE, transport)


_CALLERS: dict[str, Callable[[FakeTransport], Call]] = {
    "adapter": _by_adapter,
    "auth": _by_auth,
    "wechatpy": _by_wechatpy,
}
