"""What the facts about the platform say of an answer; written from them, not from our code.

An error is HTTP 200 and JSON whose top level has an int errcode; a file has Content-Disposition;
a rejection is small and large bodies are data; the Error-Code header is a first look only, so
where it contradicts the body, or the body is no proper JSON, the facts leave both ways open.
"""

import json
from enum import Enum
from typing import Any

SMALL = 8192
_DEPTH, _DIGITS = 100, 400


class Verdict(Enum):
    """Whether an answer rejects its token."""

    REJECTED = "rejected"
    FINE = "fine"
    OPEN = "left open by the facts"


class Odd(ValueError):
    """JSON that only some readers accept."""


def verdict(
    status: int, headers: dict[str, str], body: bytes | None, codes: frozenset[int], stream: bool
) -> Verdict:
    """What the facts say of this answer.

    Args:
        status: its HTTP status.
        headers: its headers, lower case names.
        body: what it says, decoded; None where it cannot be decoded.
        codes: the errcodes that reject the token.
        stream: whether the caller streams the body, who then gets JSON looked at only.
    """
    if status != 200 or not body or len(body) > SMALL:
        return Verdict.FINE
    if "content-disposition" in headers:
        shown = headers["content-disposition"].strip().lower().startswith("inline")
        return Verdict.OPEN if shown else Verdict.FINE
    told = _number(headers.get("error-code"))
    said = _body_verdict(body, codes)
    if said is not Verdict.REJECTED:
        return said
    if told is not None and told not in codes:
        return Verdict.OPEN
    looked_at = told is not None or "json" in headers.get("content-type", "").lower()
    if stream and (not looked_at or _claims_to_be_large(headers.get("content-length", ""))):
        return Verdict.OPEN
    return Verdict.REJECTED


def token(body: bytes | None) -> str | None:
    """The token in a gettoken answer: printable ASCII, and an errcode that is absent or 0."""
    try:
        answer = json.loads((body or b"").decode("utf-8-sig"))
        value = answer["access_token"]
        good = isinstance(value, str) and value.strip() and answer.get("errcode", 0) == 0
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError):
        return None
    token = value.strip() if good else ""
    return token if token.isascii() and token.isprintable() and token else None


def _body_verdict(body: bytes, codes: frozenset[int]) -> Verdict:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return Verdict.OPEN
    if "\0" in text or _depth(text) > _DEPTH:
        return Verdict.OPEN
    try:
        found = _errcodes(text)
    except Odd:
        return Verdict.OPEN
    except ValueError:
        return Verdict.FINE
    hits = [code in codes for code in found]
    if any(hits) and not all(hits):
        return Verdict.OPEN
    return Verdict.REJECTED if any(hits) else Verdict.FINE


def _errcodes(text: str) -> list[int | None]:
    """Every errcode at the top level, None for one that is no whole number."""
    top: list[list[tuple[str, Any]]] = []

    def pairs(given: list[tuple[str, Any]]) -> object:
        top.append(given)
        return given

    def refuse(text: str) -> None:
        raise Odd(text)

    def whole(digits: str) -> int:
        return int(digits) if len(digits) < _DIGITS else refuse(digits)  # type: ignore[return-value]

    parsed = json.loads(text, object_pairs_hook=pairs, parse_constant=refuse, parse_int=whole)
    if not top or parsed is not top[-1]:
        return []
    return [v if type(v) is int else None for k, v in top[-1] if k == "errcode"]


def _depth(text: str) -> int:
    return max(text.count("["), text.count("{"))


def _claims_to_be_large(length: str) -> bool:
    return len(length) > 9 or (_number(length) or 0) > SMALL


def _number(text: str | None) -> int | None:
    try:
        return None if text is None else int(text)
    except ValueError:
        return None
