"""Settings from the environment, and from the files that it names."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .._http.redaction import without_password
from .._http.scope import PLATFORM, parse_base_url
from ..errors import advice_of
from . import checks

CORPID = ("CORPID", "CORP_ID")
CORPSECRET = ("CORPSECRET", "SECRET", "CORP_SECRET")
"""The spellings of a variable that are accepted, the usual one first."""

_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "「": "」"}


class SettingError(ValueError):
    """A setting is missing, unreadable, or contradicts another one.

    Args:
        cause: an id of the table of causes.
        facts: what its sentence names.
    """

    def __init__(self, cause: str, **facts: Any) -> None:
        super().__init__(advice_of(cause, facts=facts) or cause)  # unpickled, it is the sentence
        self.cause = cause
        self.facts = facts


class Setting(NamedTuple):
    """One setting: its value, the variable that gave it, and the file that held it if any."""

    value: str
    name: str
    file: Path | None = None

    @property
    def variable(self) -> str:
        """The variable as it is spelled in the environment."""
        return self.name if self.file is None else f"{self.name}_FILE"


class Environment:
    """The variables behind one prefix, each also with `_FILE` behind its name."""

    def __init__(self, prefix: str, environ: Mapping[str, str]) -> None:
        self._prefix, self._environ = prefix, environ

    def require(self, *names: str, missing: str = "not_set") -> Setting:
        """Return the first of these that is set.

        Args:
            names: the spellings of one variable, without the prefix.
            missing: the cause to give if none is set.

        Raises:
            SettingError: none is set, one cannot be read, or two differ.
        """
        found = list(self._all(names))
        if not found:
            raise SettingError(missing, name=self._prefix + names[0])
        for other in found[1:]:
            if other.value != found[0].value:
                raise SettingError("disagree", name=found[0].variable, other=other.variable)
        return found[0]

    def read(self, *names: str) -> Setting | None:
        """Return the first of these that is set and not blank, or None."""
        return next(self._all(names), None)

    def _all(self, names: tuple[str, ...]) -> Iterator[Setting]:
        for name in (self._prefix + each for each in names):
            if value := self._environ.get(name, "").strip():
                yield Setting(_usable(name, value), name)
            elif path := self._environ.get(f"{name}_FILE", "").strip():
                yield _from_file(f"{name}_FILE", path, name)

    def flag(self, name: str) -> bool:
        """Return whether this one is switched on."""
        value = self._environ.get(self._prefix + name, "").strip().lower()
        if value in ("", "0", "false", "no", "off"):
            return False
        if value in ("1", "true", "yes", "on"):
            return True
        raise SettingError("flag", name=self._prefix + name)

    def base_url(self) -> str:
        """Return where the calls go: `BASE_URL`, or the platform.

        Raises:
            SettingError: the URL cannot serve, or is plain http and `ALLOW_HTTP` is not 1.
        """
        setting, allow_http = self.read("BASE_URL"), self.flag("ALLOW_HTTP")
        if setting is None:
            return PLATFORM
        try:
            return parse_base_url(setting.value, allow_http)
        except ValueError as error:
            raise self._wrong_base_url(setting, str(error)) from None

    def _wrong_base_url(self, setting: Setting, why: str) -> SettingError:
        value = without_password(setting.value.partition("?")[0])
        cause = "base_bad"
        if "://" not in setting.value:
            cause = "base_scheme"
        elif "plain http" in why:
            cause = "base_http"
        elif "/cgi-bin" in why:
            cause = "base_path"
        allow = f"{self._prefix}ALLOW_HTTP"
        return SettingError(cause, name=setting.variable, value=value, why=why, allow=allow)


def read_secret_file(path: Path) -> str:
    """Return what a mounted secret file holds, without an editor's newline and byte order mark."""
    return path.read_text("utf-8-sig").strip()


def _usable(name: str, value: str) -> str:
    """Return the value; refuse one in quotation marks, which Docker does not take off."""
    if len(value) > 1 and _QUOTES.get(value[0]) == value[-1]:
        raise SettingError("quotes", name=name)
    if not checks.is_text(value):
        raise SettingError("not_text", name=name)
    return value


def _from_file(variable: str, path: str, name: str) -> Setting:
    facts = {"name": variable, "path": path}
    if _usable(variable, path).startswith("~"):
        raise SettingError("tilde", **facts)
    try:
        value = read_secret_file(Path(path))
    except FileNotFoundError:
        raise SettingError("file_missing", **facts) from None
    except PermissionError:
        raise SettingError("file_denied", **facts) from None
    except (OSError, ValueError):
        raise SettingError("file_unreadable", **facts) from None
    if not value:
        raise SettingError("file_empty", **facts)
    if (lines := len(value.splitlines())) > 1:
        raise SettingError("file_lines", n=lines, **facts)
    return Setting(_usable(variable, value), name, Path(path))
