"""Reading from an answer whether it rejects its token: small, large, gzipped, streamed."""

import time
from collections.abc import Callable
from statistics import median

import requests

from wecom_auth._clients.requests.answer import verdict
from wecom_auth.errors import REJECTED

from .measure import Effort, Row, Timing, microseconds, race, ratio
from .null import USER, Answer, NullTransport, json_answer, respond

_SIZES = {"200 B": 0, "10 KB": 10_000, "1 MB": 1_000_000, "10 MB": 10_000_000}
_KINDS = ("Error-Code", "plain", "gzip", "stream", "gzip stream")
_FRESH = 4


def verdicts(effort: Effort) -> list[Row]:
    """The verdict alone; building the answer and reading its body are the caller's."""
    sizes = [size for size in _SIZES if not (effort.brief and "MB" in size)]
    timings = {(kind, size): Timing() for kind in _KINDS for size in sizes}
    makers = {key: _maker(*key) for key in timings}
    for _ in range(max(2, effort.rounds // 10)):
        for key, timing in timings.items():
            _time(makers[key], key[0], timing)
    rows = [_row(kind, size, timings) for kind, size in timings]
    return rows + _parsing(effort)


def _row(kind: str, size: str, timings: dict[tuple[str, str], Timing]) -> Row:
    timing, smallest = timings[kind, size], timings[kind, "200 B"]
    shown = {
        "cpu ratio": round(ratio(timing, smallest), 3),
        "min ratio": round(min(timing.cpu) / min(smallest.cpu), 3),
        "cpu us": microseconds(median(timing.cpu)),
    }
    return Row(f"{kind}, {size}", shown, {"cpu ratio": 1.2} if size == "10 MB" else {})


def _maker(kind: str, size: str) -> Callable[[], requests.Response]:
    text = {**USER, "filler": "x" * _SIZES[size]}
    answer = json_answer(text, codes=kind == "Error-Code", gzipped="gzip" in kind)
    adapter, request = NullTransport([answer]), _request()
    return lambda: _fresh(adapter, request, answer, "stream" in kind)


def _fresh(
    adapter: NullTransport, request: requests.PreparedRequest, answer: Answer, stream: bool
) -> requests.Response:
    response = respond(adapter, request, answer)
    if not stream:
        _ = response.content
    return response


def _time(make: Callable[[], requests.Response], kind: str, timing: Timing) -> None:
    responses, stream = [make() for _ in range(_FRESH)], "stream" in kind
    if not stream:
        responses *= 100  # 10 MB have pushed all else out of the caches, which is not the verdict's
    verdict(responses[0], REJECTED, stream=stream)
    began = time.thread_time()
    for response in responses[1:]:
        verdict(response, REJECTED, stream=stream)
    timing.cpu.append((time.thread_time() - began) / (len(responses) - 1))


def _parsing(effort: Effort) -> list[Row]:
    """What it would cost to look by parsing, as the neighbours do."""
    fewer, rows = Effort(max(2, effort.rounds // 100), 1), []
    for size in _SIZES:
        response = _maker("plain", size)()
        timing = race({"json": response.json}, fewer)["json"]
        rows.append(
            Row(f"for comparison: .json(), {size}", {"cpu us": microseconds(min(timing.cpu))})
        )
    return rows


def _request() -> requests.PreparedRequest:
    return requests.Request("GET", "https://qyapi.weixin.qq.com/cgi-bin/user/get").prepare()
