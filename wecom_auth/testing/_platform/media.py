"""`media/upload` and `media/get`: files go in by digest and come out whole or in ranges.

Source: WeCom developer documentation, "upload temporary media", "get temporary media".
"""

from __future__ import annotations

import re
from urllib.parse import quote

from .journal import Upload
from .multipart import Part, parse
from .replies import error, ok
from .state import Handler, State
from .wire import Reply, Request

TYPES = {"image", "voice", "video", "file"}
SMALLEST = 5
"""Bytes; the documentation refuses smaller files, so an upload that arrives empty is an error."""


def upload(state: State, request: Request, serial: int) -> Reply:
    """Take in the part `media` of a form."""
    kind = request.params.get("type", "")
    if request.path == "webhook/upload_media" and not request.params.get("key"):
        return error(93000, serial)
    parts = parse(request.header("Content-Type"), request.body)
    file = next((part for part in parts if part.name == "media"), None)
    code = _refuse(kind, file)
    if code or file is None:
        return error(code, serial)
    kept = keep(state, kind, file, serial)
    with state.changed:
        state.journal.uploads.append(kept)
    created = str(1_700_000_000 + serial)
    return ok(serial, type=kind, media_id=kept.media_id, created_at=created)


def _refuse(kind: str, file: Part | None) -> int:
    if kind not in TYPES:
        return 40005
    if file is None:
        return 44001
    return 40006 if len(file.content) < SMALLEST else 0


def keep(state: State, kind: str, file: Part, serial: int) -> Upload:
    """Put a file where `media/get` finds it."""
    media_id = f"fake-media-{serial}"
    name = file.filename or media_id
    kept = Upload(name, kind, media_id, file.content_type, file.content)
    with state.changed:
        state.media[media_id] = kept
    return kept


def get(state: State, request: Request, serial: int) -> Reply:
    """Give a file out, whole or in a range."""
    with state.changed:
        kept = state.media.get(request.params.get("media_id", ""))
    if kept is None:
        return error(40007, serial)
    headers = {
        "Content-Type": kept.content_type,
        "Content-Disposition": f'attachment; filename="{_ascii(kept.name)}"',
    }
    return _ranged(kept.content, headers, request.header("Range"))


def _ascii(name: str) -> str:
    """A header is no place for a quote or anything beyond ASCII."""
    return quote(name, safe=" !#$&'()+,;=@[]^`{}~")


def _ranged(content: bytes, headers: dict[str, str], wanted: str) -> Reply:
    span = re.fullmatch(r"bytes=(\d*)-(\d*)", wanted)
    if span is None or span[0] == "bytes=-":
        return Reply(200, headers, content)
    size = len(content)
    first = int(span[1]) if span[1] else max(size - int(span[2]), 0)
    last = min(int(span[2]), size - 1) if span[1] and span[2] else size - 1
    if first > last:
        return Reply(416, {"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    return Reply(206, headers, content[first : last + 1])


HANDLERS: dict[str, Handler] = {
    "media/upload": upload,
    "webhook/upload_media": upload,
    "media/get": get,
}
