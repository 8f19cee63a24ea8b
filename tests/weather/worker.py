"""One process that sends messages until its stdin is closed; run as a script.

It writes what it begins and what it is told to its own log, one line each, so that a process
killed in between leaves the line that it began.
"""

import gc
import itertools
import json
import os
import random
import sys
import threading
import time
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from wecom_auth import (
    AppCredential,
    Credential,
    FileStore,
    TokenSource,
    WeComAuth,
    WeComError,
    attach,
    with_access_token,
)

TIMEOUT = 30.0


class Caller:
    """One thread's way to send: the auth class, an attached session, or the decorator."""

    def __init__(self, way: int, sources: list[TokenSource]) -> None:
        self._url = f"{sources[0].credential.base_url}/cgi-bin/message/send"
        self._adapter = HTTPAdapter()
        self._plain = self._session()
        make = (self._by_auth, self._by_attach, self._by_decorator)[way % 3]
        self.send = [make(source) for source in sources]

    def close(self) -> None:
        self._adapter.close()

    def _session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.mount("http://", self._adapter)
        return session

    def _post(self, session: requests.Session, text: str, **more: Any) -> requests.Response:
        message = {"touser": "a", "msgtype": "text", "text": {"content": text}}
        return session.post(self._url, json=message, timeout=TIMEOUT, **more)

    def _by_auth(self, source: TokenSource) -> Any:
        return lambda text: self._post(self._plain, text, auth=WeComAuth(source))

    def _by_attach(self, source: TokenSource) -> Any:
        session = attach(self._session(), source)
        return lambda text: self._post(session, text)

    def _by_decorator(self, source: TokenSource) -> Any:
        @with_access_token(source)
        def send(text: str, access_token: str = "") -> requests.Response:
            return self._post(self._plain, text, params={"access_token": access_token})

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


def work(number: int, options: dict[str, Any], sources: list[TokenSource], stop: Any) -> None:
    """One thread: one message after the other."""
    caller = Caller(number, sources)
    chance = random.Random(f"{options['name']}-{number}")
    for serial in itertools.count():
        if stop.is_set():
            break
        app = chance.randrange(len(sources))
        text = f"{options['name']}-{number}-{serial}-app{app}"
        os.write(options["log"], f"b {text} {time.time():.3f}\n".encode())
        told = call(caller, app, text)
        os.write(options["log"], f"e {text} {time.time():.3f} {told}\n".encode())
    caller.close()


def stop_healing() -> None:
    """The control: no errcode counts as a rejection any more."""
    if not isinstance(vars(Credential).get("rejections"), property):
        raise AttributeError("Credential.rejections is gone: the control switches nothing")
    Credential.rejections = property(lambda self: frozenset())  # type: ignore[assignment, method-assign]


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
    session = requests.Session()
    session.trust_env = False
    store = FileStore(options["store"])
    sources = [
        TokenSource(AppCredential(*app, base_url=options["url"]), store=store, session=session)
        for app in options["apps"]
    ]
    stop = threading.Event()
    threads = [
        threading.Thread(target=work, args=(number, options, sources, stop))
        for number in range(options["threads"])
    ]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    session.close()
    for thread in threading.enumerate():  # a refresh behind that is under way
        if thread is not threading.main_thread():
            thread.join(15)
    gc.collect()
    print(json.dumps({"threads": threading.active_count() - 1, "sockets": sockets()}), flush=True)


if __name__ == "__main__":
    main()
