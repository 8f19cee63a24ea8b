"""The platform of the weather test, and each kind of trouble over it."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from wecom_auth import AppCredential
from wecom_auth.testing import (
    FakeWeCom,
    Reply,
    Request,
    Server,
)

from .crew import Crew, hold_and_kill
from .fullredis import FullRedis
from .schedule import BEHIND_PROXY, Event

MOMENT = 0.5
AHEAD = 8 * 3600.0
"""Seconds by which a wall clock is wrong: longer than any token lives."""
PATIENCE = 30.0


class Platform:
    """The fake over HTTP, with books that hold one number a message and not its whole request."""

    def __init__(self, apps: int, life: float) -> None:
        self.fake = FakeWeCom(token_life=life, clock=time.monotonic, remember=100)
        self.apps = [(f"ww{number:04}", f"secret-{number:04}") for number in range(apps)]
        for app in self.apps:
            self.fake.app(*app)
        self.delivered: Counter[str] = Counter()
        self.gettoken: Counter[str] = Counter()
        self.calls = 0
        self.diary: list[tuple[float, str]] = []
        self.deaths: list[tuple[float, int]] = []
        self._lock = Lock()
        self.fake.route("message/send", self._deliver)
        self.server = Server(self.fake, "127.0.0.1", 0, self._front)
        self.proxy = Server(self.fake, "127.0.0.1", 0, self._behind_proxy)
        self.proxied: Counter[int] = Counter()

    def _front(self, request: Request) -> Reply:
        with self._lock:
            if request.path == "gettoken":
                app = request.params.get("corpid", "")
                self.gettoken[app] += 1
                self.diary.append((time.time(), f"gettoken {app}"))
                if self.fake.mode == "rotate":
                    self.deaths.append((time.time(), int(app.removeprefix("ww"))))
            else:
                self.calls += 1
        return self.fake.handle(request)

    def _behind_proxy(self, request: Request) -> Reply:
        """A reverse proxy that lets nobody in without the header of the callers' sessions."""
        status = 200 if request.headers.get("X-Way-In") == "weather" else 403
        if request.path == "gettoken":
            with self._lock:
                self.proxied[status] += 1
        return self._front(request) if status == 200 else Reply(status, {}, b"no header")

    def url_of(self, app: int) -> str:
        """The address that its callers use."""
        return (self.proxy if app % 3 == BEHIND_PROXY else self.server).url

    def end_token(self, app: int, *, expired: bool = False) -> None:
        """The app's token is dead from now on."""
        self.deaths.append((time.time(), app))
        (self.fake.expire if expired else self.fake.revoke)(*self.apps[app])

    def next_end(self) -> float:
        """Seconds until a live token ends by itself."""
        tokens = self.fake._state.tokens
        live = [value for app in self.apps if (value := self.fake.token(*app))]
        ends = [tokens._issued[value].ends for value in live]
        return min(ends, default=float("inf")) - tokens.now()

    def _deliver(self, request: Request) -> dict[str, object]:
        with self._lock:
            self.delivered[request.json()["text"]["content"]] += 1
        return {"errcode": 0, "errmsg": "ok", "msgid": "m"}


class Sky:
    """Brings each event of the schedule down on the platform, the store and the processes."""

    def __init__(self, platform: Platform, crew: Crew, store: Path, redis: FullRedis) -> None:
        self._platform, self._fake, self._crew = platform, platform.fake, crew
        self._store, self._redis = store, redis
        self.happened: Counter[str] = Counter()
        self.quiet = 0
        self.data_drops = 0

    def bring(self, event: Event, pace: float) -> None:
        """One event, and the rest of its time."""
        began, calls = time.monotonic(), self._platform.calls
        self._platform.diary.append((time.time(), f"{event.kind}, app {event.app}"))
        self._kinds[event.kind](self, event.app)
        self.happened[event.kind] += 1
        time.sleep(max(0.1, began + pace - time.monotonic()))
        while self._platform.calls == calls and time.monotonic() < began + PATIENCE:
            time.sleep(0.05)  # a starved machine
        self.quiet += self._platform.calls == calls

    def clear(self) -> None:
        """No trouble any more."""
        self._fake.let_go()
        self._fake.mode = "repeat"
        if self._store.is_dir():
            self._store.chmod(0o700)

    def _revoke(self, app: int) -> None:
        self._platform.end_token(app)

    def _expire(self, app: int) -> None:
        self._platform.end_token(app, expired=True)

    def _rotate(self, app: int) -> None:
        self._fake.mode = "repeat" if self._fake.mode == "rotate" else "rotate"
        self._revoke(app)

    def _gettoken(self, fault: str) -> Callable[[int], None]:
        def trouble(app: int) -> None:
            with self._fake.fail(fault, path="gettoken", times=2):
                self._revoke(app)
                time.sleep(MOMENT)

        return trouble

    def _slow_gettoken(self, app: int) -> None:
        with self._fake.fail("slow", path="gettoken", seconds=MOMENT):
            self._revoke(app)
            time.sleep(MOMENT)

    def _gettoken_out(self, app: int) -> None:
        self._until_no_token_ends()
        with self._fake.fail("outage", path="gettoken"):
            time.sleep(MOMENT)

    def _until_no_token_ends(self) -> None:
        """A token that ends by itself while gettoken is out is one that nobody can replace."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._platform.next_end() < 4 * MOMENT:
            time.sleep(0.05)

    def _no_header(self, app: int) -> None:
        with self._fake.fail("no-error-code-header"):
            self._expire(app)
            time.sleep(MOMENT)

    def _slow_data(self, app: int) -> None:
        self._fake.fail("slow", path="message/send", seconds=0.2, times=10)
        self._revoke(app)

    def _drop_before(self, app: int) -> None:
        self._drop(before=True)

    def _drop_after(self, app: int) -> None:
        self._drop(before=False)

    def _drop(self, *, before: bool) -> None:
        when = "before" if before else "after"
        fault = self._fake.fail("drop", path="message/send", times=2, when=when)  # type: ignore[arg-type]
        time.sleep(MOMENT / 2)
        fault.stop()
        self.data_drops += fault.seen

    def _lock_holder(self, app: int) -> None:
        url = self._platform.url_of(app)
        key = AppCredential(*self._platform.apps[app], base_url=url).key

        def meanwhile() -> None:
            self._revoke(app)
            time.sleep(MOMENT)

        hold_and_kill(self._store, key, meanwhile)

    def _kill(self, app: int) -> None:
        self._revoke(app)
        self._crew.kill(app)

    def _store_away(self, app: int) -> None:
        """Others may write to it: the store refuses to be used, for root too."""
        self._fake.mode = "repeat"
        self._store.chmod(0o777)
        self._revoke(app)
        time.sleep(MOMENT)
        self._store.chmod(0o700)

    def _redis_full(self, app: int) -> None:
        with self._redis.filled():
            self._revoke(app)
            time.sleep(MOMENT)

    def _clock_ahead(self, app: int) -> None:
        self._crew.skew(app, AHEAD)
        self._revoke(app)
        time.sleep(MOMENT)
        self._crew.skew(app, 0)

    _kinds: dict[str, Callable[["Sky", int], None]] = {  # noqa: RUF012
        "revoke": _revoke,
        "expire": _expire,
        "rotate": _rotate,
        "gettoken busy": lambda self, app: self._gettoken("busy")(app),
        "gettoken drops": lambda self, app: self._gettoken("drop")(app),
        "gettoken slow": _slow_gettoken,
        "gettoken out": _gettoken_out,
        "no header": _no_header,
        "data slow": _slow_data,
        "data dropped before": _drop_before,
        "data dropped after": _drop_after,
        "lock holder killed": _lock_holder,
        "process killed": _kill,
        "store away": _store_away,
        "redis full": _redis_full,
        "clock ahead": _clock_ahead,
    }
