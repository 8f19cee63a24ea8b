"""The demo's stage: a fake platform over real HTTP, and what each step of the story does to it."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import requests
import tenacity

from ..._credential.app import AppCredential
from ..._http.redaction import redact
from ..._log import log
from ...testing import FakeWeCom, Hold


@dataclass(frozen=True)
class Played:
    """What became of one step.

    Attributes:
        title: what happened, in words.
        calls: how many calls the program made.
        requests: how many requests other than gettoken arrived at the platform.
        gettoken: how many of those did.
        outcome: how it went, in words.
        problems: the expectations that did not hold.
    """

    title: str
    calls: int
    requests: int
    gettoken: int
    outcome: str
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every expectation held."""
        return not self.problems


class Stage:
    """What a step works with. Each step has apps of its own, so none depends on another.

    Attributes:
        fake: the platform.
        url: where it listens.
        warnings: what the toolkit has warned of in this step.
        timeout: seconds that one call, or one wait for another thread, may take.
    """

    timeout = 10.0

    def __init__(self, fake: FakeWeCom, url: str) -> None:
        self.fake = fake
        self.url = url
        self.warnings: list[str] = []
        self._corps = count(1)
        self._calls = count()
        self._problems: list[str] = []

    def play(self, title: str, step: Callable[["Stage"], str]) -> Played:
        """Let one step happen on a platform in good health, and tell what became of it."""
        self.fake.let_go()
        self.fake.mode = "repeat"
        self.begin()
        self._problems, outcome = [], ""
        try:
            outcome = step(self)
        except Exception as error:  # with its mechanism broken a step may raise anything
            self._problems.append(redact(f"{type(error).__name__}: {error}"))
        gettoken = self.fake.gettoken_calls
        problems = tuple(self._problems)
        return Played(title, next(self._calls), self.data_requests, gettoken, outcome, problems)

    def begin(self) -> None:
        """Count from here: what came before was preparation."""
        self.fake.reset_journal()
        self._calls = count()
        self.warnings.clear()

    def app(self, secret: str = "demo-secret", corpid: str = "") -> AppCredential:
        """An app that the platform knows, of a company of its own."""
        corpid = corpid or f"ww-demo-{next(self._corps)}"
        self.fake.app(corpid, secret)
        return AppCredential(corpid, secret, base_url=self.url)

    def api(self, path: str) -> str:
        """The URL of a call."""
        return f"{self.url}/cgi-bin/{path}"

    def count_call(self) -> None:
        """The program makes one call; from any thread."""
        next(self._calls)

    def call(
        self, method: str, path: str, session: requests.Session | None = None, **options: Any
    ) -> requests.Response:
        """One call of the program, by its session or by none."""
        self.count_call()
        send = requests.request if session is None else session.request
        return send(method, self.api(path), timeout=self.timeout, **options)

    def post(self, path: str, **options: Any) -> dict[str, Any]:
        """What a function of the program does that knows nothing of tokens."""
        response = requests.post(self.api(path), timeout=self.timeout, **options)
        return dict(response.json())

    def send(self, content: str, session: requests.Session | None = None, **options: Any) -> int:
        """Send one text message; the errcode of the answer."""
        answer = self.call("POST", "message/send", session, json=message(content), **options)
        return int(answer.json()["errcode"])

    @property
    def delivered(self) -> list[str]:
        """The texts that have arrived, in order of the alphabet: a text twice stands here twice."""
        return sorted(body["text"]["content"] for body in self.fake.messages)

    @property
    def data_requests(self) -> int:
        """How many requests other than gettoken have arrived."""
        return sum(call.path != "gettoken" for call in self.fake.journal)

    def expect(self, what: str, found: Any, wanted: Any) -> None:
        """An expectation of the story; where it does not hold, the step has failed."""
        if found != wanted:
            self._problems.append(f"{what}: {found!r} instead of {wanted!r}")

    def expect_at_most(self, what: str, found: int, most: int) -> None:
        """The same for a bound."""
        if found > most:
            self._problems.append(f"{what}: {found} instead of at most {most}")

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something is so that another thread does; TimeoutError where it is not."""
        tenacity.Retrying(
            retry=tenacity.retry_if_not_result(bool),
            wait=tenacity.wait_fixed(0.002),
            stop=tenacity.stop_after_delay(self.timeout),
            retry_error_callback=_too_late,
        )(holds)


def _too_late(state: tenacity.RetryCallState) -> None:
    raise TimeoutError("what another thread should have done did not happen in time")


def message(content: str) -> dict[str, Any]:
    """A text message, as `message/send` takes it."""
    return {"touser": "zhangsan", "msgtype": "text", "agentid": 1, "text": {"content": content}}


@contextmanager
def set_up() -> Iterator[Stage]:
    """A stage for as long as the block lasts; it touches nothing but a loopback port."""
    fake = FakeWeCom()
    with _own_environment(), fake.serve() as url:
        stage = Stage(fake, url)
        with _listening(stage.warnings):
            yield stage
        fake.let_go()


@contextmanager
def threads(number: int, *holds: Hold) -> Iterator[Callable[..., Future[Any]]]:
    """So many threads; gives their `submit`. At the end the holds are released, then all join."""
    with ThreadPoolExecutor(number) as pool:
        try:
            yield pool.submit
        finally:
            for hold in holds:
                hold.release()


class Clock:
    """A clock that the story moves, so that hours pass at once."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


class _Listener(logging.Handler):
    def __init__(self, heard: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        self._heard.append(record.getMessage())


@contextmanager
def _listening(heard: list[str]) -> Iterator[None]:
    """Warnings go to the story and not to the screen: it provokes them."""
    listener, propagate = _Listener(heard), log.propagate
    log.addHandler(listener)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(listener)
        log.propagate = propagate


@contextmanager
def _own_environment() -> Iterator[None]:
    """No proxy for loopback, and no store of the user's."""
    ours = {"no_proxy": "127.0.0.1", "WECOM_STORE": ""}
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
