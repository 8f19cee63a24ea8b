"""Choose the source whose token a call carries, where one client carries several."""

from collections.abc import Callable, Iterable
from typing import Any

from .._credential.credential import Credential, parameter_at
from .._http.scope import PLATFORM, parse_base_url, path_below
from .._log import warn_once
from .._source.source import Store, TokenSource, as_source

_CALLS = f"{PLATFORM}/cgi-bin/"

Choose = Callable[[Any], Credential | TokenSource | None]


class Route:
    """The sources that one client carries: several where their scopes differ.

    Example:
        >>> route = Route()
        >>> route.add(as_source(app))  # doctest: +SKIP
        True
    """

    def __init__(self, sources: Iterable[TokenSource] = ()) -> None:
        self.sources = tuple(sources)

    def match(self, url: str, request: Any = None) -> tuple[TokenSource, str] | None:
        """Return the source and the parameter that carries its token to this URL, or None.

        Args:
            url: of the call.
            request: as the client has it.
        """
        for source in self.sources:
            name = source.credential.parameter_for(url)
            if name is not None:
                return source, name
        if url.startswith(_CALLS):
            warn_of_bypass(url, self.sources[0].credential)
        return None

    def add(self, source: TokenSource) -> bool:
        """Carry this source's tokens too; False where that is done already.

        Raises:
            ValueError: another credential's tokens go to the same calls already, or the same
                one's, kept in another store.
        """
        for known in self.sources:
            if known.credential == source.credential:
                if not known.keeps_for(source):
                    raise ValueError(
                        "this client is attached already, with another store: attach it once,"
                        " with the store that it is to have"
                    )
                return False
            if _overlap(known.credential, source.credential):
                raise ValueError(
                    "this client carries another credential's tokens to"
                    f" {source.credential.base_url}: use one client for each credential, attach"
                    " a function that chooses one for each request, or auth=WeComAuth(...)"
                )
        self.sources = (*self.sources, source)
        return True

    @property
    def base_urls(self) -> list[str]:
        """The base URLs below which calls may carry a token."""
        return list(dict.fromkeys(source.credential.base_url for source in self.sources))


class Chosen(Route):
    """A route that asks a function, for each request, whose token it carries: many tenants.

    Args:
        choose: given the client's request, returns a credential, a source, or None. It is asked
            only for calls below the base URL, and must not block.
        base_url: of all of them.
        store: that all of them share.
    """

    def __init__(self, choose: Choose, base_url: str = PLATFORM, store: Store = None) -> None:
        super().__init__()
        self._choose, self._store = choose, store
        self._base_url = parse_base_url(base_url, allow_http=True)

    def match(self, url: str, request: Any = None) -> tuple[TokenSource, str] | None:
        """Return the chosen source and its parameter, if its token belongs to this URL."""
        if path_below(url.partition("?")[0].partition("#")[0], self._base_url) is None:
            return None
        chosen = self._choose(request)
        if chosen is None:
            return None
        source = chosen if isinstance(chosen, TokenSource) else as_source(chosen, self._store)
        name = source.credential.parameter_for(url)
        return None if name is None else (source, name)

    @property
    def base_urls(self) -> list[str]:
        """The one base URL."""
        return [self._base_url]


def warn_of_bypass(url: str, credential: Credential) -> None:
    """Log once that a call goes to the platform itself, past the credential's base URL."""
    if credential.base_url == PLATFORM:
        return
    if parameter_at(credential.kind, PLATFORM, url.partition("?")[0]) is not None:
        warn_once(
            f"a call goes to {PLATFORM}, but base_url is {credential.base_url}: it gets no token;"
            ' write its URL as f"{app.base_url}/cgi-bin/..."'
        )


def _overlap(one: Credential, other: Credential) -> bool:
    """Return whether both credentials' tokens go to the same calls."""
    if one.base_url != other.base_url:
        return False
    return one.kind is other.kind or one.kind.paths == other.kind.paths
