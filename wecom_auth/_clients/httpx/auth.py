"""Authorise one call, or a client's, by an auth; the client itself sends what it yields."""

from collections.abc import AsyncGenerator, Generator
from typing import Any, NamedTuple, cast

from wecom_auth._call.drive import ado, do
from wecom_auth._call.flow import Send, call
from wecom_auth._call.retry import ONLY_TOKENS, Answered, Retry
from wecom_auth._clients.httpx.body import rewind, start_of
from wecom_auth._clients.httpx.call import call_limit
from wecom_auth._clients.httpx.dressed import dress_as
from wecom_auth._clients.httpx.library import kit_of
from wecom_auth._clients.httpx.peek import alook, look
from wecom_auth._clients.httpx.transport import AUTHORISED
from wecom_auth._clients.httpx.wire import shown_token
from wecom_auth._credential.credential import Credential
from wecom_auth._credential.token import Token
from wecom_auth._http import query
from wecom_auth._source.source import TokenSource, as_source
from wecom_auth.errors import WeComError

NO_TOKEN = 41001
"""The errcode of a call without a token: one that a redirect has led to."""


class _Outgoing(NamedTuple):
    """Send this request; reply with its answer, and the errcode if it is one of these."""

    request: Any
    codes: frozenset[int]


class Auth:
    """Carry the flow of one call, for both libraries, sync and async.

    Args:
        source: a `TokenSource`, or a credential.
        retry: errcodes to retry beside those that reject the token.
    """

    def __init__(self, source: TokenSource | Credential, *, retry: Retry | None = None) -> None:
        self.source = as_source(source)
        self._retry = retry or ONLY_TOKENS

    def sync_auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        """Yield the request with a token; once more with another one if that is rejected.

        Raises:
            CredentialError, TokenUnavailable: no token could be had; `httpx.HTTPError` as well.
        """
        kit, limit = kit_of(request), call_limit(request)
        steps, reply = self._steps(request), cast(Any, None)
        try:
            while True:
                step = steps.send(reply)
                if isinstance(step, _Outgoing):
                    response = yield step.request
                    reply = Answered(response, look(kit.peeked, response, step.codes))
                else:
                    reply = do(step, self.source, limit)
        except StopIteration:
            return
        except WeComError as error:
            failure = dress_as(error, kit.library, request)
        finally:
            steps.close()
        raise failure  # out here, where the error that it stands for is no context

    async def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
        """Do the same as `sync_auth_flow`, in a coroutine."""
        kit, limit = kit_of(request), call_limit(request)
        steps, reply = self._steps(request), cast(Any, None)
        try:
            while True:
                step = steps.send(reply)
                if isinstance(step, _Outgoing):
                    response = yield step.request
                    reply = Answered(response, await alook(kit.peeked, response, step.codes))
                else:
                    reply = await ado(step, self.source, limit)
        except StopIteration:
            return
        except WeComError as error:
            failure = dress_as(error, kit.library, request)
        finally:
            steps.close()
        raise failure

    def _steps(self, request: Any) -> Generator[Any, Any, None]:
        """Yield what is to be sent, and the steps of a flow that sends nothing."""
        name = self.source.credential.parameter_for(str(request.url))
        if name is None:
            yield _Outgoing(request, frozenset())
            return
        library = kit_of(request).library
        start = start_of(library, request.stream)
        token, first = self.source.ready(), None
        if token is not None:
            first = yield from self._send(request, name, token)
            if first.errcode is None:
                return
        flow = call(
            self.source,
            token,
            first,
            retry=self._retry,
            method=request.method,
            limit=call_limit(request),
            replayable=start is not None,
        )
        reply: Any = None
        while True:
            try:
                step = flow.send(reply)
            except StopIteration:
                return
            if not isinstance(step, Send):
                reply = yield step
            elif step.again and not rewind(library, request.stream, start or 0):
                reply = None
            else:
                reply = yield from self._send(request, name, step.token)

    def _send(self, request: Any, name: str, token: Token) -> Generator[Any, Any, Answered]:
        """Send the request with this token; afterwards it shows the URL without one."""
        codes = self._retry.beside(self.source.credential) | {NO_TOKEN}
        visible = request.url = self._without_token(request.url, name)
        request.extensions[AUTHORISED] = True
        request.url = shown_token(visible, name, token.escaped)
        try:
            answered: Answered = yield _Outgoing(request, codes)
        finally:
            request.url = visible
        hop = answered.answer.request
        there = None if hop is request else self.source.credential.parameter_for(str(hop.url))
        if there is not None and answered.errcode == NO_TOKEN:
            library = kit_of(request).library
            if start_of(library, hop.stream) == 0:
                return (yield from self._send(hop, there, token))
        return answered

    def _without_token(self, url: Any, name: str) -> Any:
        without, foreign = query.take(str(url), name)
        if not foreign:
            return url
        self.source.warn_of_foreign_token(foreign)
        return type(url)(without)

    def __eq__(self, other: object) -> bool:
        return self.source == other.source if isinstance(other, Auth) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.source)

    def __repr__(self) -> str:
        return f"WeComAuth({self.source!r})"
