"""One process that sends messages until its stdin is closed; run as a script.

A number of seconds on stdin moves its wall clock ahead by so many, 0 back.

It writes what it begins and what it is told to its own log, one line each, so that a process
killed in between leaves the line that it began.
"""

import gc
import itertools
import json
import os
import random
import select
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from wecom_auth import (
    AppCredential,
    Credential,
    FileStore,
    RedisStore,
    TokenSource,
    WeComAuth,
    WeComError,
    attach,
    with_access_token,
)

TIMEOUT = 30.0
HEADER = {"X-Way-In": "weather"}
"""What every session sends; the proxy refuses a gettoken without it."""

MakeSource = Callable[..., TokenSource]
"""Makes an app's source, with a session of its own or none; all share one memory."""

now = time.time
"""The right time, for the log."""


class Skew:
    """This process's wall clock: right, or so many seconds ahead."""

    ahead = 0.0
    asked_ahead = 0

    def time(self) -> float:
        """The seconds since the epoch, as this process believes."""
        self.asked_ahead += self.ahead > 0
        return now() + self.ahead


class Caller:
    """One thread's way to send: the auth class, an attached session, or the decorator.

    A decorated function has no session to be seen, so its source has one of its own.
    """

    def __init__(self, way: int, sources: list[MakeSource]) -> None:
        self._adapter = HTTPAdapter()
        self._plain = self._session()
        ways = (self._by_auth, self._by_attach, self._by_decorator)
        self.send = [ways[way % 3](source) for source in sources]

    def close(self) -> None:
        self._adapter.close()

    def _session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.headers.update(HEADER)
        session.mount("http://", self._adapter)
        return session

    def _post(self, session: requests.Session, base: str, text: str, **more: Any) -> Any:
        message = {"touser": "a", "msgtype": "text", "text": {"content": text}}
        url = f"{base}/cgi-bin/message/send"
        return session.post(url, json=message, timeout=TIMEOUT, **more)

    def _by_auth(self, make: MakeSource) -> Any:
        source = make()
        base = source.credential.base_url
        return lambda text: self._post(self._plain, base, text, auth=WeComAuth(source))

    def _by_attach(self, make: MakeSource) -> Any:
        source = make()
        session = attach(self._session(), source)
        return lambda text: self._post(session, source.credential.base_url, text)

    def _by_decorator(self, make: MakeSource) -> Any:
        source = make(session=self._plain)
        base = source.credential.base_url

        @with_access_token(source)
        def send(text: str, access_token: str = "") -> Any:
            return self._post(self._plain, base, text, params={"access_token": access_token})

        return send


def outcome(answer: requests.Response) -> str:
    """What the caller was told, as one word."""
    try:
        code = answer.json()["errcode"]
    except (ValueError, KeyError):
        return f"HTTP-{answer.status_code}"
    return "ok" if code == 0 else f"errcode-{code}"


def call(caller: Caller, app: int, text: str) -> str:
    """Send one message."""
    try:
        return outcome(caller.send[app](text))
    except WeComError as error:
        return f"no-token-{type(error).__name__}"
    except requests.RequestException as error:
        return f"failed-{type(error).__name__}"


def work(number: int, options: dict[str, Any], sources: list[MakeSource], stop: Any) -> None:
    """One thread: one message after the other."""
    caller = Caller(number, sources)
    chance = random.Random(f"{options['name']}-{number}")
    for serial in itertools.count():
        if stop.is_set():
            break
        app = chance.randrange(len(sources))
        text = f"{options['name']}-{number}-{serial}-app{app}"
        os.write(options["log"], f"b {text} {now():.3f}\n".encode())
        told = call(caller, app, text)
        os.write(options["log"], f"e {text} {now():.3f} {told}\n".encode())
    caller.close()


def stop_healing() -> None:
    """The control: no errcode counts as a rejection any more."""
    if not isinstance(vars(Credential).get("rejections"), property):
        raise AttributeError("Credential.rejections is gone: the control switches nothing")
    Credential.rejections = property(lambda self: frozenset())  # type: ignore[assignment, method-assign]


def heard() -> bytes:
    """The next command, or nothing at the end; lets greenlets go on meanwhile."""
    select.select([0], [], [])
    return os.read(0, 100)


def greenlets() -> bool:
    """Return whether what looks like threads here are greenlets."""
    return "gevent" in sys.modules and sys.modules["gevent"].monkey.is_module_patched("threading")


def sockets() -> int:
    """Sockets that this process has open, where /proc tells."""
    if not os.path.isdir("/proc/self/fd"):
        return 0
    links = (f"/proc/self/fd/{each}" for each in os.listdir("/proc/self/fd"))
    return sum(os.readlink(link).startswith("socket:") for link in links if os.path.islink(link))


def main() -> None:
    """Work until stdin is closed, and say what is left open then."""
    options = json.loads(sys.argv[1])
    if not options["healing"]:
        stop_healing()
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    options["log"] = os.open(options["log"], flags, 0o600)
    skew = Skew()
    time.time = skew.time
    stores = [
        RedisStore(each) if each.startswith("redis:") else FileStore(each, clock=skew.time)
        for each in options["stores"]
    ]
    sources = [
        partial(TokenSource, AppCredential(*app, base_url=url), store=stores[place])
        for *app, url, place in options["apps"]
    ]
    stop = threading.Event()
    threads = [
        threading.Thread(target=work, args=(number, options, sources, stop))
        for number in range(options["threads"])
    ]
    for thread in threads:
        thread.start()
    while command := heard():
        skew.ahead = float(command.split()[-1])
    stop.set()
    for thread in threads:
        thread.join()
    for thread in threading.enumerate():  # a refresh behind that is under way
        if thread is not threading.main_thread():
            thread.join(15)
    gc.collect()
    left = {"threads": threading.active_count() - 1, "sockets": sockets()}
    rest = {"greenlets": greenlets(), "asked_ahead": skew.asked_ahead}
    print(json.dumps({**left, **rest}), flush=True)


if __name__ == "__main__":
    main()
