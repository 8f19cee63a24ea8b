"""gevent and eventlet, patched before the import, after it, and without threads.

Each in a process of its own, because patching cannot be undone; the platform stays in this one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from wecom_auth.testing import Server

MANY = 20

PROGRAM = """
import json, os, sys
library, patched, number, url = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]

def patch():
    options = {"thread": False} if patched == "thread=False" else {}
    if library == "gevent":
        from gevent import monkey
        monkey.patch_all(**options)
    else:
        import eventlet
        eventlet.monkey_patch(**options)

if patched == "before":
    patch()
import requests
from wecom_auth import AppCredential, TokenSource, WeComAuth, attach, on_event
from wecom_auth._source import flight, forks, state
from wecom_auth._call import flow
if patched != "before":
    patch()
lib = __import__(library)

app = AppCredential("ww0001", "the-apps-secret", base_url=url)
events = []
if "events" in sys.argv:
    on_event(lambda event: events.append(event.name))

def call(_):
    session = attach(requests.Session(), app)
    try:
        return session.get(f"{url}/cgi-bin/user/get?userid=alice", timeout=20).json()["errcode"]
    except Exception as error:
        return repr(error)

def all_at_once(number):
    if library == "gevent":
        from gevent.pool import Pool
        return Pool(number).map(call, range(number))
    return list(lib.GreenPool(number).imap(call, range(number)))

def turning():  # other greenlets go on while a token is fetched
    global turns
    while True:
        turns += 1
        lib.sleep(0.01)

turns = 0
lib.spawn(turning)
cold = all_at_once(number)
print(json.dumps([cold, turns]), flush=True)
sys.stdin.readline()
print(json.dumps([all_at_once(number), turns, events]), flush=True)
os._exit(0)
"""


def answers_of(
    server: Server, library: str, patched: str, number: int, *more: str
) -> tuple[list[Any], list[Any]]:
    """The errcodes of cold calls, and of the same after the token is revoked."""
    fake = server.fake
    pytest.importorskip(library)
    command = [sys.executable, "-c", PROGRAM, library, patched, str(number), server.url, *more]
    env = {**os.environ, "EVENTLET_NO_GREENDNS": "yes"}
    pipe: Any = subprocess.PIPE
    with (
        fake.fail("slow", path="gettoken", seconds=0.3),
        subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=env) as program,
    ):
        assert program.stdin is not None
        assert program.stdout is not None
        cold = json.loads(program.stdout.readline())
        assert fake.gettoken_calls == 1
        fake.revoke()
        print(file=program.stdin, flush=True)
        revoked = json.loads(program.stdout.readline())
        assert fake.gettoken_calls == 2
    return cold, revoked


EVERY_WAY = [
    ("gevent", "before"),
    ("gevent", "after"),
    ("gevent", "thread=False"),
    ("eventlet", "before"),
    pytest.param("eventlet", "after", marks=pytest.mark.storm),
    pytest.param("eventlet", "thread=False", marks=pytest.mark.storm),
]


@pytest.mark.parametrize(("library", "patched"), EVERY_WAY)
def test_greenlets_share_one_exchange_and_lose_nothing(
    wecom_server: Server, library: str, patched: str
):
    """Patched before, their events are looked at, too."""
    more = ["events"] if patched == "before" else []
    cold, revoked = answers_of(wecom_server, library, patched, MANY, *more)
    assert cold[0] == revoked[0] == [0] * MANY
    assert not more or "fetched" in revoked[2]
    assert cold[1] > 5, "the others stood still while a token was fetched"


@pytest.mark.storm
@pytest.mark.parametrize("patched", ["before", "after", "thread=False"])
def test_two_hundred_greenlets(wecom_server: Server, patched: str):
    cold, revoked = answers_of(wecom_server, "gevent", patched, 200)
    assert cold[0] == revoked[0] == [0] * 200


@pytest.mark.storm
@pytest.mark.parametrize("patched", ["after", "thread=False"])
@pytest.mark.parametrize("library", ["gevent", "eventlet"])
def test_event_hooks_are_called_among_greenlets(wecom_server: Server, library: str, patched: str):
    _, (_, _, events) = answers_of(wecom_server, library, patched, 4, "events")
    assert events.count("fetched") >= 1
