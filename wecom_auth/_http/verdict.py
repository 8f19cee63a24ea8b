"""The verdict over one answer: its errcode, and whether it rejects the token.

The `Error-Code` header alone can clear a token, but never condemn it. Only the top level of the
JSON counts, because `externalcontact/transfer_customer` answers errcode 0 around errcodes per item.
"""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

HEADERS = {
    name.lower(): name
    for name in (
        "Error-Code",
        "Content-Disposition",
        "Content-Encoding",
        "Content-Length",
        "Content-Type",
    )
}
"""The headers that a verdict asks for, for drivers that make a dict of them: some clients walk
through all of their headers for each."""

BODY_LIMIT = 8192
"""Bytes. A rejection has about 200; anything larger than this is data."""


def errcode_in(body: bytes | None, codes: frozenset[int], headers: Mapping[str, str]) -> int | None:
    """Return the errcode of a small JSON answer if it is one of these, else None.

    Never trust the header alone: a retry on a false positive would send a message twice.

    Args:
        body: the decoded body, from its start.
        codes: the errcodes that are looked for.
        headers: of the answer.
    """
    # Most answers are told apart without parsing: a code that is there stands in the text.
    if not body or len(body) > BODY_LIMIT or not any_of(codes).search(body):
        return None
    code = errcode_of(parse(body))
    if code not in codes or header_code(headers) not in (None, *codes) or is_file(headers):
        return None
    return code


def may_hold_errcode(headers: Mapping[str, str], codes: frozenset[int]) -> bool:
    """Return whether the body of a stream is worth a look: short JSON, not cleared by its header.

    Args:
        headers: of the answer.
        codes: the errcodes that are looked for.
    """
    stated = header_code(headers)
    if stated is not None and stated not in codes:
        return False  # nearly every answer: the rest need not be looked at
    if is_file(headers):
        return False
    if stated is None and "json" not in headers.get("Content-Type", "").lower():
        return False
    length = headers.get("Content-Length", "")[:9]
    is_long = length.isdecimal() and int(length) > BODY_LIMIT
    return not is_long


def parse(body: bytes | None) -> dict[str, Any]:
    """A JSON object from bytes that anybody may have sent; empty where it is none."""
    if not body:
        return {}
    try:
        answer = json.loads(body.decode(json.detect_encoding(body), "replace"))
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def errcode_of(answer: Any) -> int | None:
    """The top-level errcode of a parsed answer, or None where there is no whole number."""
    code = answer.get("errcode")
    return code if type(code) is int else None


def header_code(headers: Mapping[str, str]) -> int | None:
    """Return the errcode that the header `Error-Code` states, or None."""
    text = headers.get("Error-Code")
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        return None


_INLINE = re.compile(r"\s*inline\s*(?:;\s*filename=\"?f\.txt\"?\s*)?", re.IGNORECASE)
"""What a proxy marks JSON with; Spring names it `f.txt`."""


def is_file(headers: Mapping[str, str]) -> bool:
    """Return whether this answer is a file, which is never an error, whatever it contains.

    One that is `inline` and has a name of its own is a file too.
    """
    disposition = headers.get("Content-Disposition")
    return disposition is not None and _INLINE.fullmatch(disposition) is None


@lru_cache(maxsize=64)
def any_of(codes: frozenset[int]) -> re.Pattern[bytes]:
    """Return a pattern that finds any of these codes in a text."""
    return re.compile(b"|".join(b"%d" % code for code in codes))
