"""Looks for a secret wherever a person or a log could see it.

A hunt is told the secrets (canaries), shown everything that an operation left behind, and lists
what it found and where. It knows nothing of how the toolkit hides things.
"""

import logging
import pickle
import traceback
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from types import FunctionType, ModuleType, TracebackType
from typing import Any
from urllib.parse import quote, quote_plus

from wecom_auth import (
    Credential,
    MemoryStore,
    Token,
    TokenSource,
    TokenStore,
)
from wecom_auth._source.state import State

DEPTH = 3
"""How many attributes deep an object is walked; what a container holds is as deep as it."""

KEEPERS = (TokenSource, State, Credential, MemoryStore, TokenStore, Token)
"""Whose job it is to hold a secret: the walk stops there. Their reprs are searched all the same."""

_NO_NODES = (*KEEPERS, type, ModuleType, FunctionType, TracebackType, logging.Logger)


def forms(secret: str) -> set[bytes]:
    """The secret as it stands, %-encoded, in base64 at any offset, in hex, and its beginning."""
    raw = secret.encode()
    found = {quote(secret, safe="").encode(), quote_plus(secret).encode(), raw.hex().encode()}
    found |= {part for start in (secret, secret[:12]) for part in (start.encode(), _quoted(start))}
    for offset in range(3):
        for encode in (b64encode, urlsafe_b64encode):
            text = encode(b"\0" * offset + raw)
            found.add(text[4 if offset else 0 : -4])  # the rest depends on the neighbours
    return found


class Hunt:
    """Evidence of one operation, and the secrets to search it for.

    Args:
        secrets: gives the canaries, asked when the search is made: a token that the operation
            itself brought into the world counts too.
    """

    def __init__(self, secrets: Any) -> None:
        self._secrets = secrets
        self._evidence: list[tuple[str, bytes]] = []

    def show(self, channel: str, what: str | bytes) -> None:
        """Text that somebody could read."""
        self._evidence.append((channel, what.encode() if isinstance(what, str) else what))

    def show_object(self, name: str, thing: object) -> None:
        """An object: its repr and str, what can be reached from it, and its pickle."""
        self.show(f"repr({name})", repr(thing))
        self.show(f"str({name})", str(thing))
        for path, text in walk(thing, name):
            self.show(path, text)

    def show_pickle(self, name: str, thing: object) -> None:
        """What another process or a result backend would get."""
        self.show(f"pickle({name})", pickle.dumps(thing))

    def show_error(self, error: BaseException) -> None:
        """An exception: as an object, as a pickle, and as Python prints it."""
        name = type(error).__name__
        self.show_object(name, error)
        self.show_pickle(name, error)
        self.show(f"traceback of {name}", "".join(traceback.format_exception(error)))

    def leaks(self, of: Iterable[str] | None = None) -> list[str]:
        """Where a secret (or one `of` these) was seen, each with a little of what is around it."""
        secrets = self._secrets() if of is None else of
        needles = [needle for secret in secrets for needle in forms(secret)]
        return [
            f"{channel}: ...{_around(text, needle)}..."
            for channel, text in self._evidence
            for needle in needles
            if needle in text
        ]


class LogTrap(logging.Handler):
    """Shows a hunt every log record, as it is and as it would be printed."""

    def __init__(self, hunt: Hunt) -> None:
        super().__init__(logging.DEBUG)
        self.hunt = hunt
        self.records = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.records += 1
        name = f"log {record.name}"
        self.hunt.show(f"{name}.msg", str(record.msg))
        self.hunt.show(f"{name}.args", repr(record.args))
        self.hunt.show(f"{name} formatted", logging.Formatter().format(record))

    def __enter__(self) -> "LogTrap":
        self._before = [(logger, logger.level) for logger in _loggers()]
        for logger, _ in self._before:
            logger.setLevel(logging.DEBUG)
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *exception: object) -> None:
        logging.getLogger().removeHandler(self)
        for logger, level in self._before:
            logger.setLevel(level)


def walk(thing: object, path: str, depth: int = DEPTH) -> Iterator[tuple[str, str | bytes]]:
    """Every text that can be reached from an object by so many attributes, with its path."""
    yield from _walk(thing, path, depth, {})


def _walk(
    thing: object, path: str, depth: int, seen: dict[int, tuple[int, object]]
) -> Iterator[tuple[str, str | bytes]]:
    if isinstance(thing, str | bytes | bytearray):
        yield path, thing if isinstance(thing, str) else bytes(thing)
        return
    if isinstance(thing, _NO_NODES) or seen.get(id(thing), (-1, None))[0] >= depth:
        return
    seen[id(thing)] = depth, thing
    for key, item in _items(thing):
        yield from _walk(item, f"{path}[{key}]", depth, seen)
    if depth:
        for name, value in _attributes(thing).items():
            yield from _walk(value, f"{path}.{name}", depth - 1, seen)


def _items(thing: object) -> Iterable[tuple[object, object]]:
    if isinstance(thing, Mapping):
        keys = list(thing.keys())  # urllib3's containers cannot be iterated over
        return [("keys", keys), *((repr(key)[:40], thing[key]) for key in keys)]
    if isinstance(thing, list | tuple | set | frozenset):
        return enumerate(list(thing))
    return ()


def _attributes(thing: object) -> dict[str, object]:
    names = [*getattr(thing, "__dict__", {}), "request", "response"]
    for kind in type(thing).__mro__:
        slots = vars(kind).get("__slots__", ())
        names += [slots] if isinstance(slots, str) else list(slots)
    if isinstance(thing, BaseException):
        names += ["args", "__cause__", "__context__", "__notes__"]
    found = {}
    for name in dict.fromkeys(names):
        try:
            found[name] = getattr(thing, name)
        except Exception:
            continue
    return found


def _loggers() -> list[logging.Logger]:
    known = list(logging.root.manager.loggerDict.values())
    return [logging.getLogger(), *(each for each in known if isinstance(each, logging.Logger))]


def _quoted(text: str) -> bytes:
    return quote(text, safe="").encode()


def _around(text: bytes, needle: bytes) -> str:
    start = text.index(needle)
    return repr(text[max(0, start - 60) : start + len(needle) + 20])[2:-1]
