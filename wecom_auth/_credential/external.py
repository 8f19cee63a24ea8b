"""A token that someone else keeps."""

from collections.abc import Callable
from typing import Any

from .. import errors
from .._http.redaction import redact
from .._http.scope import PLATFORM, parse_base_url
from ..errors import TokenUnavailable, network_kind
from . import checks
from .credential import Credential
from .exchange import Grant, Send, seconds_of

EXTERNAL_LIFE = 300.0
"""Seconds that a token from elsewhere is kept when its owner does not say how long it lives."""


class ExternalToken(Credential):
    """A token that someone else keeps: a central service, a Redis key, a database row.

    No gettoken is ever made.

    Args:
        get: called without arguments; returns the token, or the token and the seconds it still
            lives. Without the seconds it is asked again after 300.
        on_rejected: called with a token that the platform has rejected, so that its owner can
            fetch another; afterwards `get` is asked again.
        base_url: where the calls go, as for `AppCredential`.
        allow_http: permit plain http to a host that is not loopback.

    Example:
        >>> ExternalToken(lambda: redis.get("wecom:token"))  # doctest: +SKIP
    """

    __slots__ = ("_get", "_on_rejected")

    shareable = False

    _get: Callable[[], str | tuple[str, float]]
    _on_rejected: Callable[[str], object] | None

    def __init__(
        self,
        get: Callable[[], str | tuple[str, float]],
        on_rejected: Callable[[str], object] | None = None,
        *,
        base_url: str = PLATFORM,
        allow_http: bool = False,
    ) -> None:
        for name, function in (("get", get), ("on_rejected", on_rejected or bool)):
            checks.function(name, function)
        object.__setattr__(self, "_get", get)
        object.__setattr__(self, "_on_rejected", on_rejected)
        base_url = parse_base_url(base_url, allow_http)
        self._name(base_url, f"external:{len(base_url)}:{base_url}")

    def obtain(self, send: Send, seconds: float) -> Grant:
        """Ask `get`; see `Credential.obtain`."""
        answer = self._ask()
        pair = isinstance(answer, tuple) and len(answer) == 2
        value, life = answer if pair else (answer, None)
        token = checks.token(value.decode("ascii", "replace") if type(value) is bytes else value)
        if not token:
            raise TokenUnavailable(
                f"ExternalToken: get() returned {checks.kind(value)} where a non-empty token, or a"
                " token and the seconds it lives, was expected: is its owner running?"
            )
        return Grant(token, seconds_of(life, EXTERNAL_LIFE))

    def _ask(self) -> Any:
        try:
            return self._get()
        except errors.WeComError:
            raise
        except TimeoutError:
            raise  # of a signal handler, as a rule, and then the caller's
        except OSError as error:  # the network's errors and those of requests
            failure = network_kind(error)(
                redact(f"ExternalToken: get() raised {type(error).__name__}: {error}")
            )
        raise failure  # out here, where the owner's error is no context: it may show the token

    def rejected(self, value: str) -> None:
        """Tell the owner."""
        if self._on_rejected is not None:
            self._on_rejected(value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ExternalToken):
            return NotImplemented
        return self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @property
    def _identity(self) -> tuple[object, ...]:
        return self.base_url, self._get, self._on_rejected

    def __repr__(self) -> str:
        name = getattr(self._get, "__qualname__", type(self._get).__name__)
        return f"ExternalToken({name}, base_url={self.base_url!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore_external, (self._get, self._on_rejected, self.base_url)


def _restore_external(get: Any, on_rejected: Any, base_url: str) -> ExternalToken:
    return ExternalToken(get, on_rejected, base_url=base_url, allow_http=True)
