"""The product's story, step by step; each step says what it expects of the mechanism it shows."""

from collections.abc import Callable
from hashlib import sha256

import requests

from ..._clients.attach import attach
from ..._clients.requests.auth import WeComAuth
from ..._credential.app import AppCredential
from ..._source import process
from ..._source.budget import BURST
from ..._source.source import TokenSource
from ...stores.memory import MemoryStore
from ...testing import Hold, Request
from . import program
from .stage import Clock, Stage, threads

THREADS = 32
SOFT = 6300.0
"""Seconds into a token's life of 7200 at which a new one is due and the old one still good."""

Step = Callable[[Stage], str]
STORY: list[tuple[str, Step]] = []


def step(title: str) -> Callable[[Step], Step]:
    """The next step of the story."""

    def note(function: Step) -> Step:
        STORY.append((title, function))
        return function

    return note


@step("a message by auth, adapter, decorator")
def three_ways(stage: Stage) -> str:
    for send in program.ways(stage, stage.app()):
        stage.expect("errcode", send(), 0)
    stage.expect("delivered", stage.delivered, ["adapter", "auth class", "decorator"])
    stage.expect("gettoken calls", stage.fake.gettoken_calls, 1)
    return "3 delivered, one token"


@step("the token expires (42001), each way")
def expired(stage: Stage) -> str:
    app = _warm(stage)
    for send in program.ways(stage, app):
        stage.fake.expire(app.corpid)
        stage.expect("errcode", send(), 0)
    stage.expect("delivered", stage.delivered, ["adapter", "auth class", "decorator"])
    stage.expect("requests", stage.data_requests, 6)
    return "3 delivered, 1 resend each"


@step("32 threads start without a token")
def cold_start(stage: Stage) -> str:
    app = stage.app()
    fetching = stage.fake.hold("gettoken")
    with threads(THREADS, fetching) as start:
        sent = [start(program.send_alone, stage, app, number) for number in range(THREADS)]
        _all_at_the_source(stage, app, fetching)
        fetching.release()
        stage.expect("errcodes", {each.result() for each in sent}, {0})
    stage.expect("delivered", stage.delivered, _texts(THREADS))
    stage.expect("gettoken calls", stage.fake.gettoken_calls, 1)
    return "32 delivered, one fetch"


@step("revoked (40014) under 32 threads")
def revoked(stage: Stage) -> str:
    app = _warm(stage)
    sending, fetching = stage.fake.hold("message/send"), stage.fake.hold("gettoken")
    with threads(THREADS, sending, fetching) as start:
        sent = [start(program.send_alone, stage, app, number) for number in range(THREADS)]
        sending.wait_for(THREADS, stage.timeout)
        stage.fake.revoke(app.corpid)
        sending.release()
        _all_at_the_source(stage, app, fetching)
        fetching.release()
        stage.expect("errcodes", {each.result() for each in sent}, {0})
    stage.expect("delivered", stage.delivered, _texts(THREADS))
    stage.expect("gettoken calls", stage.fake.gettoken_calls, 1)
    return "32 delivered, none twice"


@step("revoked; half the rejections come late")
def late_rejections(stage: Stage) -> str:
    app = _warm(stage)
    stage.fake.mode = "rotate"
    early, late = stage.fake.hold("message/send"), stage.fake.hold("user/get")
    with threads(16, early, late) as start:
        sent = [start(program.send_alone, stage, app, number) for number in range(8)]
        read = [start(program.read_alone, stage, app) for _ in range(8)]
        early.wait_for(8, stage.timeout)
        late.wait_for(8, stage.timeout)
        stage.fake.revoke(app.corpid)
        early.release()
        stage.expect("errcodes", {each.result() for each in sent}, {0})
        late.release()
        stage.expect("errcodes", {each.result() for each in read}, {0})
    stage.expect("gettoken calls", stage.fake.gettoken_calls, 1)
    return "the new token was kept"


@step("uploads, the token revoked meanwhile")
def upload(stage: Stage) -> str:
    app, content = _warm(stage), _content(1_000_000)
    for put in (program.upload_stream, program.upload_form):
        stage.fake.revoke(app.corpid)
        stage.expect("errcode", put(stage, app, content), 0)
    digests = [each.sha256 for each in stage.fake.uploads]
    stage.expect("SHA-256 of what arrived", digests, [sha256(content).hexdigest()] * 2)
    return "2 x 1 MB, SHA-256 equal"


@step("downloads, the token revoked meanwhile")
def download(stage: Stage) -> str:
    app, content = _warm(stage), _content(4_000_000)
    export = b'{"errcode": 42001, "errmsg": "a file that looks like a rejection"}'
    with attach(requests.Session(), app) as session:
        stage.fake.revoke(app.corpid)
        for file, requests_so_far in ((content, 2), (export, 3)):
            media_id = stage.fake.add_media(file, "export.json", "application/json")
            digest = program.download(stage, session, media_id)
            stage.expect("SHA-256 of what arrived", digest, sha256(file).hexdigest())
            stage.expect("requests", stage.data_requests, requests_so_far)
    stage.expect("gettoken calls", stage.fake.gettoken_calls, 1)
    return "4 MB, SHA-256 equal"


@step("two apps with two secrets")
def two_apps(stage: Stage) -> str:
    sales = stage.app("secret-of-sales")
    staff = stage.app("secret-of-staff", sales.corpid)
    stage.fake.route("agent/get", lambda request: _whose(stage, request, sales, staff))
    pairs = [(sales, "sales"), (staff, "staff")] * 3
    for index, (app, name) in enumerate(pairs):
        if index == 2:
            stage.fake.revoke(sales.corpid, sales.corpsecret)
        answer = stage.call("GET", "agent/get", auth=WeComAuth(app)).json()
        stage.expect("whose token the call carried", answer.get("name"), name)
    stage.expect("gettoken calls", stage.fake.gettoken_calls, 3)
    stage.expect("requests", stage.data_requests, 7)
    return "each call with its own token"


@step("a wrong secret, 20 calls")
def wrong_secret(stage: Stage) -> str:
    right = stage.app()
    wrong = AppCredential(right.corpid, "not-the-secret", base_url=stage.url)
    with attach(requests.Session(), wrong) as session:
        for _ in range(20):
            stage.expect("error", program.refusal(stage, session), "CredentialError 40001")
    stage.expect("requests without a token", stage.data_requests, 0)
    stage.expect("gettoken calls", stage.fake.gettoken_calls, 1)
    return "CredentialError, asked once"


@step("every token is rejected, 100 calls")
def rejects_for_ever(stage: Stage) -> str:
    source = _on_a_clock(stage, Clock())
    stage.fake.mode = "rotate"
    with attach(requests.Session(), source) as session:
        with stage.fake.fail("reject"):
            for number in range(100):
                before = stage.data_requests
                stage.expect("errcode", stage.send(f"{number}", session), 40014)
                stage.expect_at_most("requests a call", stage.data_requests - before, 2)
        stage.expect_at_most("gettoken calls", stage.fake.gettoken_calls, BURST)
        stage.expect("warnings of it", sum("keep being" in w for w in stage.warnings), 1)
        stage.expect("errcode afterwards", stage.send("well again", session), 0)
    return "40014 handed on, 1 warning"


@step("gettoken is down, the old token lives")
def outage(stage: Stage) -> str:
    clock = Clock()
    source = _on_a_clock(stage, clock)
    clock.now += SOFT
    old = source.peek()
    with attach(requests.Session(), source) as session:
        with stage.fake.fail("outage", path="gettoken"):
            for number in range(10):
                stage.expect("errcode in the outage", stage.send(f"{number}", session), 0)
            _let_refreshes_end(stage)
            stage.expect("refreshes that failed", source.statistics.failures, 1)
        clock.now += 60
        stage.fake.mode = "rotate"
        with stage.fake.hold("gettoken"):  # the refresh is slow, and the call does not wait
            stage.expect("errcode after it", stage.send("10", session), 0)
        _let_refreshes_end(stage)
        stage.expect("refreshed after it", source.peek() not in (old, None), True)
        stage.expect("errcode with the new token", stage.send("11", session), 0)
    stage.expect("requests", stage.data_requests, 12)
    return "12 delivered; renewed later"


def _warm(stage: Stage) -> AppCredential:
    """An app whose token is here already."""
    app = stage.app()
    TokenSource(app).get()
    stage.begin()
    return app


def _on_a_clock(stage: Stage, clock: Clock) -> TokenSource:
    """A source with its token here, in a memory on whose clock the story decides."""
    source = TokenSource(stage.app(), store=MemoryStore(monotonic=clock, wall=clock))
    source.get()
    stage.begin()
    return source


def _all_at_the_source(stage: Stage, app: AppCredential, fetching: Hold) -> None:
    """Wait until every thread wants a token: one fetches it, the others wait for that one."""
    source = TokenSource(app)
    stage.until(lambda: source.statistics.waits + fetching.waiting >= THREADS)


def _let_refreshes_end(stage: Stage) -> None:
    for thread in list(process._held.threads):
        thread.join(stage.timeout)


def _texts(number: int) -> list[str]:
    return sorted(f"thread {each}" for each in range(number))


def _content(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def _whose(stage: Stage, request: Request, *apps: AppCredential) -> dict[str, object]:
    """What `agent/get` answers: the app whose token the call carries."""
    carried = request.params["access_token"]
    owners = [a for a in apps if stage.fake.token(a.corpid, a.corpsecret) == carried]
    names = [owner.corpsecret.removeprefix("secret-of-") for owner in owners]
    return {"errcode": 0, "errmsg": "ok", "name": "".join(names)}
