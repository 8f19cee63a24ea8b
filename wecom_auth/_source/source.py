"""TokenSource: hands out a valid token. All concurrency of the toolkit stands below it."""

from collections.abc import Iterable
from functools import partial
from typing import Any, Self

import requests

from .._credential.credential import Credential
from .._credential.exchange import Send
from .._credential.token import Token
from .._http.redaction import mask_unless_refused
from ..errors import WeComError
from ..stores.memory import MemoryStore
from ..stores.protocol import TokenStore
from . import join, process, transport
from .counts import Statistics
from .state import TIME_LIMIT, state_of
from .steps import Call, Steps, run, run_async

Store = str | TokenStore | MemoryStore | None
"""What `store=` takes: a URL, a store that processes share, a cache of one's own, or none."""


class TokenSource:
    """Hands out a valid token, and replaces it when it ends or is rejected.

    A source is a handle: what is known (the token, a fetch under way, a remembered failure) is
    one per credential and store in the process, however many handles there are.

    Args:
        credential: an `AppCredential`, an `ExternalToken`, or another credential.
        store: a store that processes share (a `FileStore`, a `RedisStore`, a URL of one, an
            object of your own), or a `MemoryStore` in place of the process-wide cache. If none
            is given, the one that the environment variable WECOM_STORE names, if any.
        session: sends the exchange, before any other way; if none is given, it goes the way of
            the call that needs it.

    Raises:
        TypeError, ValueError: for anything that is no credential, store or session.

    Example:
        >>> source = TokenSource(AppCredential.from_env())  # doctest: +SKIP
        >>> source.get().value  # doctest: +SKIP
    """

    __slots__ = ("_session", "_spec", "_state", "credential")

    def __init__(
        self,
        credential: Credential,
        *,
        store: Store = None,
        session: requests.Session | None = None,
    ) -> None:
        if not isinstance(credential, Credential):
            raise TypeError(
                "credential must be an AppCredential or another credential, not"
                f" {type(credential).__name__}"
            )
        if session is not None and not isinstance(session, requests.Session):
            raise TypeError(f"session must be a requests.Session, not {type(session).__name__}")
        mask_unless_refused()
        self.credential = credential
        self._spec = store
        self._session = session
        self._state = state_of(credential, store)

    @property
    def statistics(self) -> Statistics:
        """The numbers of what was done for this credential since the process started."""
        with process.lock:
            return Statistics(*self._state.counts)

    def get(self, timeout: float | None = None, *, via: Send | None = None) -> Token:
        """Return a valid token; from memory, unless there is none or it has ended.

        Args:
            timeout: seconds this may take; 10 if not given, and never more.
            via: sends an exchange that becomes necessary, unless the source has a session.

        Raises:
            CredentialError: the platform refuses the credential.
            TokenUnavailable: no token could be had in time; also a `requests.Timeout` or
                `requests.ConnectionError` where that is why.

        Example:
            >>> source.get(timeout=3).value  # doctest: +SKIP
        """
        return run(self._getting(timeout, via, self.credential.runs_inline))

    async def aget(self, timeout: float | None = None, *, via: Send | None = None) -> Token:
        """`get` for a coroutine: the fetch runs in a thread, the event loop never waits."""
        return await run_async(self._getting(timeout, via))

    def ready(self) -> Token | None:
        """Return the cached token if it is fresh (the hot path), else None."""
        state = self._state
        memory = state.memory
        token = memory.load(state.key)
        if token is None or not token.is_fresh(memory.monotonic(), memory.wall()):
            return None
        return token

    def _getting(
        self, timeout: float | None, via: Send | None, inline: bool = False
    ) -> Steps[Token]:
        limit, send = time_limit(timeout), self._way(via)
        token = self.ready()
        if token is None:
            token = yield from join.ageing(self._state, limit, send, inline=inline)
        if token is None:
            token = yield from join.joining(self._state, limit, send, inline=inline)
        return token

    def peek(self) -> Token | None:
        """Return the token in memory if there is one that has not ended; never fetch."""
        return self._state.current()

    def remaining(self, token: Token) -> float:
        """Return the seconds for which this token will be handed out; 0 when it has ended.

        Example:
            >>> source.remaining(source.get())  # doctest: +SKIP
            7140.0
        """
        return token.remaining(*self._state.now())

    def refresh(self, timeout: float | None = None, *, via: Send | None = None) -> Token:
        """Return a newer token than the one held, fetched now or just now by a neighbour.

        A platform may answer with the same token again. Arguments and errors as for `get`.
        """
        limit, inline = time_limit(timeout), self.credential.runs_inline
        steps = join.joining(self._state, limit, self._way(via), force=True, inline=inline)
        return run(steps)

    def invalidate(self, rejected: Token | str) -> None:
        """Drop this token, here and in the store, if it is still the one that is held.

        Args:
            rejected: the token that the platform rejected.

        Example:
            >>> source.invalidate(token)  # doctest: +SKIP
        """
        run(self._invalidating(rejected))

    async def ainvalidate(self, rejected: Token | str) -> None:
        """`invalidate` for a coroutine: a store is spoken to in a thread."""
        await run_async(self._invalidating(rejected))

    def _invalidating(self, rejected: Token | str) -> Steps[None]:
        value = rejected.value if isinstance(rejected, Token) else rejected
        if not isinstance(value, str) or not value:
            raise TypeError("rejected must be a Token or the value of one, a non-empty str")
        if self._state.shared:
            yield Call(partial(self._state.invalidate, value))
        else:
            self._state.invalidate(value)

    def replace(
        self, rejected: Token | str, timeout: float | None = None, *, via: Send | None = None
    ) -> Token | None:
        """Return the token to make a rejected call again with, once.

        Args:
            rejected: the token that the platform rejected; it is invalidated.
            timeout: seconds this may take.
            via: sends an exchange that becomes necessary, unless the source has a session.

        Returns:
            None where there is no other token. Then the platform's own answer is what the caller
            of the call should get; why there is none is logged once.
        """
        inline = self.credential.runs_inline
        return run(self._replacing(rejected, timeout, via, inline))

    async def areplace(
        self, rejected: Token | str, timeout: float | None = None, *, via: Send | None = None
    ) -> Token | None:
        """`replace` for a coroutine; whatever blocks runs in a thread."""
        return await run_async(self._replacing(rejected, timeout, via))

    def _replacing(
        self,
        rejected: Token | str,
        timeout: float | None,
        via: Send | None,
        inline: bool = False,
    ) -> Steps[Token | None]:
        yield from self._invalidating(rejected)
        try:
            token = yield from self._getting(timeout, via, inline)
        except WeComError as error:
            self._state.warn("resend", f"a rejected token could not be replaced: {error}")
            return None
        if token.value == (rejected.value if isinstance(rejected, Token) else rejected):
            return None
        self._state.count("resends")
        return token

    def accept(self, token: Token) -> None:
        """Take note that a call has succeeded with a token that a rejection made necessary.

        Many revocations in a row with successes between them are no wrong app: the fetch does
        not count against the budget of fetches that rejections cause.
        """
        self._state.accept(token.value)

    def warn_of_foreign_token(self, brought: Iterable[str]) -> None:
        """Log once that a call brought a token of its own, which this source's replaced.

        Args:
            brought: what the call had in its query; an empty one, or this source's token, as under
                the decorator, is no news.
        """
        held = self.peek()
        if any(value and (held is None or value != held.value) for value in brought):
            self._state.warn(
                "foreign", "a call brought an access_token of its own; it is replaced: remove it"
            )

    def keeps_for(self, other: "TokenSource") -> bool:
        """Return whether the other source's store, if it names one, is this one's."""
        return other._spec is None or self._state is other._state

    def _way(self, via: Send | None) -> Send:
        """Return the way of an exchange: the source's session, else the call's, else a session."""
        if self._session is not None:
            return transport.by_session(self._session)
        return via or transport.by_session(process.session())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TokenSource):
            return NotImplemented
        return self._state is other._state and self._session is other._session

    def __hash__(self) -> int:
        return hash(self.credential)

    def __repr__(self) -> str:
        state = self._state
        store = "" if self._spec is None else f", store={state.shared or state.memory!r}"
        return f"TokenSource({self.credential!r}{store})"

    def __deepcopy__(self, memo: object) -> Self:
        return self  # a handle: the memory it stands for is not copied with a session

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.credential, self._spec, self._session)


def as_source(source: TokenSource | Credential, store: Store = None) -> TokenSource:
    """Return a source for a source or a credential: what every way to attach takes.

    Raises:
        TypeError: it is neither.
        ValueError: a source comes with a store of its own.
    """
    if not isinstance(source, TokenSource):
        return TokenSource(source, store=store)
    if store is not None:
        raise ValueError("the source has its store already: give store= to TokenSource, not here")
    return source


def time_limit(timeout: float | None) -> float:
    """Return the seconds that a caller's `timeout` allows for getting a token: 10 at most.

    Raises:
        TypeError, ValueError: it is no number of seconds above 0.
    """
    if timeout is None:
        return TIME_LIMIT
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(f"timeout must be seconds or None, not {type(timeout).__name__}")
    if not timeout > 0:
        raise ValueError("timeout must be more than 0 seconds")
    return float(min(timeout, TIME_LIMIT))


def _restore(credential: Credential, spec: Store, session: requests.Session | None) -> TokenSource:
    return TokenSource(credential, store=spec, session=session)
