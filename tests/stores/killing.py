"""Writers killed at random, as a program: `killing.py DIRECTORY KILLS [careless]`.

Prints as JSON how many kills landed inside a write, how many of them left a temporary file, and
what was read after each. With `careless` the writers write in place: the control.
"""

import json
import logging
import mmap
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

from wecom_auth.stores import FileStore, StoreError
from wecom_auth.stores import file as module

KEY = "https://qyapi.weixin.qq.com|corp|hash"
IDLE, WRITING, DRAFTED = b"0", b"1", b"2"


def text(number: int) -> str:
    return json.dumps({"access_token": str(number % 10) * 200, "expires_at": 1.0})


def write_for_ever(store: FileStore, stage: mmap.mmap) -> None:
    number = 0
    while True:
        stage[:1] = WRITING
        store.compare_and_set(KEY, store.load(KEY), text(number), 7200)
        stage[:1] = IDLE
        number += 1


def careless_put(draft: Path, target: Path) -> None:
    content = draft.read_bytes()
    with open(target, "wb", buffering=0) as stream:
        for begin in range(0, len(content), 20):
            stream.write(content[begin : begin + 20])
    draft.unlink()


def kill_one(store: FileStore, stage: mmap.mmap) -> bytes:
    stage[:1] = IDLE
    ready_out, ready_in = os.pipe()
    writer = os.fork()
    if writer == 0:
        os.close(ready_in)
        write_for_ever(store, stage)
    os.close(ready_in)
    os.close(ready_out)
    time.sleep(random.uniform(0.001, 0.006))
    os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)
    return bytes(stage[:1])


def main() -> None:
    place, kills = Path(sys.argv[1]), int(sys.argv[2])
    damaged: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: damaged.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("wecom_auth").addHandler(handler)
    if sys.argv[3:] == ["careless"]:
        module._put = careless_put  # type: ignore[assignment]
    store = FileStore(place)
    store.compare_and_set(KEY, None, text(0), 7200)
    stage = mmap.mmap(-1, 1)
    valid = {text(number) for number in range(10)}
    found: dict[str, Any] = {
        "inside": 0,
        "drafts": 0,
        "whole": 0,
        "none": 0,
        "other": 0,
        "locked": 0,
    }
    for _ in range(kills):
        found["inside"] += kill_one(store, stage) == WRITING
        found["drafts"] += bool(list(place.glob("*.tmp")))
        read = store.load(KEY)
        found["whole" if read in valid else "none" if read is None else "other"] += 1
        try:
            if not store.compare_and_set(KEY, read, text(0), 7200):
                found["other"] += 1
        except StoreError:
            found["locked"] += 1
    found["damaged"] = len(damaged)
    found["files"] = len(list(place.iterdir()))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
