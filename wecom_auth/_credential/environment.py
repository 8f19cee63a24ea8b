"""Settings from the environment, and from the files that it names."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

CORPID = ("CORPID", "CORP_ID")
CORPSECRET = ("CORPSECRET", "SECRET", "CORP_SECRET")
"""The spellings of a variable that are accepted, the usual one first."""


class Setting(NamedTuple):
    """One setting: its value, the variable that gave it, and the file that held it if any."""

    value: str
    name: str
    file: Path | None = None


class Environment:
    """The variables behind one prefix, each also with `_FILE` behind its name."""

    def __init__(self, prefix: str, environ: Mapping[str, str]) -> None:
        self._prefix, self._environ = prefix, environ

    def require(self, *names: str) -> Setting:
        """The first of these that is set; ValueError naming what is missing."""
        found = self.read(*names)
        if found is None:
            name, *others = (self._prefix + each for each in names)
            raise ValueError(
                f"{name} is not set or empty (also read: {', '.join(others)}, {name}_FILE)"
            )
        return found

    def read(self, *names: str) -> Setting | None:
        """The first of these that is set and not blank, or None."""
        for name in (self._prefix + each for each in names):
            if value := self._environ.get(name, "").strip():
                return Setting(value, name)
            if path := self._environ.get(f"{name}_FILE", "").strip():
                return Setting(_from_file(f"{name}_FILE", Path(path)), name, Path(path))
        return None

    def flag(self, name: str) -> bool:
        """Whether this one is switched on."""
        value = self._environ.get(self._prefix + name, "").strip().lower()
        if value in ("", "0", "false", "no", "off"):
            return False
        if value in ("1", "true", "yes", "on"):
            return True
        raise ValueError(f"{self._prefix}{name} must be 1 or 0")


def read_secret_file(path: Path) -> str:
    """What a mounted secret file holds, without the newline and byte order mark of an editor."""
    return path.read_text("utf-8-sig").strip()


def _from_file(name: str, path: Path) -> str:
    try:
        value = read_secret_file(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{name}: cannot read {path}: {type(error).__name__}") from None
    if not value:
        raise ValueError(f"{name}: {path} is empty")
    return value
