"""One token for many machines: Redis or Valkey."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from .._log import warn_once
from .protocol import LEASE, StoreError
from .waiting import Release, take

if TYPE_CHECKING:
    from redis import Redis

SOCKET_TIMEOUT = 0.3
"""Seconds to connect, and to wait for an answer; `?socket_timeout=` in the URL changes it.

A call that gives itself a second in all must still have time for gettoken when Redis hangs.
"""

LONGEST_TTL = 30 * 86_400.0

SCHEMES = ("redis", "rediss", "unix")

# A key of another type counts as absent. ARGV: whether a text is expected and which, whether
# there is a new one and which, milliseconds.
_COMPARE_AND_SET = """
local now = false
if redis.call('TYPE', KEYS[1]).ok == 'string' then now = redis.call('GET', KEYS[1]) end
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

_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""

_T = TypeVar("_T")


class RedisStore:
    """Tokens in Redis (6 or later) or Valkey, shared by many machines.

    Values are small JSON texts under prefix + key, each with the server's own expiry, so a
    service in another language can read the token; keys hold no secret. A lock is a key with an
    owner and a lease of 15 seconds, released only by its owner. A server that is away or hangs
    costs a call 0.3 seconds, and the breaker in front of every store sees to it that few calls
    pay them.

    Args:
        url_or_client: `redis://`, `rediss://` or `unix://`, or a `redis.Redis` of your own, whose
            timeouts and retries are then yours. Only a store made from a URL can be pickled.
        prefix: goes before every key; one for each environment keeps them apart.

    Raises:
        ModuleNotFoundError: redis-py is missing: `pip install "wecom-auth[redis]"`.
        ValueError: the URL is none.

    Example:
        >>> attach(requests.Session(), app, store=RedisStore("rediss://:pw@cache.internal:6379/0"))
    """

    def __init__(self, url_or_client: "str | Redis", *, prefix: str = "wecom_auth:") -> None:
        _require()
        if not isinstance(prefix, str):
            raise TypeError(f"prefix must be a str, not {type(prefix).__name__}")
        self.prefix = prefix
        self._url = url_or_client if isinstance(url_or_client, str) else None
        if not isinstance(url_or_client, str) and not hasattr(url_or_client, "eval"):
            raise TypeError(
                "url_or_client must be a URL, as in 'redis://localhost:6379/0', or a redis.Redis, "
                f"not {type(url_or_client).__name__}"
            )
        client = _connect(url_or_client) if isinstance(url_or_client, str) else url_or_client
        self._client: Redis = client
        self._pid = os.getpid()

    def load(self, key: str) -> str | None:
        """The text under this key, or None when it is absent, expired or not a text."""
        return _asking(lambda: self._load(key))

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
        if _asking(lambda: self._compare_and_set(key, expected, new, ttl)):
            return True
        raw = None if expected is not None else _asking(lambda: self._get(key))
        if raw is None or _text(raw) is not None:
            return False
        # Not a text: load calls that absent, the script does not.
        return _asking(lambda: self._compare_and_set(key, raw, new, ttl))

    @contextmanager
    def lock(self, key: str, timeout: float) -> Iterator[bool]:
        """Wait for the right to fetch for this key.

        A holder that dies leaves it until its lease ends; one of those who wait goes on after
        half of its own timeout.

        Args:
            key: for what.
            timeout: seconds to wait at most.

        Returns:
            A context manager that yields True when the lock is held, False when the time was up.

        Raises:
            StoreError: the server is away, or refuses.
        """
        release = take(
            lambda: _asking(lambda: self._attempt(f"{key}:lock")),
            lambda: _asking(lambda: self._attempt(f"{key}:lock2")),
            timeout=timeout,
            stalled=lambda waited: waited >= timeout / 2,
            pause=(0.02, 0.1),
        )
        try:
            yield release is not None
        finally:
            if release is not None:
                release()

    @property
    def named(self) -> bool:
        """Whether a URL names it; not where it is over a live client."""
        return self._url is not None

    @property
    def client(self) -> "Redis":
        """The connection; made anew in a forked child, where the parent's must not be used."""
        if self._url is not None and self._pid != os.getpid():
            self._client, self._pid = _connect(self._url), os.getpid()
        return self._client

    def _load(self, key: str) -> str | None:
        raw = self._get(key)
        if raw is not None and _text(raw) is None:
            warn_once(f"{self!r}: the key {self.prefix + key} holds no text; it is overwritten")
        return _text(raw)

    def _get(self, key: str) -> Any:
        from redis.exceptions import ResponseError

        try:
            return self.client.get(self.prefix + key)
        except UnicodeDecodeError as error:
            return error.object  # a client with decode_responses, and foreign bytes
        except ResponseError as error:
            if not str(error).startswith("WRONGTYPE"):
                raise
            return ()

    def _compare_and_set(self, key: str, expected: Any, new: str | None, ttl: float) -> bool:
        text = new if ttl > 0 else None
        arguments = [
            *(["0", ""] if expected is None else ["1", expected]),
            *(["0", ""] if text is None else ["1", text]),
            str(max(1, int(min(ttl, LONGEST_TTL) * 1000))),
        ]
        return bool(self.client.eval(_COMPARE_AND_SET, 1, self.prefix + key, *arguments))

    def _attempt(self, name: str) -> Release | None:
        owner = secrets.token_hex(16)
        taken = self.client.set(self.prefix + name, owner, nx=True, px=int(LEASE * 1000))
        return partial(self._release, name, owner, os.getpid()) if taken else None

    def _release(self, name: str, owner: str, process: int) -> None:
        if os.getpid() != process:
            return  # a child forked inside the `with`: the lock is its parent's
        # Never in the way of what the body did: if this fails, the lease frees the lock.
        with suppress(StoreError):
            _asking(lambda: self.client.eval(_RELEASE, 1, self.prefix + name, owner))

    def _identity(self) -> tuple[object, str]:
        return self._url if self._url is not None else id(self._client), self.prefix

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


def visible(url: str) -> str:
    """The URL without user, password and query.

    Example:
        >>> visible("redis://:secret@cache:6379/0?password=secret")
        'redis://cache:6379/0'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _require() -> None:
    try:
        import redis  # noqa: F401
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            'RedisStore needs redis: pip install "wecom-auth[redis]"', name="redis"
        ) from None


def _connect(url: str) -> "Redis":
    try:
        parts = urlsplit(url)
        database = parts.path.strip("/")
        if parts.scheme == "unix" or (parts.scheme in SCHEMES and f"{database}0".isdigit()):
            client = _client(url)
            pool = client.connection_pool
            pool.connection_class(**pool.connection_kwargs)  # which connects to nothing yet
            return client
    except (ValueError, TypeError):
        pass  # its text may quote the password
    # A password with a bare slash ends up in the path, and would be shown as part of it.
    raise ValueError(
        "this Redis URL cannot be read: it should look like redis://:password@host:6379/0, or "
        "unix:///path, with the special characters of the password percent-encoded, and behind a "
        "question mark only options that redis.Redis.from_url knows, as socket_timeout=1"
    )


def _client(url: str) -> "Redis":
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return Redis.from_url(
        url,
        socket_timeout=SOCKET_TIMEOUT,
        socket_connect_timeout=SOCKET_TIMEOUT,
        retry=Retry(NoBackoff(), 0),
    )


def _text(raw: Any) -> str | None:
    if isinstance(raw, bytes):
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return None
    return raw if isinstance(raw, str) else None


def _asking(call: Callable[[], _T]) -> _T:
    """Say what went wrong without what redis-py quotes: commands, and tokens with them."""
    from redis.exceptions import RedisError, ResponseError

    try:
        return call()
    except RedisError as error:
        text = str(error)
        if isinstance(error, ResponseError):
            text = text.partition(", with args")[0]
        problem = f"{type(error).__name__}: {text}"
    raise StoreError(problem)  # here, so that it does not keep the other one as its context
