"""One question to the platform over plain HTTP: the answer, its time, or the cause of none."""

import re
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from ..._http.redaction import redact, visible_corpid
from ..._http.trouble import (
    answer_cause,
    network_cause,
    network_facts,
    proxy_of,
)
from ..._http.verdict import BODY_LIMIT, errcode_of, parse
from .finding import Finding, Run, Step
from .settings import Settings

_DAY = 86_400
_PARSING = re.compile("Failed to parse")
_LARGEST = 4_000_000
"""Bytes; the visible range of an app may name some ten thousand members."""


@dataclass(frozen=True)
class Answer:
    """The answer of the platform: the errcode (0 for success), its words, and all the fields."""

    errcode: int
    errmsg: str
    fields: Mapping[str, Any]


class Asker:
    """Asks one question after the other, and notes each in the run.

    Args:
        run: where steps, times and the clock are noted.
        settings: what to ask with.
        limit: seconds that one step may take.
    """

    def __init__(self, run: Run, settings: Settings, limit: float) -> None:
        self._run, self._settings, self._limit = run, settings, limit
        self._session = requests.Session()
        swapped = visible_corpid(settings.corpid.value) != settings.corpid.value
        self.hidden = [settings.secret.value, *([settings.corpid.value] if swapped else [])]

    def ask(self, path: str, **params: str) -> Answer:
        """Make one call.

        Raises:
            Finding: nobody answered, or somebody other than the platform.
        """
        url = f"{self._settings.base_url}/cgi-bin/{path}"
        step = Step(path)
        self._run.steps.append(step)
        began = time.monotonic()
        failure = None
        try:
            response, body = self._send(url, params)
        except (OSError, ValueError, TypeError) as error:  # the last two: a proxy's odd URL
            failure = self._unreached(error, url)
        finally:
            step.ms = round((time.monotonic() - began) * 1000)
        if failure:
            step.trouble = failure.cause
            raise failure  # out here, where the error with the secret in its URL is no context
        self._compare_clocks(response.headers.get("Date", ""))
        return self._read(step, response, body, url)

    def _send(self, url: str, params: Mapping[str, str]) -> tuple[requests.Response, bytes]:
        deadline = time.monotonic() + self._limit
        response = self._session.get(
            url, params=params, timeout=self._limit, stream=True, allow_redirects=False
        )
        body = bytearray()
        with response:
            for piece in _pieces(response):
                body += piece
                if time.monotonic() > deadline:
                    raise requests.ReadTimeout("the answer did not end in time")
                if len(body) > _LARGEST:
                    break
        return response, bytes(body)

    def _unreached(self, error: Exception, url: str) -> Finding:
        cause = network_cause(error) or ("proxy_down" if proxy_of(url) else "unreached")
        facts = network_facts(error, url, self._limit)
        if cause == "tls_expired" and self._clock_is_off(url):
            cause = "tls_clock"
        text = "" if _PARSING.match(str(error)) else f": {error}"  # it may quote a password
        errmsg = redact(type(error).__name__ + text, *self.hidden)
        return Finding(cause, errmsg=errmsg, base=self._settings.by_base_url, **facts)

    def _clock_is_off(self, url: str) -> bool:
        """Return whether the server's clock differs from ours by more than a day.

        Asked of its front page without looking at the certificate, and without any secret.
        """
        front = urljoin(url, "/")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                response = requests.head(front, timeout=self._limit, verify=False)  # noqa: S501
            except OSError:
                return False
        off = clock_off(response.headers.get("Date", ""))
        return off is not None and abs(off) > _DAY

    def _compare_clocks(self, date: str) -> None:
        if (off := clock_off(date)) is not None:
            self._run.clock_off = off

    def _read(self, step: Step, response: requests.Response, body: bytes, url: str) -> Answer:
        fields = parse(body)
        code = errcode_of(fields)
        if code is None and fields.get("access_token"):
            code = 0  # old answers have no errcode
        if code is None:
            failure = self._foreign(response, body, url)
            step.trouble = failure.cause
            raise failure
        step.errcode = code
        return Answer(code, redact(str(fields.get("errmsg", "")), *self.hidden), fields)

    def _foreign(self, response: requests.Response, body: bytes, url: str) -> Finding:
        status, content_type = response.status_code, response.headers.get("Content-Type", "")
        cause = answer_cause(status, content_type, body)
        there = urljoin(url, response.headers.get("Location", ""))
        errmsg = f"HTTP {status} {content_type}".strip()
        return Finding(
            cause,
            errmsg=errmsg,
            host=self._settings.host,
            path=urlsplit(url).path,
            code=str(status),
            there=_base_of(there),
            name=(proxy_of(url) or ("HTTPS_PROXY", ""))[0],
        )


def _pieces(response: requests.Response) -> Iterator[bytes]:
    """Yield the body, byte by byte at first: a server that drips is given up at the deadline."""
    yield from islice(response.iter_content(1), BODY_LIMIT)
    if not response._content_consumed:
        yield from response.iter_content(65_536)


def clock_off(date: str) -> int | None:
    """Return the seconds by which this machine's clock is ahead of a `Date` header.

    Example:
        >>> clock_off("no date")
    """
    try:
        there = parsedate_to_datetime(date)
    except ValueError:
        return None
    if there.tzinfo is None:
        there = there.replace(tzinfo=UTC)
    return round((datetime.now(UTC) - there).total_seconds())


def _base_of(url: str) -> str:
    """Return the part of a URL that a base URL has: no userinfo, no call, no query."""
    parts = urlsplit(url)
    path = parts.path.partition("/cgi-bin")[0].rstrip("/")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}"
