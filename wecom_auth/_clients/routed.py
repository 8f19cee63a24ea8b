"""Share what everything that authorises a client's calls holds: a route, and what is retried."""

from wecom_auth._call.retry import ONLY_TOKENS, Retry
from wecom_auth._call.route import Route
from wecom_auth._credential.credential import Credential
from wecom_auth._source.source import TokenSource, as_source


class Routed:
    """Hold the route of a client's calls.

    Args:
        source: a `TokenSource`, a credential, or a route.
        retry: errcodes to retry beside those that reject the token.
    """

    def __init__(
        self, source: TokenSource | Credential | Route, *, retry: Retry | None = None
    ) -> None:
        self.route = source if isinstance(source, Route) else Route([as_source(source)])
        self._retry = retry or ONLY_TOKENS

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.route.sources))})"
