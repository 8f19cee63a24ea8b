"""`wecom-auth run`: a script as `python` runs it, with the drop-in on in it and in its children.

The script gets a Python of its own in place of this process, so that its arguments, `__main__`,
`sys.path`, standard input, signals, traceback and exit status are those of any script. A
directory at the head of PYTHONPATH holds a `sitecustomize` that installs the drop-in as soon as
requests is imported, in that Python and in every one that it starts; it takes itself off
`sys.path`, and runs the `sitecustomize` that would have run without it.

Not reached are children started with another environment (`env={}`, `sudo`) or with `-I`, `-E`
or `-S`, and Pythons that do not have wecom_auth installed.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from .._credential.app import AppCredential
from .._credential.environment import CORPID, CORPSECRET, Environment
from .._dropin import install
from .._dropin.handed import handed
from ..stores import open_store, store_of_environment
from .console import say
from .exits import MISCONFIGURED

WINDOWS = os.name == "nt"

_HOOK = Path(__file__).parent / "hook"
_TALLY = "WECOM_AUTH_TALLY"
_OWNER = "WECOM_AUTH_TALLY_OWNER"


def run_command(argv: Sequence[str], *, store: str | None = None, stats: bool = False) -> int:
    """Run a script, with the drop-in on, in place of this process.

    Args:
        argv: what `python` takes: the script's name or `-m` and a module, then its arguments.
        store: the URL of a store that processes share; otherwise WECOM_STORE names one, if any.
        stats: say at the end what was saved and healed.

    Returns:
        2 where the store is unusable. Otherwise it does not return; on Windows, which cannot
        replace a process, the script's own exit status.

    Example:
        >>> run_command(["alert.py", "disk full"], store="file:")  # doctest: +SKIP
    """
    environ = {**os.environ, **({} if store is None else {"WECOM_STORE": store})}
    try:
        store_of_environment() if store is None else open_store(store)
    except (ValueError, ModuleNotFoundError) as error:
        say(f"wecom-auth run: {error}", error=True)
        return MISCONFIGURED
    try:
        given(environ)
    except ValueError as error:  # the script may have names of its own for its secrets
        say(f"wecom-auth run: without a credential of the environment: {error}", error=True)
    paths = [str(_HOOK), *filter(None, [environ.get("PYTHONPATH")])]
    environ["PYTHONPATH"] = os.pathsep.join(paths)
    if stats:
        handle, environ[_TALLY] = tempfile.mkstemp(prefix="wecom-auth-")
        os.close(handle)
        environ.pop(_OWNER, None)  # a script run in a script that was run
    return _become([sys.executable, *argv], environ)


def given(environ: dict[str, str]) -> list[AppCredential]:
    """The credential that the environment names, if it names one.

    Raises:
        ValueError: half of one.
    """
    if Environment("WECOM_", environ).read(*CORPID, *CORPSECRET) is None:
        return []
    return [AppCredential.from_env(environ=environ)]


def start() -> None:
    """Install the drop-in as the environment wishes: called when the script imports requests.

    Raises:
        ValueError, ModuleNotFoundError: what was checked has changed since.
    """
    credentials: list[AppCredential] = []
    with suppress(ValueError):  # of which run_command has told
        credentials = given(dict(os.environ))
    install(credentials=credentials)
    if tally := os.environ.get(_TALLY):
        handed.note = partial(_note, tally)


def _note(tally: str, what: str) -> None:
    """In a file, because children count too, and some of them end without a last word."""
    with suppress(OSError), open(tally, "a", encoding="ascii") as file:
        file.write(f"{what}\n")


def _become(command: list[str], environ: dict[str, str]) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    if not WINDOWS:  # where nothing takes the place of a process
        os.execve(command[0], command, environ)  # noqa: S606
    return subprocess.call(command, env=environ)  # noqa: S603
