"""Make one call over requests, as a flow drives it: send with a token, look, send again."""

import time
from datetime import timedelta
from typing import Any

import requests
from requests.adapters import BaseAdapter
from requests.exceptions import UnrewindableBodyError
from requests.utils import rewind_body

from ..._call.drive import drive
from ..._call.flow import call
from ..._call.retry import Answered, Retry
from ..._credential.token import Token
from ..._http import query
from ..._source.source import TokenSource
from .answer import verdict
from .hide import at_url
from .send import send_clean, way_of

_WHOLE = bytes | str | bytearray | memoryview
"""Bodies that stay as they are however often they are sent."""


class Call:
    """Make one call of a request without a token in its URL.

    Args:
        adapter: sends it.
        visible: the request as its caller may see it.
        options: of the adapter's `send`.
        source: of the token.
        parameter: that carries the token.
        retry: the user's wishes beyond a rejected token.
        took: the time that it has taken already.
        by: the adapter of this package that it is sent by, if it is.
    """

    __slots__ = (
        "_adapter",
        "_by",
        "_codes",
        "_options",
        "_retry",
        "_source",
        "_took",
        "parameter",
        "visible",
    )

    def __init__(
        self,
        adapter: BaseAdapter,
        visible: requests.PreparedRequest,
        options: dict[str, Any],
        source: TokenSource,
        parameter: str,
        retry: Retry,
        took: timedelta = timedelta(),
        by: object = None,
    ) -> None:
        self._adapter, self._options, self._source = adapter, options, source
        self.visible, self.parameter, self._retry = visible, parameter, retry
        self._codes = retry.beside(source.credential)
        self._took, self._by = took, by

    def send(self, token: Token) -> requests.Response:
        """Send it with this token, once."""
        url = query.append(self.visible.url or "", self.parameter, token.escaped)
        outgoing = at_url(self.visible, url)
        return send_clean(self._adapter, self.visible, self._options, outgoing, self._by)

    def errcode(self, response: requests.Response) -> int | None:
        """Return the errcode of an answer that may have to be retried, else None."""
        return verdict(response, self._codes, stream=bool(self._options.get("stream")))

    def finish(
        self,
        token: Token | None,
        first: Answered | None,
        session: requests.Session | None = None,
    ) -> requests.Response:
        """Carry the call to its end, on the rare path.

        Args:
            token: that it was sent with, where it was.
            first: the answer to that.
            session: whose headers, cookies and params an exchange takes along.
        """
        way = way_of(self._adapter, self._options, self.visible, session)
        flow = call(
            self._source,
            token,
            first,
            retry=self._retry,
            method=self.visible.method or "",
            limit=way["timeout"],
            replayable=is_replayable(self.visible),
        )
        response: requests.Response = drive(flow, self._source, self._attempt, **way)
        return response

    def _attempt(self, token: Token, again: bool) -> Answered | None:
        if again and not rewind(self.visible):
            return None
        began = time.perf_counter()
        response = self.send(token)
        self._took += timedelta(seconds=time.perf_counter() - began)
        response.elapsed = self._took  # whole, as the caller waited for all of it
        return Answered(response, self.errcode(response))


def is_replayable(request: requests.PreparedRequest) -> bool:
    """Return whether the body can be sent again whole.

    requests notes where an open file stands when it prepares the request. Where it could not
    (a generator, a pipe, a MultipartEncoder), a second send would arrive empty.
    """
    if request.body is None or isinstance(request.body, _WHOLE):
        return True
    return isinstance(getattr(request, "_body_position", None), int)


def rewind(request: requests.PreparedRequest) -> bool:
    """Put the body back to where it stood; False where that fails, as with a closed file."""
    if request.body is None or isinstance(request.body, _WHOLE):
        return True
    try:
        rewind_body(request)
    except (UnrewindableBodyError, ValueError):
        return False
    return True
