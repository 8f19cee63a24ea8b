"""The clients beside requests: each against itself with the token written by hand."""

import asyncio
import json
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from typing import Any
from urllib.parse import urlencode

from wecom_auth import attach, install

from .beneath import Handler, Pool, connector
from .measure import Awaited, Effort, Row, Way, Within, figures, races
from .null import TOKEN, USER, Answer, NullTransport, json_answer, next_user, usual_answers
from .ways import source_over

PLATFORM = "https://qyapi.weixin.qq.com"
URL = f"{PLATFORM}/cgi-bin/user/get"
ELSEWHERE = "https://api.example.com/v1/users"
GOAL, ELSEWHERE_GOAL = 1.05, 1.01

Call = Callable[[str, dict[str, str]], Way | Awaited]
"""Makes a way that calls this URL, with these params and the next user, and reads the JSON."""


class Lab:
    """Makes clients of one library without a network, and closes them in the end.

    Args:
        stack: closes what was made.
        loop: of the clients that need one.
    """

    def __init__(self, stack: ExitStack, loop: asyncio.AbstractEventLoop) -> None:
        self.stack, self.loop = stack, loop

    def sync_httpx(self, library: str, answers: Sequence[Answer]) -> tuple[Any, Call]:
        """A `Client` of httpx or httpx2."""
        module, core = _httpx(library)
        client = module.Client(transport=module.HTTPTransport(verify=False))
        client._transport._pool = Pool(core, answers)

        def way(url: str, params: dict[str, str]) -> Way:
            return lambda: client.get(url, params={**params, "userid": next_user()}).json()

        return client, way

    def async_httpx(self, library: str, answers: Sequence[Answer]) -> tuple[Any, Call]:
        """An `AsyncClient` of httpx or httpx2."""
        module, core = _httpx(library)
        client = module.AsyncClient(transport=module.AsyncHTTPTransport(verify=False))
        client._transport._pool = Pool(core, answers)

        def way(url: str, params: dict[str, str]) -> Awaited:
            async def call() -> object:
                return (await client.get(url, params={**params, "userid": next_user()})).json()

            return Awaited(self.loop, call)

        return client, way

    def aiohttp(self, answers: Sequence[Answer]) -> tuple[Any, Call]:
        """A `ClientSession` of aiohttp."""
        library = import_module("aiohttp")

        async def made() -> Any:
            return library.ClientSession(connector=connector(library, answers))

        session = self.loop.run_until_complete(made())
        self.stack.callback(lambda: self.loop.run_until_complete(session.close()))

        def way(url: str, params: dict[str, str]) -> Awaited:
            async def call() -> object:
                async with session.get(url, params={**params, "userid": next_user()}) as answer:
                    return await answer.json()

            return Awaited(self.loop, call)

        return session, way

    def urllib(self, answers: Sequence[Answer]) -> tuple[Any, Call]:
        """An opener of urllib, which asks for no gzip and so gets none."""
        plain = [each for each in answers if "Content-Encoding" not in each.headers]
        opener = urllib.request.build_opener(Handler(plain))

        def way(url: str, params: dict[str, str]) -> Way:
            def call() -> object:
                query = urlencode({**params, "userid": next_user()})
                with opener.open(f"{url}?{query}") as answer:
                    return json.load(answer)

            return call

        return opener, way

    def makers(self) -> Iterator[tuple[str, Callable[[Sequence[Answer]], tuple[Any, Call]]]]:
        """Each client whose library is installed."""
        for library in ("httpx", "httpx2"):
            if _is_installed(library):
                yield library, partial(self.sync_httpx, library)
                yield f"{library} async", partial(self.async_httpx, library)
        if _is_installed("aiohttp"):
            yield "aiohttp", self.aiohttp
        yield "urllib", self.urllib


def clients(effort: Effort) -> list[Row]:
    """CPU of a call over a null transport: by hand, attached, and past an installation."""
    rows: list[Row] = []
    with asyncio.Runner() as runner, ExitStack() as stack:
        for name, make in Lab(stack, runner.get_loop()).makers():
            for kind, answers in _ANSWERS.items():
                rows += _rows(f"{name}{kind}", partial(_ways, make, answers), GOAL, effort)
            rows += _rows(f"{name}, another host", partial(_past, make), ELSEWHERE_GOAL, effort)
    return rows


_ANSWERS = {"": usual_answers(), ", no Error-Code": [json_answer(USER, codes=False)]}
_BY_HAND, _OURS, _NOISE = "by hand", "attach", "by hand again: the noise"


def _ways(make: Any, answers: Sequence[Answer]) -> dict[str, Any]:
    source = source_over(PLATFORM, NullTransport)
    source.get()
    (_, by_hand), (_, again), (client, ours) = (make(answers) for _ in range(3))
    attach(client, source)
    return {
        _BY_HAND: by_hand(URL, {"access_token": TOKEN}),
        _NOISE: again(URL, {"access_token": TOKEN}),
        _OURS: ours(URL, {}),
    }


def _past(make: Any) -> dict[str, Any]:
    answers = [json_answer(USER, codes=False)]
    (_, plain), (_, again), (_, watched) = (make(answers) for _ in range(3))
    return {
        _BY_HAND: plain(ELSEWHERE, {}),
        _NOISE: again(ELSEWHERE, {}),
        "install()": Within(install, watched(ELSEWHERE, {})),
    }


def _rows(name: str, make: Any, goal: float, effort: Effort) -> list[Row]:
    timings = races(make, effort)
    base = timings.pop(_BY_HAND)
    return [
        Row(f"{name}: {way}", figures(each, base), {} if way == _NOISE else {"cpu ratio": goal})
        for way, each in timings.items()
    ]


def _httpx(library: str) -> tuple[Any, Any]:
    return import_module(library), import_module(library.replace("httpx", "httpcore"))


def _is_installed(library: str) -> bool:
    try:
        import_module(library)
    except ImportError:
        return False
    return True
