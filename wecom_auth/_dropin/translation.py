"""One call of existing code whose token's owner is known: sent with a live token, shown its own."""

from typing import Any
from urllib.parse import quote

import requests
from requests.adapters import BaseAdapter

from .._call.replay import replay
from .._clients.sending import call_limit, send_clean, send_exchange
from .._http import query
from .._http.redaction import hide_token, twin
from .._http.verdict import rejection
from .._log import log
from ..errors import WeComError
from .handed import Entry, handed
from .inline import InlineSource

NAME = "access_token"


def is_dead(own: str, source: InlineSource, entry: Entry) -> bool:
    """Whether a token is known to be dead before it is sent."""
    return entry.dead or source.has_rejected(own)


class Call:
    """A call whose caller sees the token that it brought, and no other.

    Args:
        adapter: sends it.
        request: as its caller made it.
        options: to send it with.
        own: the token that it carries.
        source: of that token's owner.
        entry: what is remembered of the token.
    """

    def __init__(
        self,
        adapter: BaseAdapter,
        request: requests.PreparedRequest,
        options: dict[str, Any],
        own: str,
        source: InlineSource,
        entry: Entry,
    ) -> None:
        self._adapter, self._request, self._options = adapter, request, options
        self._own, self._source, self._entry = own, source, entry
        self._limit = call_limit(options.get("timeout"))
        self._sent = own

    def send(self) -> requests.Response:
        """Send it with a live token, as its own is known to be dead."""
        token = self._current()
        if token is None:  # what the platform says of the old one is what the caller gets
            return self._adapter.send(self._request, **self._options)
        if token == self._own:
            return self.heal(self._adapter.send(self._request, **self._options))
        return self.heal(self._resend(self._with(token)))

    def heal(self, answer: requests.Response) -> requests.Response:
        """The answer, or where that rejects its token, the answer to a second try."""
        if self._rejects(answer):
            answer = self._replay(answer)
        elif self._sent != self._own:
            handed.count("healed")
        return answer if self._sent == self._own else self._as_the_caller_knows_it(answer)

    def _replay(self, answer: requests.Response) -> requests.Response:
        source, sent = self._source, self._sent
        outgoing = self._request if sent == self._own else self._with(sent)
        stream = bool(self._options.get("stream"))
        final = replay(
            source,
            answer,
            outgoing,
            sent,
            self._resend,
            stream=stream,
            timeout=self._limit,
            via=self._send_gettoken,
        )
        if final is not answer and not self._rejects(final):
            handed.count("healed")
        current = source.peek()
        if sent == self._own and (current is None or current.value != sent):
            self._entry.dead = True
        return final

    def _current(self) -> str | None:
        try:
            return self._source.get(self._limit, via=self._send_gettoken).value
        except WeComError as error:
            log.debug("a dead token could not be translated: %s", error)
            return None

    def _rejects(self, answer: requests.Response) -> bool:
        codes = self._source.credential.rejections
        stream = bool(self._options.get("stream"))
        return rejection(answer, codes, stream=stream) is not None

    def _with(self, token: str) -> requests.PreparedRequest:
        return twin(self._request, query.put(self._request.url or "", NAME, token))

    def _resend(self, outgoing: requests.PreparedRequest) -> requests.Response:
        self._sent = query.find(outgoing.url or "", NAME)[-1]
        return send_clean(self._adapter, self._request, self._options, outgoing)

    def _send_gettoken(self, request: requests.Request, limit: float) -> requests.Response:
        """Send a gettoken the way this call goes, with the headers of the caller's own."""
        request.headers = handed.headers(self._source.credential.key)
        return send_exchange(self._adapter, self._options, request, limit)

    def _as_the_caller_knows_it(self, answer: requests.Response) -> requests.Response:
        location = answer.headers.get("Location")
        hide_token(answer, self._request, NAME)
        if location is not None:
            for ours in (quote(self._sent, safe=""), self._sent):
                location = location.replace(ours, quote(self._own, safe=""))
            answer.headers["Location"] = location
        return answer
