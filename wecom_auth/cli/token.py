"""`wecom-auth token`: the real thing, with the credential in the environment."""

import json
import sys
import time

from .._credential.app import AppCredential
from .._credential.token import Token
from .._http.redaction import shorten
from .._source.source import TokenSource
from ..errors import WeComError
from .console import say
from .exits import FAILED, MISCONFIGURED

_SAME = (
    "the platform gives out the same token again: it is alive, and was refused for another reason"
    " | another app's token, another kind of token, or another parameter name?"
)


def token_command(
    store: str | None = None, *, form: str = "masked", rejected: str | None = None
) -> int:
    """Get a token and print it masked, with the life it has left.

    Args:
        store: the URL of a store to share it through.
        form: `"show"` prints the token whole, and only the token, as in
            `token=$(wecom-auth token --show)`; `"json"` prints `access_token` and `expires_at`
            (seconds since 1970) for other programs.
        rejected: a token that the platform rejected; it is dropped, and another one fetched.
            `"-"` reads it from standard input.

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
    dead = (sys.stdin.readline() if rejected == "-" else rejected or "").strip()
    if rejected is not None and not dead:
        return _fail("--rejected names no token", MISCONFIGURED)
    try:
        source = TokenSource(AppCredential.from_env(), store=store)
    except (ValueError, ImportError, OSError) as error:
        return _fail(str(error), MISCONFIGURED)
    try:
        if dead:
            source.invalidate(dead)
        token = source.get()
    except WeComError as error:
        return _fail(str(error), FAILED)
    if token.value == dead:
        return _fail(_SAME, FAILED)
    _PRINTERS[form](source, token)
    return 0


def _show(source: TokenSource, token: Token) -> None:
    say(token.value)


def _as_json(source: TokenSource, token: Token) -> None:
    expires_at = int(time.time() + source.remaining(token))
    say(json.dumps({"access_token": token.value, "expires_at": expires_at}))


def _masked(source: TokenSource, token: Token) -> None:
    left = int(source.remaining(token))
    say(f"token  {shorten(token.value)}")
    say(f"life   {left} s left ({left // 3600} h {left % 3600 // 60} min)")
    say(f"app    {source.credential}")


_PRINTERS = {"show": _show, "json": _as_json, "masked": _masked}


def _fail(text: str, code: int) -> int:
    say("wecom-auth token: " + text.replace(" | ", "\n  "), error=True)
    return code
