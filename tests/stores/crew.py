"""Crews of processes that call the platform, as a program: `crew.py`, its input a Unix socket.

It imports everything once. Each descriptor that the socket brings is the channel of one crew: a
line with its job in JSON, back a line with the pids. The processes of a crew are forked, as
gunicorn does it. They wait for one more line, call from several threads, and report.
"""

import json
import logging
import os
import signal
import socket
import threading
import time
from contextlib import nullcontext
from typing import Any

import filelock  # noqa: F401  # or each process would import it for itself
import redis  # noqa: F401  # likewise
import requests
import tenacity  # noqa: F401  # likewise

import wecom_auth
from wecom_auth._source import process as registry
from wecom_auth._source import state
from wecom_auth.stores import (
    FileStore,
    RedisStore,
    breaker,
    memory,
    open_store,
    redisclient,
)
from wecom_auth.stores import redis as redis_store


def sabotage(what: str) -> None:
    """Take a mechanism away: the control of a claim."""
    if what == "no lock":
        for store in (FileStore, RedisStore):
            store.lock = lambda self, key, timeout: nullcontext(True)  # type: ignore
    elif what == "no breaker":
        registry.guard = lambda store: store  # type: ignore
    elif what == "no patience":
        redisclient._is_refusal = lambda error: False
        RedisStore._let_go = lambda self: None  # type: ignore
    elif what == "no failure memory":
        state.State.remember = lambda self, failure: None  # type: ignore
    elif what:
        raise SystemExit(f"no such sabotage: {what}")


class Notes(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.getMessage()}")


class Member:
    """One process."""

    def __init__(self, job: dict[str, Any], number: int) -> None:
        self.job = job
        self.number = number
        self.ok = 0
        self.errors: list[str] = []
        self.slowest = 0.0
        self.mutex = threading.Lock()

    def run(self) -> dict[str, Any]:
        notes = Notes()
        logging.getLogger("wecom_auth").addHandler(notes)
        logging.getLogger("wecom_auth").setLevel(logging.INFO)
        skew = self.job["skew"][self.number % len(self.job["skew"])]
        if skew:
            memory.process_wide.wall = lambda: time.time() + skew
        app = wecom_auth.AppCredential("corp", self.job["secret"], base_url=self.job["url"])
        store = open_store(self.job["store"])
        if skew and isinstance(store, FileStore):
            store._clock = lambda: time.time() + skew
        threads = [
            threading.Thread(target=self.work, args=(thread, app, store))
            for thread in range(self.job["threads"])
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        statistics = wecom_auth.TokenSource(app, store=store).statistics
        return {
            "ok": self.ok,
            "errors": self.errors,
            "slowest": self.slowest,
            "fetches": statistics.fetches,
            "notes": notes.lines,
        }

    def work(self, thread: int, app: Any, store: Any) -> None:
        session = wecom_auth.attach(requests.Session(), app, store=store)
        call = 0
        while self.more(call):
            self.call(session, f"{self.job['name']}-{self.number}-{thread}-{call}")
            call += 1
            time.sleep(self.job["pace"])

    def more(self, call: int) -> bool:
        return call < self.job["calls"] and not os.path.exists(self.job["stop"])

    def call(self, session: requests.Session, content: str) -> None:
        message = {"touser": "@all", "msgtype": "text", "agentid": 1, "text": {"content": content}}
        began = time.monotonic()
        try:
            answer = session.post(
                f"{self.job['url']}/cgi-bin/message/send",
                json=message,
                timeout=self.job["timeout"],
            ).json()
            error = "" if answer["errcode"] == 0 else str(answer)
        except Exception as problem:
            error = f"{type(problem).__name__}: {problem}"
        took = time.monotonic() - began
        with self.mutex:
            self.slowest = max(self.slowest, took)
            if error:
                self.errors.append(error)
            else:
                self.ok += 1


def run(job: dict[str, Any], channel: Any) -> None:
    """Run one crew, from its first line to its report."""
    sabotage(job["sabotage"])
    wecom_auth.attach(requests.Session(), wecom_auth.AppCredential("corp", "secret"))
    breaker.FIRST_PAUSE = job["breaker_pause"]
    redis_store.REFUSAL_LIMIT = job["patience"]
    gate_out, gate_in = os.pipe()
    pipes, pids = [], []
    for number in range(job["processes"]):
        result_out, result_in = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(gate_in)
                os.read(gate_out, 1)  # ends when the crew's parent closes its side
                with os.fdopen(result_in, "w") as results:
                    json.dump(Member(job, number).run(), results)
            finally:
                os._exit(0)
        os.close(result_in)
        pipes.append(result_out)
        pids.append(pid)
    os.close(gate_out)
    tell(channel, [os.getpid(), *pids])
    channel.readline()
    os.close(gate_in)
    reports = []
    for pipe in pipes:
        with os.fdopen(pipe) as results:
            text = results.read()
        reports.append(json.loads(text) if text else None)
    for pid in pids:
        os.waitpid(pid, 0)
    tell(channel, reports)


def tell(channel: Any, what: Any) -> None:
    channel.write(json.dumps(what) + "\n")
    channel.flush()


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a crew
    with socket.socket(fileno=0) as starts:
        while (message := socket.recv_fds(starts, 1, 1))[0]:
            (descriptor,) = message[1]
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                os.setsid()
                starts.close()
                try:
                    with socket.socket(fileno=descriptor).makefile("rw") as channel:
                        run(json.loads(channel.readline()), channel)
                finally:
                    os._exit(0)
            os.close(descriptor)


if __name__ == "__main__":
    main()
