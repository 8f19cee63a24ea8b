"""What `import wecom_auth` costs on top of `import requests`: time, and resident memory."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from statistics import median
from tempfile import TemporaryDirectory

from .measure import Effort, Row, Timing, ratio

_REQUESTS = "import requests; requests.Session()"
_ATTACHED = (
    f"{_REQUESTS}; from wecom_auth import AppCredential, attach;"
    " attach(requests.Session(), AppCredential('corp', 'secret'))"
)
_DECORATED = f"{_REQUESTS}; from wecom_auth import AppCredential, with_access_token"
_CHILD = """
import time
began = time.process_time()
{}
spent = time.process_time() - began
try:
    with open("/proc/self/status") as status:  # ru_maxrss would be the parent's at the fork
        size = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
except OSError:
    size = 0
print(spent, size)
"""


def imports(effort: Effort) -> list[Row]:
    """CPU time and resident memory of a fresh process, from compiled files, interleaved."""
    codes = dict(_codes())
    timings, sizes = {name: Timing() for name in codes}, {name: [0] for name in codes}
    with TemporaryDirectory() as compiled:
        for code in () if effort.brief else codes.values():
            _run(code, compiled)
        for _ in range(1 if effort.brief else max(2, effort.rounds // 20)):
            for name, code in codes.items():
                spent, size = _run(code, compiled)
                timings[name].cpu.append(spent)
                sizes[name].append(size)
    return [_row(name, timings, sizes) for name in codes]


def _codes() -> Iterator[tuple[str, str]]:
    yield "requests", _REQUESTS
    yield "requests, again: the noise", _REQUESTS
    yield "+ wecom_auth", f"{_REQUESTS}; import wecom_auth"
    yield "+ wecom_auth, and attached", _ATTACHED
    yield "+ wecom_auth, the decorator", _DECORATED
    if find_spec("wechatpy"):
        yield "+ wechatpy", f"{_REQUESTS}; from wechatpy.enterprise import WeChatClient"
    if find_spec("google.auth") if find_spec("google") else None:
        yield "+ google-auth", f"{_REQUESTS}; import google.auth.transport.requests"
    if find_spec("requests_oauth2client"):
        yield "+ requests-oauth2client", f"{_REQUESTS}; import requests_oauth2client"


def _run(code: str, compiled: str) -> tuple[float, int]:
    command = [sys.executable, "-c", _CHILD.format(code)]
    here = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": compiled}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=here)
    spent, size = (json.loads(each) for each in done.stdout.split())
    return spent, size


def _row(name: str, timings: dict[str, Timing], sizes: dict[str, list[int]]) -> Row:
    mine, base = timings[name], timings["requests"]
    return Row(
        name,
        {
            "cpu ratio": round(ratio(mine, base), 3),
            "min ratio": round(min(mine.cpu) / min(base.cpu), 3),
            "cpu ms": round(median(mine.cpu) * 1000, 1),
            "extra KB": max(sizes[name]) - max(sizes["requests"]),
        },
        {"cpu ratio": 1.2} if name.startswith("+ wecom_auth") else {},
    )
