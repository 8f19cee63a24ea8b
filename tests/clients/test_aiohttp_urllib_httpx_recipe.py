"""The recipe of a program that has several clients, run as its reader runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ways import CORP, SECRET, platform

RECIPE = Path(__file__).parents[2] / "recipes" / "mixed_clients.py"


def test_one_line_heals_every_client_of_a_program() -> None:
    theirs = {k: v for k, v in os.environ.items() if not k.startswith("WECOM_")}
    with platform() as (fake, app):
        ours = {"WECOM_CORPID": CORP, "WECOM_CORPSECRET": SECRET, "WECOM_BASE_URL": app.base_url}
        program = subprocess.Popen(
            [sys.executable, RECIPE, "alice"],
            env={**theirs, **ours, "NO_PROXY": "127.0.0.1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with program:
            assert program.stdin
            assert program.stdout
            for _ in range(3):
                program.stdin.write("hello\n")
                program.stdin.flush()
                assert program.stdout.readline() == "0 0 0\n"
                fake.revoke()
            program.stdin.close()
        for client in ("httpx", "urllib", "aiohttp"):
            text = {"content": f"hello, says {client}"}
            fake.assert_delivered("text", touser="alice", text=text, times=3)
        assert fake.gettoken_calls == 3
