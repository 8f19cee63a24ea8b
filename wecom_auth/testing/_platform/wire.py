"""A request to the fake platform and its reply, by HTTP or in this process."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, unquote

from requests.structures import CaseInsensitiveDict

JSON_TYPE = "application/json; charset=UTF-8"
_API = re.compile(r"(?:^|.*?/)cgi-bin/+(.*)", re.DOTALL)
_SECRET = re.compile(r"(?i)((?:^|&)(?:[a-z_]*(?:token|secret|ticket)|key|permanent_code)=)[^&]*")
_SECRET_HEADERS = {"authorization", "proxy-authorization", "cookie"}


def api_path(path: str) -> str:
    """The API's path, `message/send`, however it is written; one outside `/cgi-bin/` as it is."""
    path = re.sub("/{2,}", "/", unquote(path))
    api = _API.match(path)
    return api[1] if api else path


class DroppedError(Exception):
    """The platform broke the connection without an answer.

    Args:
        reset: by a reset (RST), not by an orderly end.
    """

    def __init__(self, reset: bool = False) -> None:
        super().__init__(reset)
        self.reset = reset


class TimedOutError(Exception):
    """The caller would not have waited this long (in process only; over HTTP it just leaves)."""


@dataclass(frozen=True)
class Request:
    """One request as the platform received it.

    Args:
        method: `GET`, `POST`, …
        target: path and query as sent, for example `/cgi-bin/user/get?userid=alice`.
        headers: the headers, in any case.
        body: the whole body.
        patience: seconds after which an in-process caller gives up; None for HTTP.
        left: returns True once the front that brought this request is closing.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    patience: float | None = None
    left: Callable[[], bool] = field(default=lambda: False, repr=False)

    @property
    def url_path(self) -> str:
        """The path as sent, without the query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The query as sent, byte for byte."""
        return self.target.partition("?")[2]

    @cached_property
    def path(self) -> str:
        """The API's path, `message/send`; for a URL outside `/cgi-bin/` its path with the slash."""
        return api_path(self.url_path)

    @cached_property
    def params(self) -> dict[str, str]:
        """The query's parameters; of one that is repeated, the first."""
        return dict(reversed(parse_qsl(self.query, keep_blank_values=True)))

    def header(self, name: str) -> str:
        """One header whatever its case, `""` if absent."""
        return CaseInsensitiveDict(self.headers).get(name, "")

    def json(self) -> Any:
        """The body as JSON, None if it is not."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True)
class Reply:
    """One answer of the platform.

    Args:
        status: the HTTP status.
        headers: the headers.
        body: the whole body.
        errcode: the errcode for the journal; None for a file or a page.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    errcode: int | None = None


Answer = Mapping[str, Any] | Reply | tuple[int, Mapping[str, str], bytes | str]
"""An answer of a route: a JSON object, or status, headers and body."""


def as_reply(answer: Answer, serial: int = 0) -> Reply:
    """A user's answer as the platform would send it: JSON with its headers, gzipped if it says so.

    Raises:
        TypeError: it is neither a mapping, nor a `Reply`, nor (status, headers, body).
    """
    if isinstance(answer, Reply):
        return answer
    if isinstance(answer, Mapping):
        return json_reply(answer, serial)
    if not (isinstance(answer, tuple) and len(answer) == 3):
        raise TypeError(
            "a route answers with a dict, a Reply or a tuple (status, headers, body), "
            f"not with {type(answer).__name__}"
        )
    status, headers, body = answer
    content = body.encode() if isinstance(body, str) else bytes(body)
    code = _errcode(content)
    encoding = CaseInsensitiveDict(headers).get("Content-Encoding")
    if encoding == "gzip" and not content.startswith(b"\x1f\x8b"):
        content = gzip.compress(content, mtime=0)
    return Reply(status, dict(headers), content, code)


def json_reply(data: Mapping[str, Any], serial: int = 0) -> Reply:
    """A JSON answer with `Error-Code`/`Error-Msg`; the serial turns the order of its keys.

    Source: WeCom developer documentation ("key order is free"), captured traffic (the headers).
    """
    keys = list(data)
    start = serial % len(keys) if keys else 0
    turned = {key: data[key] for key in keys[start:] + keys[:start]}
    headers = {"Content-Type": JSON_TYPE}
    code = data.get("errcode")
    if isinstance(code, int):
        headers["Error-Code"] = str(code)
        headers["Error-Msg"] = str(data.get("errmsg", "")).encode("ascii", "replace").decode()
    return Reply(200, headers, json_body(turned), code if isinstance(code, int) else None)


def json_body(data: Mapping[str, Any]) -> bytes:
    """Return data as the bytes of a JSON body."""
    return json.dumps(data, ensure_ascii=False).encode()


def without_secrets(query: str) -> str:
    """The query as it came, every token, secret and key replaced by `***`."""
    return _SECRET.sub(r"\1***", query)


def visible_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers as they came, those that may hold a secret replaced by `***`."""
    return {k: "***" if k.lower() in _SECRET_HEADERS else v for k, v in headers.items()}


def _errcode(content: bytes) -> int | None:
    """For the journal only, so a large body is not worth the reading."""
    try:
        code = json.loads(content)["errcode"] if len(content) < 10_000 else None
    except (ValueError, TypeError, KeyError):
        return None
    return code if isinstance(code, int) else None
