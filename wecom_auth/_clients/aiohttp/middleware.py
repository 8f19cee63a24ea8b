"""The middleware of a session: it authorises what the session sends."""

from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

from wecom_auth._call.retry import ONLY_TOKENS, Answered, Retry
from wecom_auth._call.route import Route
from wecom_auth._clients.aiohttp.call import Call
from wecom_auth._clients.aiohttp.wire import is_authorised, leave_out
from wecom_auth._credential.credential import Credential
from wecom_auth._source.source import TokenSource, as_source


class Middleware:
    """A client middleware that puts a valid token into the calls of a session.

    Args:
        source: a `TokenSource`, a credential, or a route.
        retry: errcodes to retry beside those that reject the token.
    """

    def __init__(
        self, source: TokenSource | Credential | Route, *, retry: Retry | None = None
    ) -> None:
        self.route = source if isinstance(source, Route) else Route([as_source(source)])
        self._retry = retry or ONLY_TOKENS

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Send a WeCom call with a token; once more if that is rejected. Leave others alone.

        Each hop of a redirect comes here.

        Raises:
            CredentialError, TokenUnavailable: no token could be had; `ClientError` as well.
        """
        url = str(request.url)
        source = self.route.find(url, request)
        name = None if source is None else source.credential.parameter_for(url)
        if source is None or name is None or is_authorised(request):
            return await handler(request)
        if (name in url or "%" in url) and (brought := leave_out(request, name)):
            source.warn_of_foreign_token(brought)
        call = Call(request, handler, source, name, self._retry)
        token = source.ready()
        if token is None:
            response: ClientResponse = await call.finish(None, None)
            return response
        response = await call.send(token)
        if not call.is_suspect(response):
            return response
        code = await call.errcode(response)
        return response if code is None else await call.finish(token, Answered(response, code))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.route.sources))})"
