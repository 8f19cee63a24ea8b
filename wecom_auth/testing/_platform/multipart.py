"""The file in a `multipart/form-data` body."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser


@dataclass(frozen=True)
class Part:
    """One part of a form."""

    name: str
    filename: str | None
    content_type: str
    content: bytes


def parse(content_type: str, body: bytes) -> list[Part]:
    """The parts of a form; none if the body is no form or was cut off.

    Args:
        content_type: the request's `Content-Type`.
        body: the whole body.
    """
    boundary = _headers(f"Content-Type: {content_type}").get_param("boundary")
    if not isinstance(boundary, str):
        return []
    mark = b"\r\n--" + boundary.encode()
    pieces = (b"\r\n" + body).split(mark)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        return []
    return [_part(piece) for piece in pieces[1:-1]]


def _part(piece: bytes) -> Part:
    head, _, content = piece.partition(b"\r\n\r\n")
    headers = _headers(head.decode("utf-8", "replace").lstrip("\r\n"))
    name = headers.get_param("name", "", "content-disposition")
    return Part(str(name), headers.get_filename(), headers.get_content_type(), content)


def _headers(text: str) -> Message:
    return HeaderParser().parsestr(text + "\r\n\r\n", headersonly=True)
