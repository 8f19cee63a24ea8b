"""`wecom-auth run`: a script as `python` runs it, with the drop-in on in it and in its children.

The script gets a Python of its own in place of this process, so that its arguments, `__main__`,
`sys.path`, standard input, signals, traceback and exit status are those of any script. A
directory at the head of PYTHONPATH holds a `sitecustomize` that installs the drop-in at the first
WeCom call, in that Python and in every one that it starts; it takes itself off `sys.path`, and
runs the `sitecustomize` that would have run without it.

A store's URL with a password in it reaches the script and its children by WECOM_STORE_FILE, which
names a file that only this user may read: an environment is shown on debug pages and in crash
reports. Until this process has become the script, `--store` shows it in the process list, too;
name the file yourself in WECOM_STORE_FILE, and it never does.

Not reached are children started with another environment (`env={}`, `sudo`) or with `-I`, `-E`
or `-S`, and Pythons that do not have wecom_auth installed.
"""

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from hashlib import sha256
from pathlib import Path

from .._credential.app import AppCredential
from .._credential.environment import CORPID, CORPSECRET, Environment
from .._dropin import install
from .._dropin.ledger import ledger
from ..stores import open_store, store_of_environment
from .console import say
from .exits import MISCONFIGURED

WINDOWS = os.name == "nt"

_HOOK = Path(__file__).parent / "hook"
_TALLY = "WECOM_AUTH_TALLY"
_OWNER = "WECOM_AUTH_TALLY_OWNER"
_SOLE_APP = "WECOM_SOLE_APP"


def run_command(
    argv: Sequence[str], *, store: str | None = None, stats: bool = False, sole_app: bool = False
) -> int:
    """Run a script, with the drop-in on, in place of this process.

    Args:
        argv: what `python` takes: the script's name or `-m` and a module, then its arguments.
        store: the URL of a store that processes share; otherwise WECOM_STORE names one, if any.
        stats: say at the end what was saved and healed.
        sole_app: every token of the script is the app's that the environment names.

    Returns:
        2 where the store is unusable, or sole_app stands without a credential. Otherwise it does
        not return; on Windows, which cannot replace a process, the script's own exit status.

    Example:
        >>> run_command(["alert.py", "disk full"], store="file:")  # doctest: +SKIP
    """
    environ = dict(os.environ)
    try:
        if store is None:
            store_of_environment()
        elif open_store(store) is not None:
            _hand_on(store, environ)
    except (ValueError, ModuleNotFoundError) as error:
        say(f"wecom-auth run: {error}", error=True)
        return MISCONFIGURED
    if sole_app:
        environ[_SOLE_APP] = "1"
    try:
        found = given(environ)
        if _is_sole(environ) and not found:
            raise ValueError("WECOM_CORPID and WECOM_CORPSECRET are not set")
    except ValueError as error:  # the script may have names of its own for its secrets
        if sole_app or environ.get(_SOLE_APP):
            say(f"wecom-auth run: --sole-app needs the app in the environment: {error}", error=True)
            return MISCONFIGURED
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
    """Install the drop-in as the environment wishes: called at the script's first WeCom call.

    Raises:
        ValueError, ModuleNotFoundError: what was checked has changed since.
    """
    credentials: list[AppCredential] = []
    with suppress(ValueError):  # of which run_command has told
        credentials = given(dict(os.environ))
    if credentials and _is_sole(os.environ):
        install(sole_app=credentials[0])
    else:
        install(credentials=credentials)
    if tally := os.environ.get(_TALLY):
        ledger.note = partial(_note, tally)


def _is_sole(environ: Mapping[str, str]) -> bool:
    return Environment("WECOM_", environ).flag("SOLE_APP")


def _hand_on(store: str, environ: dict[str, str]) -> None:
    """Name the store to the script; one with a password by a file, for this user's eyes only."""
    environ.pop("WECOM_STORE_FILE", None)
    if "@" not in store:
        environ["WECOM_STORE"] = store
        return
    environ.pop("WECOM_STORE", None)
    environ["WECOM_STORE_FILE"] = str(_private_file(store))


def _private_file(text: str) -> Path:
    """Return a file with this text; the same one at each run, as children may outlive the script.

    Raises:
        ValueError: its directory is not this user's own.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    directory = Path(tempfile.gettempdir(), f"wecom-auth-{user}")
    directory.mkdir(mode=0o700, exist_ok=True)
    seen = directory.lstat()
    if not WINDOWS and (
        not stat.S_ISDIR(seen.st_mode) or seen.st_uid != user or seen.st_mode & 0o77
    ):
        raise ValueError(f"{directory} is not yours alone: remove it, or set WECOM_STORE_FILE")
    path = directory / sha256(text.encode()).hexdigest()[:16]
    handle, temporary = tempfile.mkstemp(dir=directory)  # with mode 0600
    with open(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)
    return path


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
