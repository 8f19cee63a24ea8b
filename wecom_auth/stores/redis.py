"""One token for many machines: Redis or Valkey."""

import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from .._log import warn_once
from .protocol import LEASE, StoreError, patience
from .redisclient import Late, Refused, asking, check_client, connect, require, visible
from .waiting import wait_for

if TYPE_CHECKING:
    from redis import Redis, RedisCluster

REFUSAL_LIMIT = 2.0
"""Seconds for which a refused connection is tried again, where nobody knows the caller's limit."""

LATE = 0.25
"""The part of these seconds for which a server that does not answer is asked again."""

LONGEST_TTL = 30 * 86_400.0

# MGET gives nothing, and no error, for a key of another type: such a key counts as absent.
# ARGV: whether a text is expected and which, whether there is a new one and which, milliseconds.
_COMPARE_AND_SET = """
local now = redis.call('MGET', KEYS[1])[1]
if ARGV[1] == '1' then
  if now ~= ARGV[2] then return 0 end
elseif now then
  return 0
end
if ARGV[3] == '1' then
  redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[5])
else
  redis.call('DEL', KEYS[1])
end
return 1
"""

_T = TypeVar("_T")


class RedisStore:
    """Tokens in Redis (6 or later) or Valkey, shared by many machines.

    Values are small JSON texts under prefix + key, each with the server's own expiry, so a
    service in another language can read the token; keys hold no secret. A lock is a key with a
    lease of 15 seconds; its holder removes it within them. A server that is away costs a call 0.3
    seconds, one that hangs up to a fifth of the call's own limit (2 of 10 seconds); the breaker in
    front of every store sees to it that few calls pay them.

    The server's user needs the commands MGET, SET, DEL and EVAL on the keys `wecom_auth:*` (and
    SELECT where the URL names another database than 0). EVAL replaces and deletes a token that is
    there; a fetch at a cold start, and the lock, do without.

    No connection is kept: each operation opens one and closes it, a few of them for each fetch.
    So thousands of processes share a server that allows few connections; one that it refuses is
    tried again for up to two seconds.

    Args:
        url_or_client: `redis://`, `rediss://` or `unix://`, or a client of redis-py of your own:
            `redis.Redis`, `redis.RedisCluster`, or the `master_for(…)` of a `redis.Sentinel`. Its
            connections, timeouts and retries are then yours. Only a store made from a URL can be
            pickled.
        prefix: goes before every key; one for each environment keeps them apart.

    Raises:
        ModuleNotFoundError: redis-py is missing: `pip install "wecom-auth[redis]"`.
        TypeError: an object that is no such client, or an asynchronous one.
        ValueError: the URL is none.

    Example:
        >>> attach(requests.Session(), app, store=RedisStore("rediss://:pw@cache.internal:6379/0"))
    """

    def __init__(
        self, url_or_client: "str | Redis | RedisCluster", *, prefix: str = "wecom_auth:"
    ) -> None:
        require()
        if not isinstance(prefix, str):
            raise TypeError(f"prefix must be a str, not {type(prefix).__name__}")
        self.prefix = prefix
        self._url = url_or_client if isinstance(url_or_client, str) else None
        if isinstance(url_or_client, str):
            self.client: Any = connect(url_or_client)
        else:
            check_client(url_or_client)
            self.client = url_or_client

    def load(self, key: str) -> str | None:
        """The text under this key, or None when it is absent, expired or not a text."""
        return self.load_many([key])[0]

    def load_many(self, keys: Sequence[str]) -> list[str | None]:
        """The texts under these keys, by one command (one for each with a `RedisCluster`)."""
        raws = self._ask(lambda: self._read(keys))
        return [self._text(key, raw) for key, raw in zip(keys, raws, strict=True)]

    def compare_and_set(self, key: str, expected: str | None, new: str | None, ttl: float) -> bool:
        """Atomically: if the present text equals `expected`, put `new` in its place.

        Args:
            key: where.
            expected: the text that `load` gave; None means absent.
            new: the text to write; None deletes.
            ttl: seconds after which `new` is absent again; zero or less deletes.

        Returns:
            True if the present text was the expected one, and `new` has taken its place.

        Raises:
            StoreError: the server is away, or refuses.
        """
        text = new if ttl > 0 else None
        if expected is not None:
            return self._ask(lambda: self._replace(key, expected, text, ttl))
        if text is not None and self._ask(lambda: self._create(key, text, _milliseconds(ttl))):
            return True
        (raw,) = self._ask(lambda: self._read([key]))
        if self._text(key, raw) is not None:
            return False
        return self._ask(lambda: self._replace(key, raw, text, ttl))  # what is there is no text

    @contextmanager
    def lock(self, key: str, timeout: float) -> Iterator[bool]:
        """Wait for the right to fetch for this key, or until somebody else has fetched.

        A holder that dies leaves the lock until its lease ends. Who waits is let go, without the
        lock, as soon as another text stands under the key: hundreds of processes that wait would
        otherwise take the lock one after the other, each to find that there is nothing to do.

        Args:
            key: for what.
            timeout: seconds to wait at most.

        Returns:
            A context manager that yields True when the lock is held, False when the time was up
            or there is a new text.

        Raises:
            StoreError: the server is away, or refuses.
        """
        lease_ends = wait_for(self._attempts(key), timeout, first=0.05, longest=1.0)
        release = partial(self._release, f"{key}:lock", lease_ends, os.getpid())
        try:
            yield bool(lease_ends)
        except BaseException:
            with suppress(StoreError):  # not in the way of what the body raised
                release()
            raise
        else:
            release()

    def after_fork(self) -> None:
        """In a forked child: replace the client, whose connections and locks are the parent's."""
        if self._url is not None:
            self.client = connect(self._url)

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """The exceptions by which it says that it is away; of a user's own client, any."""
        return (Exception,) if self._url is None else (StoreError,)

    @property
    def named(self) -> bool:
        """True if a URL names it; not where it is over a live client."""
        return self._url is not None

    def _read(self, keys: Sequence[str]) -> list[Any]:
        # As bytes, whatever the client decodes: what another program left there may be no text.
        groups = [keys] if not hasattr(self.client, "mget_nonatomic") else [[key] for key in keys]
        return [
            raw
            for group in groups
            for raw in self.client.execute_command(
                "MGET", *(self.prefix + key for key in group), NEVER_DECODE=True
            )
        ]

    def _create(self, key: str, text: str, milliseconds: int) -> bool:
        return bool(self.client.set(self.prefix + key, text, nx=True, px=milliseconds))

    def _replace(self, key: str, expected: Any, text: str | None, ttl: float) -> bool:
        arguments = [
            *(["0", ""] if expected is None else ["1", expected]),
            *(["0", ""] if text is None else ["1", text]),
            str(_milliseconds(ttl)),
        ]
        return bool(self.client.eval(_COMPARE_AND_SET, 1, self.prefix + key, *arguments))

    def _attempts(self, key: str) -> Callable[[], float | None]:
        """Each call tries once to take the lock.

        It returns until when the lock is held for certain, by the clock of this process; 0 where
        it is no longer needed; None where another holds it.
        """
        name, mine = f"{key}:lock", secrets.token_hex(8)
        ends, before = 0.0, list[Any]()

        def take() -> float | None:
            nonlocal ends
            ends = time.monotonic() + LEASE - 1
            if self._create(name, mine, int(LEASE * 1000)):
                return ends
            before[:] = before or self._read([key])
            return None

        def look() -> float | None:
            lock, text = self._read([name, key])
            if lock == mine.encode():  # the answer to `take` was lost
                return ends
            before[:] = before or [text]
            if text not in (None, *before):
                return 0.0
            return take() if lock is None else None

        return self._attempt(lambda: look() if ends else take(), [])

    def _release(self, name: str, lease_ends: float | None, owner: int) -> None:
        if owner != os.getpid():
            return  # a child forked inside the `with`: the lock is its parent's
        if lease_ends and time.monotonic() < lease_ends:
            self._ask(lambda: self.client.delete(self.prefix + name))

    def _ask(self, call: Callable[[], _T]) -> _T:
        """The server's answer; a connection that it refuses is tried again for a while."""
        failures: list[StoreError] = []
        attempt = self._attempt(lambda: (call(),), failures)
        answer = wait_for(attempt, _patience(), first=0.05, longest=0.5)
        if answer is None:
            raise failures[-1]
        return answer[0]

    def _attempt(
        self, call: Callable[[], _T | None], failures: list[StoreError]
    ) -> Callable[[], _T | None]:
        """Return an attempt for `wait_for`: None where the server refuses, or is late for now."""
        answered, limit = time.monotonic(), _patience() * LATE

        def attempt() -> _T | None:
            nonlocal answered
            answer = None
            try:
                answer = asking(call, self._let_go)
            except Late as error:
                if time.monotonic() - answered >= limit:
                    raise
                failures.append(error)
                return None
            except Refused as error:
                failures.append(error)
            answered = time.monotonic()
            return answer

        return attempt

    def _let_go(self) -> None:
        if self._url is not None:
            self.client.connection_pool.disconnect(inuse_connections=False)

    def _text(self, key: str, raw: bytes | None) -> str | None:
        try:
            return None if raw is None else raw.decode()
        except UnicodeDecodeError:
            warn_once(f"{self!r}: the key {self.prefix + key} holds no text; it is overwritten")
            return None

    def _identity(self) -> tuple[object, str]:
        return self._url if self._url is not None else id(self.client), self.prefix

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RedisStore) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash((RedisStore, self._identity()))

    def __repr__(self) -> str:
        where = "a client" if self._url is None else repr(visible(self._url))
        return f"<RedisStore over {where}, prefix {self.prefix!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        if self._url is None:
            raise TypeError(
                "a RedisStore over a live client cannot be pickled: make it from a URL, "
                "as in RedisStore('redis://localhost:6379/0')"
            )
        return partial(RedisStore, prefix=self.prefix), (self._url,)


def _milliseconds(ttl: float) -> int:
    return max(1, int(min(ttl, LONGEST_TTL) * 1000))


def _patience() -> float:
    """Return the seconds for which to try: most of what the caller has left."""
    left = patience.get() - time.monotonic()
    return left * 0.8 if left > 0 else REFUSAL_LIMIT
