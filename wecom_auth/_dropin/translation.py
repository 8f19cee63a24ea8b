"""One call of existing code whose token's owner is known: sent with a live token, shown its own."""

from typing import Any
from urllib.parse import quote

import requests
from requests.adapters import BaseAdapter

from .._call.retry import ONLY_TOKENS, Answered
from .._clients.requests.answer import verdict as rejection
from .._clients.requests.call import Call as OneCall
from .._clients.requests.hide import at_url as twin
from .._clients.requests.hide import hide_token
from .._clients.requests.send import call_limit, send_clean, way_of
from .._credential.token import carried
from .._http import query
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
        code = self._rejects(answer)
        final = self._call().finish(carried(sent), Answered(answer, code))
        if final is not answer:
            self._sent = query.find(final.request.url or "", NAME)[-1]
            if not self._rejects(final):
                handed.count("healed")
        current = source.peek()
        if sent == self._own and (current is None or current.value != sent):
            self._entry.dead = True
        return final

    def _call(self) -> OneCall:
        visible = twin(self._request, query.drop(self._request.url or "", NAME))
        return OneCall(self._adapter, visible, self._options, self._source, NAME, ONLY_TOKENS)

    def _current(self) -> str | None:
        try:
            return self._source.get(**way_of(self._adapter, self._options, self._request)).value
        except WeComError as error:
            log.debug("a dead token could not be translated: %s", error)
            return None

    def _rejects(self, answer: requests.Response) -> int | None:
        codes = self._source.credential.rejections
        stream = bool(self._options.get("stream"))
        return rejection(answer, codes, stream=stream)

    def _with(self, token: str) -> requests.PreparedRequest:
        return twin(self._request, query.put(self._request.url or "", NAME, token))

    def _resend(self, outgoing: requests.PreparedRequest) -> requests.Response:
        self._sent = query.find(outgoing.url or "", NAME)[-1]
        return send_clean(self._adapter, self._request, self._options, outgoing)

    def _as_the_caller_knows_it(self, answer: requests.Response) -> requests.Response:
        location = answer.headers.get("Location")
        hide_token(answer, self._request, NAME)
        if location is not None:
            for ours in (quote(self._sent, safe=""), self._sent):
                location = location.replace(ours, quote(self._own, safe=""))
            answer.headers["Location"] = location
        return answer
