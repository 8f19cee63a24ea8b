"""TokenSource: hands out a valid token. All concurrency of the toolkit is behind it."""

from collections.abc import Iterable
from functools import partial
from typing import Any, Self

import requests
from requests.hooks import default_hooks
from urllib3 import Timeout

from .._credential.credentials import Credential
from .._credential.exchange import Send
from .._credential.token import Token
from .._http.redaction import mask_unless_refused
from ..errors import WeComError
from ..stores.memory import MemoryStore
from ..stores.protocol import TokenStore
from . import flight as flights
from .process import process_session, state_of
from .state import TIME_LIMIT, Statistics

Store = str | TokenStore | MemoryStore
"""What `store=` takes: a URL, a store that processes share, or a memory of one's own."""


class TokenSource:
    """Hands out a valid token, and replaces it when it ends or is rejected.

    A source is a handle: what is known (the token, a fetch under way, a remembered failure) is
    one per credential and store in the process, however many handles there are.

    Args:
        credential: an `AppCredential` or an `ExternalToken`.
        store: a store that processes share (a `FileStore`, a `RedisStore`, a URL of one, an
            object of your own), or a `MemoryStore` in place of the process-wide memory. If none
            is given, the one that the environment variable WECOM_STORE names, if any.
        session: sends gettoken; one shared by the process if none is given.

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
        store: Store | None = None,
        session: requests.Session | None = None,
    ) -> None:
        if not isinstance(credential, Credential):
            raise TypeError(
                "credential must be an AppCredential or an ExternalToken, not"
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
        """What was done for this credential since the process started: numbers only."""
        with self._state.memory.lock:
            return Statistics(*self._state.counts)

    def get(self, timeout: float | None = None, *, via: Send | None = None) -> Token:
        """A valid token; from memory, unless there is none or it has ended.

        Args:
            timeout: seconds this may take; 10 if not given, and never more.
            via: sends a gettoken that becomes necessary, in place of the source's session.

        Raises:
            CredentialError: the platform refuses the credential.
            TokenUnavailable: no token could be had in time; also a `requests.Timeout` or
                `requests.ConnectionError` where that is why.

        Example:
            >>> source.get(timeout=3).value  # doctest: +SKIP
        """
        limit, send = time_limit(timeout), via or self._send
        return self.ready() or self._ageing(send) or flights.join(self._state, limit, send)

    async def aget(self, timeout: float | None = None) -> Token:
        """`get` for a coroutine: the fetch runs in a thread, the event loop never waits."""
        limit, send = time_limit(timeout), self._send
        ready = self.ready() or self._ageing(send)
        return ready or await flights.join_async(self._state, limit, send)

    def ready(self) -> Token | None:
        """The token in memory while nothing need be done about it: what nearly every call finds."""
        state = self._state
        memory = state.memory
        token = memory.load(state.key)
        if token is None or not token.is_fresh(memory.monotonic(), memory.wall()):
            return None
        return token

    def _ageing(self, send: Send) -> Token | None:
        """The token past its soft deadline, refreshed behind, or one that has come since."""
        token = self._state.current()
        if token is not None and not token.is_fresh(*self._state.now()):
            flights.refresh_behind(self._state, send)
        return token

    def peek(self) -> Token | None:
        """The token in memory if there is one that has not ended; never fetches."""
        return self._state.current()

    def remaining(self, token: Token) -> float:
        """Seconds for which this token will still be handed out; 0 when it has ended.

        Example:
            >>> source.remaining(source.get())  # doctest: +SKIP
            7140.0
        """
        return token.remaining(*self._state.now())

    def refresh(self, timeout: float | None = None, *, via: Send | None = None) -> Token:
        """A newer token than the one held, fetched now or just now by a neighbour.

        A platform may answer with the same token again. Arguments and errors as for `get`.
        """
        return flights.join(self._state, time_limit(timeout), via or self._send, force=True)

    def invalidate(self, rejected: Token | str) -> None:
        """Drop this token, here and in the store, if it is still the one that is held.

        Args:
            rejected: the token that the platform rejected.

        Example:
            >>> source.invalidate(token)  # doctest: +SKIP
        """
        value = rejected.value if isinstance(rejected, Token) else rejected
        if not isinstance(value, str) or not value:
            raise TypeError("rejected must be a Token or the value of one, a non-empty str")
        self._state.invalidate(value)

    async def ainvalidate(self, rejected: Token | str) -> None:
        """`invalidate` for a coroutine: a store is spoken to in a thread."""
        if self._state.shelf:
            await flights.beside(partial(self.invalidate, rejected))
        else:
            self.invalidate(rejected)

    def replace(
        self, rejected: Token | str, timeout: float | None = None, *, via: Send | None = None
    ) -> Token | None:
        """After a rejection: the token to make the call with again, once.

        Args:
            rejected: the token that the platform rejected; it is invalidated.
            timeout: seconds this may take.
            via: sends a gettoken that becomes necessary.

        Returns:
            None where there is no other token. Then the platform's own answer is what the caller
            of the call should get; why there is none is warned of once.
        """
        self.invalidate(rejected)
        try:
            return self._other(rejected, self.get(timeout, via=via))
        except WeComError as error:
            self._warn_of(error)
            return None

    async def areplace(self, rejected: Token | str) -> Token | None:
        """`replace` for a coroutine; whatever blocks runs in a thread."""
        await self.ainvalidate(rejected)
        try:
            return self._other(rejected, await self.aget())
        except WeComError as error:
            self._warn_of(error)
            return None

    def _other(self, rejected: Token | str, token: Token) -> Token | None:
        if token.value == (rejected.value if isinstance(rejected, Token) else rejected):
            return None
        self._state.count("resends")
        return token

    def _warn_of(self, error: WeComError) -> None:
        self._state.warn("resend", f"a rejected token could not be replaced: {error}")

    def warn_of_foreign_token(self, brought: Iterable[str]) -> None:
        """Say once that a call brought a token of its own, which this source's replaced.

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
        """Whether the other's wishes for a store, if it has any, are met by this one's."""
        return other._spec is None or self._state is other._state

    def _send(self, request: requests.Request, limit: float) -> requests.Response:
        session = self._session or process_session()
        prepared = session.prepare_request(request)
        prepared.hooks = default_hooks()  # a session's raise_for_errcode is meant for its calls
        settings = session.merge_environment_settings(prepared.url or "", {}, True, None, None)
        settings["timeout"] = Timeout(total=limit)
        return session.send(prepared, allow_redirects=False, **settings)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TokenSource):
            return NotImplemented
        return self._state is other._state and self._session is other._session

    def __hash__(self) -> int:
        return hash(self.credential)

    def __repr__(self) -> str:
        store = "" if self._spec is None else f", store={self._state.shelf or self._state.memory!r}"
        return f"TokenSource({self.credential!r}{store})"

    def __deepcopy__(self, memo: object) -> Self:
        return self  # a handle: the memory behind it is not copied with a session

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.credential, self._spec, self._session)


def as_source(source: TokenSource | Credential, store: Store | None = None) -> TokenSource:
    """A source from a source or a credential: what every way to attach takes.

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
    """The seconds that a caller's `timeout` allows for getting a token: 10 at most.

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


def _restore(
    credential: Credential, spec: Store | None, session: requests.Session | None
) -> TokenSource:
    return TokenSource(credential, store=spec, session=session)
