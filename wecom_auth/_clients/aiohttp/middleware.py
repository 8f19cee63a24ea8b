"""Authorise what a session of aiohttp sends, by a middleware."""

from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

from wecom_auth._call.retry import Answered
from wecom_auth._clients.aiohttp.call import Call
from wecom_auth._clients.aiohttp.wire import is_authorised, leave_out
from wecom_auth._clients.routed import Routed


class Middleware(Routed):
    """Put a valid token into the calls of a session, as a client middleware.

    Args:
        source: a `TokenSource`, a credential, or a route.
        retry: errcodes to retry beside those that reject the token.
    """

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Send a WeCom call with a token; once more if that is rejected. Leave others alone.

        Each hop of a redirect comes here.

        Raises:
            CredentialError, TokenUnavailable: no token could be had; `ClientError` as well.
        """
        url = str(request.url)
        found = self.route.match(url, request)
        if found is None or is_authorised(request):
            return await handler(request)
        source, name = found
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
