"""Drive aiohttp: a middleware authorises what a session sends."""

try:
    import aiohttp
except ImportError:
    raise ImportError(
        "wecom_auth.aiohttp needs aiohttp: pip install 'wecom-auth[aiohttp]'"
    ) from None

if not hasattr(aiohttp, "ClientMiddlewareType"):
    raise ImportError(
        "wecom_auth needs the client middlewares of aiohttp 3.12 or later; this is aiohttp"
        f" {aiohttp.__version__}: pip install -U aiohttp, or use with_access_token"
    )
