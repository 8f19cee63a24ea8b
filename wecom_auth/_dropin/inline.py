"""A source that fetches inside its caller's own call or not at all."""

from .._credential.exchange import Send
from .._credential.token import Token
from .._source import flight as flights
from .._source.source import TokenSource, time_limit
from .._source.steps import Steps


class InlineSource(TokenSource):
    """A `TokenSource` without a refresh behind: where one is due, the call that meets it fetches.

    For code that does not know of us: its adapter, proxies and mocks are its own, and nothing
    is sent with them after its call has returned. It shares all it knows with the other sources
    over the same credential and store.
    """

    __slots__ = ()

    def _getting(
        self, timeout: float | None, via: Send | None, inline: bool = True
    ) -> Steps[Token]:
        state, limit, send = self._state, time_limit(timeout), self._way(via)
        token = state.current()
        if token is None:
            return (yield from flights.joining(state, limit, send, inline=True))
        if not token.is_fresh(*state.now()):
            flights.refresh_in_foreground(state, token, limit, send)
            return state.current() or token
        return token

    def has_rejected(self, value: str) -> bool:
        """Whether the platform has rejected this token, and has not handed it out again since."""
        if not self._state.is_rejected(value):
            return False
        token = self.peek()
        return token is None or token.value != value
