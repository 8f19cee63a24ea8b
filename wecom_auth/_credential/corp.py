"""The credential of a corp that has authorised a suite.

Source: WeCom developer documentation, "get_corp_token".
"""

from collections.abc import Callable
from typing import Any

from .._http.query import escape
from .._http.scope import parse_base_url
from . import checks
from .credential import Credential
from .exchange import Grant, Send, post, with_newest
from .kind import CORP
from .suite import SuiteCredential


class CorpCredential(Credential):
    """A corp that has authorised a suite.

    Its token is fetched with the suite's, out of the same store and by the same way.

    Args:
        suite: the `SuiteCredential`.
        auth_corpid: the corp that authorised it.
        permanent_code: of the authorisation, or a function of auth_corpid that returns it; it is
            asked at each fetch and once more after a refusal.
        base_url: where the calls go; the suite's if not given.
        allow_http: permit plain http to a host that is not loopback.

    Raises:
        TypeError, ValueError: with a sentence that says what to do.

    Example:
        >>> corp = CorpCredential(suite, "wpXXXX", codes.__getitem__)  # doctest: +SKIP
    """

    __slots__ = ("_code", "corpid", "parent")

    kind = CORP
    runs_inline = False

    corpid: str
    parent: SuiteCredential
    _code: str | Callable[[str], str]

    def __init__(
        self,
        suite: SuiteCredential,
        auth_corpid: str,
        permanent_code: str | Callable[[str], str],
        *,
        base_url: str | None = None,
        allow_http: bool = False,
    ) -> None:
        if not isinstance(suite, SuiteCredential):
            raise TypeError(f"suite must be a SuiteCredential, not {checks.kind(suite)}")
        object.__setattr__(self, "parent", suite)
        object.__setattr__(self, "corpid", checks.text("auth_corpid", auth_corpid))
        object.__setattr__(self, "_code", checks.secret("permanent_code", permanent_code))
        base_url = suite.base_url if base_url is None else parse_base_url(base_url, allow_http)
        self._name(base_url, f"corp:{len(self.corpid)}:{self.corpid}:{suite.key}")

    @property
    def auth_corpid(self) -> str:
        """The corp, by the platform's own name."""
        return self.corpid

    @property
    def permanent_code(self) -> str:
        """The code as it stands now; a function is asked."""
        code = self._code
        return code if isinstance(code, str) else checks.text("permanent_code", code(self.corpid))

    def fingerprint(self) -> str:
        """Return a hash of the permanent_code: a new authorisation ends a remembered refusal."""
        return checks.digest(self.permanent_code)

    def obtain(self, send: Send, seconds: float) -> Grant:
        """Raise TypeError: the exchange needs the suite's token; see `obtain_with`."""
        raise TypeError("a CorpCredential is fetched with its suite's token")

    def obtain_with(self, token: str, send: Send, seconds: float) -> Grant:
        """Fetch a token with one exchange; see `Credential.obtain_with`."""
        return with_newest(
            lambda: self.permanent_code, lambda code: self._exchange(token, send, seconds, code)
        )

    def _exchange(self, token: str, send: Send, seconds: float, code: str) -> Grant:
        url = f"{self.base_url}/cgi-bin/{self.kind.exchange}?suite_access_token={escape(token)}"
        body = {"auth_corpid": self.corpid, "permanent_code": code}
        return post(self.kind, send, seconds, url, body, (code, token))

    def __repr__(self) -> str:
        return f"CorpCredential({self.parent!r}, auth_corpid={self.corpid!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.parent, self.corpid, self._code, self.base_url)


def _restore(suite: Any, corpid: str, code: Any, base_url: str) -> CorpCredential:
    return CorpCredential(suite, corpid, code, base_url=base_url, allow_http=True)
