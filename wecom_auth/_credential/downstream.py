"""A downstream corp that an app is shared with.

Source: WeCom developer documentation, "corpgroup/corp/gettoken".
"""

from typing import Any

from .._http.query import escape
from .._http.scope import parse_base_url
from . import checks
from .credential import Credential
from .exchange import Grant, Send, post
from .kind import DOWNSTREAM


class DownstreamCredential(Credential):
    """A linked or downstream corp, reached with the token of the app that is shared with it.

    Args:
        app: the upstream app.
        corpid: the downstream corp.
        agentid: of the app in that corp; it is another one there.
        business_type: 0 for linked corps, 1 for upstream and downstream; sent only if given.
        base_url: where the calls go; the app's if not given.
        allow_http: permit plain http to a host that is not loopback.

    Raises:
        TypeError, ValueError: with a sentence that says what to do.

    Example:
        >>> down = DownstreamCredential(app, "wwdown", 1000003, business_type=1)  # doctest: +SKIP
    """

    __slots__ = ("agentid", "business_type", "corpid", "parent")

    kind = DOWNSTREAM
    runs_inline = False

    corpid: str
    agentid: int
    business_type: int | None
    parent: Credential

    def __init__(
        self,
        app: Credential,
        corpid: str,
        agentid: int,
        *,
        business_type: int | None = None,
        base_url: str | None = None,
        allow_http: bool = False,
    ) -> None:
        if not isinstance(app, Credential) or app.kind.parameter != "access_token":
            raise TypeError(f"app must be the upstream app's credential, not {checks.kind(app)}")
        if business_type not in (None, 0, 1):
            raise ValueError("business_type must be 0 (linked) or 1 (upstream and downstream)")
        object.__setattr__(self, "parent", app)
        object.__setattr__(self, "corpid", checks.text("corpid", corpid))
        object.__setattr__(self, "agentid", checks.agentid(agentid))
        object.__setattr__(self, "business_type", business_type)
        base_url = app.base_url if base_url is None else parse_base_url(base_url, allow_http)
        named = f"{len(self.corpid)}:{self.corpid}:{self.agentid}:{business_type}"
        self._name(base_url, f"downstream:{named}:{app.key}")

    def obtain(self, send: Send, seconds: float) -> Grant:
        """Raise TypeError: the exchange needs the app's token; see `obtain_with`."""
        raise TypeError("a DownstreamCredential is fetched with its app's token")

    def obtain_with(self, token: str, send: Send, seconds: float) -> Grant:
        """Fetch a token with one exchange; see `Credential.obtain_with`."""
        body: dict[str, object] = {"corpid": self.corpid, "agentid": self.agentid}
        if self.business_type is not None:
            body["business_type"] = self.business_type
        url = f"{self.base_url}/cgi-bin/{self.kind.exchange}?access_token={escape(token)}"
        return post(self.kind, send, seconds, url, body, (token,))

    def __repr__(self) -> str:
        return f"DownstreamCredential({self.parent!r}, {self.corpid!r}, {self.agentid})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (
            self.parent,
            self.corpid,
            self.agentid,
            self.business_type,
            self.base_url,
        )


def _restore(app: Any, corpid: str, agentid: int, business: Any, base_url: str) -> Any:
    return DownstreamCredential(
        app, corpid, agentid, business_type=business, base_url=base_url, allow_http=True
    )
