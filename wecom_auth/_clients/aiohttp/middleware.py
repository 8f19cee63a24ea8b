"""Authorise what a session of aiohttp sends, by a middleware."""

from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

from wecom_auth._call.retry import Answered
from wecom_auth._clients.aiohttp.call import Call, send
from wecom_auth._clients.aiohttp.wire import Wire, leave_out
from wecom_auth._clients.aiohttp_peek import is_suspect, look
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
        if found is None or isinstance(vars(request).get("send"), Wire):  # which is ours already
            return await handler(request)
        source, name = found
        if (name in url or "%" in url) and (brought := leave_out(request, name)):
            source.warn_of_foreign_token(brought)
        token, first = source.ready(), None
        codes = self._retry.beside(source.credential)
        if token is not None:
            response = await send(request, handler, source, name, token)
            if not is_suspect(response, codes):
                return response
            code = await look(response, codes)
            if code is None:
                return response
            first = Answered(response, code)
        call = Call(request, handler, source, name, self._retry, codes)
        retried: ClientResponse = await call.finish(token, first)
        return retried
