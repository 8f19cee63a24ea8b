"""`wecom-auth demo`: the product's story, over real HTTP and by the public interface."""

import io
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from typing import Any
from unittest.mock import patch

import requests

from .. import (
    AppCredential,
    CorpCredential,
    CredentialError,
    SuiteCredential,
    TicketBox,
    TokenSource,
    WeComAuth,
    attach,
    with_access_token,
)
from .._http.redaction import redact
from ..stores.memory import MemoryStore
from ..testing import FakeWeCom, Hold, reset
from .console import say

THREADS = 32
WAIT = 10.0  # seconds that one call, or one wait for another thread, may take

_LINE = "{:<38}  {:>5}  {:>8}  {:>8}  {}"
_LEGEND = "calls: made by the program; requests: what arrived for them; gettoken: tokens fetched."
_MULTIPART = {"Content-Type": "multipart/form-data; boundary=demo"}
_HEAD = b'--demo\r\nContent-Disposition: form-data; name="media"; filename="stream.bin"\r\n\r\n'


class Stage:
    """The tools of a step: the fake platform, an app of its own, and the problems so far."""

    def __init__(self, fake: FakeWeCom, url: str, number: int) -> None:
        self.fake, self.url, self.problems = fake, url, list[str]()
        fake.start_over()
        fake.app(f"ww-demo-{number}", "demo-secret")
        self.app = AppCredential(f"ww-demo-{number}", "demo-secret", base_url=url)

    def warm_up(self, source: TokenSource | None = None) -> None:
        """Fetch a token that is then there already; what a step counts begins after it."""
        (source or TokenSource(self.app)).get()
        self.fake.reset_journal()

    def send(self, text: str, session: Any = requests, **options: Any) -> int:
        """Send one message; return the errcode of the answer."""
        body = {"touser": "zhangsan", "msgtype": "text", "agentid": 1, "text": {"content": text}}
        url = f"{self.url}/cgi-bin/message/send"
        return int(session.post(url, json=body, timeout=WAIT, **options).json()["errcode"])

    def send_alone(self, number: int) -> int:
        """Send as a thread that knows of no other: a session and a credential of its own."""
        own = AppCredential(self.app.corpid, "demo-secret", base_url=self.url)
        with attach(requests.Session(), own) as session:
            return self.send(f"thread {number}", session)

    @property
    def requests(self) -> int:
        """Return how many requests other than gettoken have arrived."""
        return sum(call.path != "gettoken" for call in self.fake.journal)

    def expect(self, what: str, found: object, wanted: object) -> None:
        """Note a problem unless the two are equal."""
        if found != wanted:
            self.problems.append(f"{what}: {found!r} instead of {wanted!r}")

    def expect_delivered(self, *texts: str, gettoken: int) -> None:
        """Expect these messages to have arrived, once each, and so many tokens fetched."""
        delivered = sorted(body["text"]["content"] for body in self.fake.messages)
        self.expect("delivered", delivered, sorted(texts))
        self.expect("gettoken calls", self.fake.gettoken_calls, gettoken)

    def wait_for_all(self, fetching: Hold) -> None:
        """Wait until every thread wants a token: one fetches it, the others wait for that one."""
        source, deadline = TokenSource(self.app), time.monotonic() + WAIT
        while source.statistics.waits + fetching.waiting < THREADS:
            if time.monotonic() > deadline:
                raise TimeoutError("what other threads should have done did not happen in time")
            time.sleep(0.002)

    @contextmanager
    def threads(self, *holds: Hold) -> Iterator[None]:
        """Start the threads; then expect a message of each, and one token fetched for all."""
        with ThreadPoolExecutor(THREADS) as pool:
            sent = [pool.submit(self.send_alone, number) for number in range(THREADS)]
            try:
                yield
            finally:
                for hold in holds:
                    hold.release()
        self.expect("errcodes", {each.result() for each in sent}, {0})
        self.expect_delivered(*(f"thread {number}" for number in range(THREADS)), gettoken=1)


def ways(stage: Stage) -> Iterator[Callable[[], int]]:
    """Yield each way to attach, as a function that sends one message."""

    @with_access_token(stage.app)
    def decorated(access_token: str = "") -> dict[str, int]:
        return {"errcode": stage.send("decorator", params={"access_token": access_token})}

    yield lambda: stage.send("auth class", auth=WeComAuth(stage.app))
    with attach(requests.Session(), stage.app) as session:
        yield lambda: stage.send("adapter", session)
    yield lambda: decorated()["errcode"]


def three_ways(stage: Stage) -> str:
    for send in ways(stage):
        stage.expect("errcode", send(), 0)
    stage.expect_delivered("adapter", "auth class", "decorator", gettoken=1)
    return "3 delivered, one token"


def expired(stage: Stage) -> str:
    stage.warm_up()
    for send in ways(stage):
        stage.fake.expire()
        stage.expect("errcode", send(), 0)
    stage.expect_delivered("adapter", "auth class", "decorator", gettoken=3)
    stage.expect("requests", stage.requests, 6)
    return "3 delivered, 1 resend each"


def cold_start(stage: Stage) -> str:
    fetching = stage.fake.hold("gettoken")
    with stage.threads(fetching):
        stage.wait_for_all(fetching)
    return f"{THREADS} delivered, one fetch"


def revoked(stage: Stage) -> str:
    stage.warm_up()
    sending, fetching = stage.fake.hold("message/send"), stage.fake.hold("gettoken")
    with stage.threads(sending, fetching):
        sending.wait_for(THREADS, WAIT)
        stage.fake.revoke()
        sending.release()
        stage.wait_for_all(fetching)
    return f"{THREADS} delivered, none twice"


def files(stage: Stage) -> str:
    stage.warm_up()
    content = bytes(range(251)) * 8000
    media_id = stage.fake.add_media(content)
    api = f"{stage.url}/cgi-bin/media"
    with attach(requests.Session(), stage.app) as session:
        stage.fake.revoke()
        body, url = io.BytesIO(_HEAD + content + b"\r\n--demo--"), f"{api}/upload?type=file"
        answer = session.post(url, data=body, headers=_MULTIPART, timeout=WAIT).json()
        stage.expect("errcode", answer["errcode"], 0)
        stage.fake.revoke()
        with session.get(f"{api}/get?media_id={media_id}", stream=True, timeout=WAIT) as response:
            arrived = b"".join(response.iter_content(65_536))
    digests = [stage.fake.uploads[0].sha256, sha256(arrived).hexdigest()]
    stage.expect("SHA-256 of what arrived", digests, [sha256(content).hexdigest()] * 2)
    return "2 MB each way, SHA-256 equal"


def wrong_secret(stage: Stage) -> str:
    wrong = AppCredential(stage.app.corpid, "not-the-secret", base_url=stage.url)
    for _ in range(20):
        try:
            with attach(requests.Session(), wrong) as session:
                outcome: object = stage.send("never", session)
        except CredentialError as error:
            outcome = error.errcode
        stage.expect("errcode", outcome, 40001)
    stage.expect("requests without a token", stage.requests, 0)
    stage.expect("gettoken calls", stage.fake.gettoken_calls, 1)
    return "CredentialError, asked once"


def outage(stage: Stage) -> str:
    now = time.time()
    store = MemoryStore(monotonic=lambda: now, wall=lambda: now)
    source = TokenSource(stage.app, store=store)
    stage.warm_up(source)
    now += 6300  # of 7200 s: a new token is due, and the old one still good
    down = stage.fake.fail("outage", path="gettoken")
    with attach(requests.Session(), source) as session:
        for number in range(10):
            stage.expect("errcode", stage.send(f"{number}", session), 0)
    down.wait_for(1, WAIT)
    stage.expect("requests", stage.requests, 10)
    return "10 delivered all the same"


def suites_day(stage: Stage) -> str:
    fake, box = stage.fake, TicketBox()
    fake.suite("ww-demo-suite", "demo-secret")
    suite = SuiteCredential("ww-demo-suite", "demo-secret", box, base_url=stage.url)
    codes = {corpid: fake.authorise(suite.suite_id, corpid) for corpid in ("wp-one", "wp-two")}
    for hour in range(3):
        for kind in ("suite_ticket", "suite", "corp"):
            fake.revoke(kind=kind)
        box.put(suite.suite_id, fake.push_ticket(suite.suite_id))
        for corpid, code in codes.items():
            with attach(requests.Session(), CorpCredential(suite, corpid, code)) as session:
                stage.expect("errcode", stage.send(f"{corpid}: {hour}", session), 0)
    fetched = sum(call.path == "service/get_suite_token" for call in fake.journal)
    stage.expect("get_suite_token calls", fetched, 3)
    stage.expect("messages", len(fake.messages), 6)
    return "6 delivered, suite healed"


STORY = [  # each step: its title, its function, and how many calls the program makes in it
    ("a message by auth, adapter, decorator", three_ways, 3),
    ("the token expires (42001), each way", expired, 3),
    ("32 threads start without a token", cold_start, THREADS),
    ("revoked (40014) under 32 threads", revoked, THREADS),
    ("up- and download, revoked meanwhile", files, 2),
    ("a wrong secret, 20 calls", wrong_secret, 20),
    ("gettoken is down, the old token lives", outage, 10),
    ("a suite, its ticket, two corps, revoked", suites_day, 6),
]


def demo_command(as_json: bool = False) -> int:
    """Play the story and print it as it goes, or as one JSON document at the end.

    Returns:
        The exit code: 0 only if every expectation held.
    """
    tell: Callable[[str], object] = (lambda text: None) if as_json else say
    began, story = time.perf_counter(), list[dict[str, Any]]()
    with platform() as (fake, url):
        tell(f"A fake WeCom platform listens on {url}; nothing leaves this machine.\n")
        tell(_LINE.format("what happened", "calls", "requests", "gettoken", "outcome"))
        for number, (title, step, calls) in enumerate(STORY, 1):
            story.append(play(Stage(fake, url, number), title, step, calls))
            tell(_as_text(**story[-1]))
    seconds, kept = time.perf_counter() - began, sum(played["ok"] for played in story)
    tell(f"\n{_LEGEND}\n\n{kept} of {len(story)} steps went as promised, in {seconds:.1f} s.")
    ok = kept == len(story)
    if as_json:
        say(json.dumps({"ok": ok, "seconds": round(seconds, 2), "steps": story}, indent=2))
    return 0 if ok else 1


def play(stage: Stage, title: str, step: Callable[[Stage], str], calls: int) -> dict[str, Any]:
    """Let one step happen, and tell what became of it; whatever it raises is a problem."""
    outcome = ""
    try:
        outcome = step(stage)
    except Exception as error:  # with its mechanism broken a step may raise anything
        stage.problems.append(redact(f"{type(error).__name__}: {error}"))
    told = {"step": title, "ok": not stage.problems, "calls": calls, "requests": stage.requests}
    more = {"outcome": outcome, "problems": stage.problems}
    return {**told, "gettoken": stage.fake.gettoken_calls, **more}


def _as_text(step: str, ok: bool, problems: list[str], outcome: str, **numbers: int) -> str:
    line = _LINE.format(step, *numbers.values(), f"ok   {outcome}" if ok else "FAIL")
    return "\n    ".join([line, *problems[:5]])


@contextmanager
def platform() -> Iterator[tuple[FakeWeCom, str]]:
    """Serve a fake platform: without the user's proxy and store, and its warnings unheard."""
    fake, quiet = FakeWeCom(), patch.object(logging.getLogger("wecom_auth"), "disabled", True)
    with patch.dict(os.environ, no_proxy="127.0.0.1", WECOM_STORE=""), quiet, fake.serve() as url:
        yield fake, url
        fake.let_go()
        reset()  # waits for what is fetched in the background
