"""The hook that `wecom-auth run` puts into every Python, where something is not as usual."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import wecom_auth
from wecom_auth.cli.check.asking import clock_off
from wecom_auth.cli.check.steps import _visible

HOOK = Path(wecom_auth.__file__).parent / "cli" / "hook"

SCRIPT = """
import sys, types, urllib.error
import sitecustomize as hook
sys.modules["wecom_auth"] = None  # a Python that does not have it
import urllib.request
stub = urllib.request.OpenerDirector.open
urllib.request.OpenerDirector.open = lambda *args, **kwargs: stub(*args, **kwargs)
hook._watched(types.ModuleType("aiohttp"))  # another library of that name
assert len(hook._stubs) == 1
for _ in "12":
    try:
        urllib.request.urlopen("http://127.0.0.1:9/cgi-bin/x")
    except urllib.error.URLError:
        pass
assert hook._installed
assert urllib.request.OpenerDirector.open.__name__ == "<lambda>"

class Taken:
    def acquire(self, timeout): return False

hook._lock = Taken()  # by a thread that a fork has ended
hook._once()
hook._watched(urllib.request)
assert len(hook._stubs) == 1
"""


def test_what_is_not_as_usual_is_left_alone() -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HOOK), *_path()])}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=env, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def _path() -> list[str]:
    return [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []


def test_a_range_that_is_not_there_is_not_known_to_be_empty() -> None:
    assert _visible({}) == [True]
    assert not any(_visible({"allow_userinfos": {"user": []}}))


def test_a_date_without_a_zone_is_of_greenwich() -> None:
    zoned, bare = (clock_off(f"Sun, 06 Nov 1994 08:49:37{zone}") for zone in (" GMT", " -0000"))
    assert zoned is not None
    assert bare is not None
    assert abs(zoned - bare) <= 1
