"""Answers and bodies that the tests of several clients send over a real socket."""

from __future__ import annotations

import gzip
import json
import os
from typing import Any

from ways import CORP, SECRET, chunked, head

from wecom_auth import AppCredential, TokenSource
from wecom_auth._credential.exchange import Grant
from wecom_auth._credential.token import issue

WHOLE = b"The quick brown fox " * 5_000  # more than one write of a socket
GET = "cgi-bin/get_api_domain_ip"
LONG = json.dumps({"errcode": 42001, "list": ["x" * 100] * 2000}).encode()
SHORT = json.dumps({"errcode": 0, "list": ["x" * 100] * 20}).encode()


def with_token(url: str) -> TokenSource:
    """Return a source that has a token, so that a raw server is asked for the call only."""
    source = TokenSource(AppCredential(CORP, SECRET, base_url=url))
    memory = source._state.memory
    grant = Grant("T0KEN-" + "x" * 40, 7200)
    memory.save(source._state.key, issue(grant, memory.monotonic(), memory.wall()))
    return source


ANSWERS = {
    "short": head(len(SHORT)) + SHORT,
    "long, by length": head(len(LONG)) + LONG,
    "to the end of the connection": head(None) + SHORT,
    "long, to the end of the connection": head(None) + LONG,
    "chunked": chunked(SHORT[:10], SHORT[10:]),
    "chunked and long": chunked(*(LONG[n : n + 3000] for n in range(0, len(LONG), 3000))),
    "gzip": head(len(gzip.compress(SHORT)), "Content-Encoding: gzip") + gzip.compress(SHORT),
    "gzip and long": head(len(gzip.compress(LONG)), "Content-Encoding: gzip") + gzip.compress(LONG),
    "no JSON": head(4) + b"oops",
    "empty": head(0),
    "partial": head(len(SHORT), status="206 Partial Content") + SHORT,
    "a JSON file": head(20, "Content-Disposition: attachment") + b'{"errcode": 42001}  ',
    "a code as text": head(21) + b'{"errcode": "42001"} ',
    "cut short": head(len(SHORT) + 100) + SHORT,
    "cut short in a chunk": chunked(SHORT, end=b"ff\r\nabc"),
    "no chunk's length": chunked(SHORT, end=b"oops\r\n"),
}

LOCATIONS = {
    "another host": "{elsewhere}/login",
    "with the query": "{elsewhere}/login?{query}",
    "with the token": "{elsewhere}/login?sso={token}",
    "a path like the platform's": "{elsewhere}/cgi-bin/user/get?{query}",
}


def advanced(file: Any) -> Any:
    """Return an open file of which the caller has read the start."""
    file.write(b"header" + WHOLE)
    file.seek(6)
    return file


def piped() -> Any:
    reading, writing = os.pipe()
    os.write(writing, WHOLE[:1000])
    os.close(writing)
    return os.fdopen(reading, "rb")
