"""`wecom-auth token`: the real thing, with the credential in the environment."""

from .._credential.app import AppCredential
from .._http.redaction import shorten
from .._source.source import TokenSource
from ..errors import TokenConnectionError, TokenTimeout, WeComError
from .console import say
from .exits import FAILED, MISCONFIGURED

_UNREACHED = (
    "is the platform to be reached from here? See WECOM_BASE_URL, HTTP_PROXY and HTTPS_PROXY"
)


def token_command(store: str | None = None, *, show: bool = False) -> int:
    """Get a token and print it masked, with the life it has left.

    Args:
        store: the URL of a store to share it through.
        show: print the token whole, and only the token, as in `token=$(wecom-auth token --show)`.

    Returns:
        The exit code: 1 where the platform refuses or is not reached, 2 where something must be
        set or installed first.

    Example:
        >>> token_command()  # doctest: +SKIP
        token  kGk3... (214 characters)
        life   7140 s left (1 h 59 min)
        app    AppCredential(corpid='ww01', base_url='https://qyapi.weixin.qq.com')
        0
    """
    try:
        source = TokenSource(AppCredential.from_env(), store=store)
    except (ValueError, ImportError, OSError) as error:
        return _fail(str(error), MISCONFIGURED)
    try:
        token = source.get()
    except (TokenConnectionError, TokenTimeout) as error:
        return _fail(f"{error} | {_UNREACHED}", FAILED)
    except WeComError as error:
        return _fail(str(error), FAILED)
    if show:
        say(token.value)
        return 0
    left = int(source.remaining(token))
    say(f"token  {shorten(token.value)}")
    say(f"life   {left} s left ({left // 3600} h {left % 3600 // 60} min)")
    say(f"app    {source.credential}")
    return 0


def _fail(text: str, code: int) -> int:
    say("wecom-auth token: " + text.replace(" | ", "\n  "), error=True)
    return code
