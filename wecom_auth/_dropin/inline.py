"""A source for code that does not know of this package: nothing is sent after its call returns."""

from .._credential.exchange import Send
from .._credential.token import Token
from .._source import join
from .._source.source import TokenSource, time_limit
from .._source.steps import FOREVER, Steps, run, run_async


class InlineSource(TokenSource):
    """A `TokenSource` without background refresh: where one is due, the call that meets it fetches.

    The exchange is the caller's own request, with the caller's own time limit or none. In code
    that waits it is sent in the caller's thread, because its adapter, proxies and mocks may belong
    there. All that is known is shared with the other sources over the same credential and store.
    """

    __slots__ = ()

    def get(self, timeout: float | None = None, *, via: Send | None = None) -> Token:
        """Return a valid token; `timeout` None is no limit. See `TokenSource.get`."""
        return run(self._getting(timeout, via, inline=True))

    def refresh(
        self, timeout: float | None = None, *, via: Send | None = None, old: Token | None = None
    ) -> Token:
        """Return another token than `old`, or the same one fetched again."""
        return run(self._refreshing(timeout, via, old, inline=True))

    async def arefresh(
        self, timeout: float | None = None, *, via: Send | None = None, old: Token | None = None
    ) -> Token:
        """`refresh` for a coroutine."""
        return await run_async(self._refreshing(timeout, via, old, inline=False))

    def replace(
        self, rejected: Token | str, timeout: float | None = None, *, via: Send | None = None
    ) -> Token | None:
        """Return the token to make a rejected call again with; see `TokenSource.replace`."""
        return run(self._replacing(rejected, timeout, via, inline=True))

    def _getting(
        self, timeout: float | None, via: Send | None, inline: bool = False
    ) -> Steps[Token]:
        state, limit, send = self._state, _limit(timeout), self._way(via)
        token = state.current()
        if token is None:
            return (yield from join.joining(state, limit, send, inline=inline))
        if not token.is_fresh(*state.now()):
            yield from join.refreshing(state, token, limit, send, inline=inline)
            return state.current() or token
        return token

    def _refreshing(
        self, timeout: float | None, via: Send | None, old: Token | None, inline: bool
    ) -> Steps[Token]:
        force, limit = True if old is None else old, _limit(timeout)
        way = self._way(via)
        return (yield from join.joining(self._state, limit, way, force=force, inline=inline))

    def has_rejected(self, value: str) -> bool:
        """Return whether the platform has rejected this token and not given it again since."""
        if not self._state.is_rejected(value):
            return False
        token = self.peek()
        return token is None or token.value != value

    def age(self, token: Token) -> float:
        """Return the seconds since the token was first seen."""
        return token.age(*self._state.now())


def _limit(timeout: float | None) -> float:
    """Return the caller's own limit in seconds; code that has none waits as long as it takes."""
    if timeout is None:
        return FOREVER
    time_limit(timeout)
    return timeout
