"""The calls that arrived and what was accepted of them, to assert on."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .facts import REJECTIONS
from .wire import Request, visible_headers, without_secrets


@dataclass(frozen=True)
class Call:
    """One request that arrived, without its token and secrets.

    Attributes:
        path: the API's path, for example `message/send`.
        method: `GET`, `POST`, …
        query: the query as it came, tokens and secrets replaced by `***`.
        errcode: what was answered; None for a file, a page or no answer at all.
        status: the HTTP status; 0 if the connection was dropped.
        headers: the request's headers.
        corpid: the owner of the token that it carried (a suite's id for a suite's token), None
            without a known one.
        url_path: the path as it came, prefix included.
        body: the request's body.
    """

    path: str
    method: str
    query: str
    errcode: int | None
    status: int
    headers: Mapping[str, str]
    corpid: str | None
    url_path: str
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Upload:
    """One file that was accepted.

    Attributes:
        name: the file name.
        size: bytes.
        sha256: hex digest of the content.
        type: `image`, `voice`, `video` or `file`.
        media_id: the name under which `media/get` gives it out.
        content_type: as the client declared it.
        content: the bytes.
    """

    name: str
    type: str
    media_id: str
    content_type: str
    content: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.content)

    @cached_property
    def sha256(self) -> str:
        """Hex digest of the content."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Message:
    """One message that was accepted, and the path it came by."""

    path: str
    body: dict[str, Any]


class Journal:
    """Keeps the newest `size` entries of each kind (None: all); the counters count everything."""

    def __init__(self, size: int | None = None) -> None:
        self.calls: deque[Call] = deque(maxlen=size)
        self.messages: deque[Message] = deque(maxlen=size)
        self.uploads: deque[Upload] = deque(maxlen=size)
        self.counts: Counter[str] = Counter()
        self.rejections = 0

    def clear(self) -> None:
        """Forget all."""
        self.calls.clear()
        self.messages.clear()
        self.uploads.clear()
        self.counts.clear()
        self.rejections = 0

    def add(
        self, request: Request, *, errcode: int | None, status: int, corpid: str | None
    ) -> None:
        """Note a request and its answer."""
        self.counts[request.path] += 1
        self.rejections += errcode in REJECTIONS
        self.calls.append(
            Call(
                path=request.path,
                method=request.method,
                query=without_secrets(request.query),
                errcode=errcode,
                status=status,
                headers=visible_headers(request.headers),
                corpid=corpid,
                url_path=request.url_path,
                body=request.body,
            )
        )

    def delivered(self, path: str | None, fields: Mapping[str, Any]) -> list[Message]:
        """The accepted messages that match."""
        return [
            message
            for message in self.messages
            if path in (None, message.path)
            and all(message.body.get(key) == value for key, value in fields.items())
        ]

    def uploaded(self, name: str | None, sha256: str | None) -> list[Upload]:
        """The accepted files that match."""
        return [
            upload
            for upload in self.uploads
            if name in (None, upload.name) and sha256 in (None, upload.sha256)
        ]

    def story(self, last: int = 15) -> str:
        """The last calls, one a line, for failure messages."""
        lines = [_line(call) for call in list(self.calls)[-last:]]
        return "\n".join(lines) or "  nothing arrived at all"


def assert_count(what: str, found: int, times: int | None, entries: list[str], story: str) -> None:
    """Raise an AssertionError that shows what there was instead.

    Args:
        what: what was expected, in words.
        found: how many there are.
        times: how many there should be; None for at least one.
        entries: what there is of the kind, a line each.
        story: the calls that arrived.
    """
    __tracebackhide__ = True
    if found == times or (times is None and found):
        return
    wanted = "at least once" if times is None else f"{times} time(s)"
    there = "\n".join(f"  {entry}" for entry in entries) or "  none"
    raise AssertionError(
        f"expected {what} {wanted}, found {found}\n"
        f"accepted by the platform:\n{there}\nlast calls:\n{story}"
    )


def as_line(data: Any) -> str:
    """Data in one short line."""
    text = json.dumps(data, ensure_ascii=False)
    return text if len(text) <= 160 else text[:160] + "…"


def _line(call: Call) -> str:
    query = f"?{call.query}" if call.query else ""
    answer = f"errcode {call.errcode}" if call.errcode is not None else f"HTTP {call.status}"
    said = answer if call.status else "no answer"
    return f"  {call.method} {call.path}{query} -> {said}"
