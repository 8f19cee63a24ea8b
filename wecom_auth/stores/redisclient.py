"""Clients of redis-py: made from a URL, or a user's own; and what their errors mean."""

import errno
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from .protocol import StoreError

if TYPE_CHECKING:
    from redis import Redis

SOCKET_TIMEOUT = 0.3
"""Seconds to connect, and to wait for an answer; `?socket_timeout=` in the URL changes it.

A call that gives itself a second in all must still have time for gettoken when Redis hangs.
"""

SCHEMES = ("redis", "rediss", "unix")

_FORBIDDEN = (
    "allow its user what the store needs on its keys, as in: "
    "ACL SETUSER name +mget +set +del +eval ~wecom_auth:*"
)
_CLUSTER = "it is one of a Redis Cluster: give RedisStore(redis.RedisCluster.from_url(…)) as store="

_CLOSED = (errno.ECONNRESET, errno.EPIPE, errno.EAGAIN)

_T = TypeVar("_T")


class Refused(StoreError):
    """The server took the connection and closed it: it has no more to give at this moment."""


class Late(Refused):
    """The server took the question and has not answered yet: it is busy, or hangs."""


def require() -> None:
    """Import redis-py.

    Raises:
        ModuleNotFoundError: it, or a module that it needs, is missing; the message names both.
    """
    try:
        from redis import Redis  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"RedisStore needs redis, and the module {error.name} is missing: "
            'pip install "wecom-auth[redis]"',
            name=error.name,
        ) from None


def check_client(client: object) -> None:
    """Refuse by name what is no client of redis-py that this store can use.

    Raises:
        TypeError: with what to give instead.
    """
    kind = type(client)
    origin = {module.__module__.partition(".")[0] for module in kind.__mro__}
    command = getattr(client, "execute_command", None)
    if kind.__name__ == "Sentinel" and "redis" in origin:
        problem = "is not a client yet: give its master, sentinel.master_for('name')"
    elif "valkey" in origin:
        problem = "is not of redis-py: Valkey speaks the protocol of Redis, give a redis:// URL"
    elif not callable(command) or not hasattr(client, "eval"):
        problem = "is none: give a URL, as in 'redis://localhost:6379/0', or a redis.Redis"
    elif inspect.iscoroutinefunction(command) or ".asyncio" in kind.__module__:
        problem = "is asynchronous, and a store is not: give a URL, or a redis.Redis"
    else:
        return
    name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    raise TypeError(f"url_or_client must be a URL or a client of redis-py; {name} {problem}")


def connect(url: str) -> "Redis":
    """A client for this URL, which connects to nothing yet.

    Raises:
        ValueError: the URL cannot be read; it is not quoted, as it may hold a password.
    """
    try:
        parts = urlsplit(url)
        database = parts.path.strip("/")
        if parts.scheme == "unix" or (parts.scheme in SCHEMES and f"{database}0".isdigit()):
            client = _client(url)
            pool = client.connection_pool
            pool.connection_class(**pool.connection_kwargs)
            return client
    except (ValueError, TypeError):
        pass  # its text may quote the password
    # A password with a bare slash ends up in the path, and would be shown as part of it.
    raise ValueError(
        "this Redis URL cannot be read: it should look like redis://:password@host:6379/0, or "
        "unix:///path, with the special characters of the password percent-encoded, and after a "
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
        protocol=2,
        **_nameless(),
    )


def _nameless() -> dict[str, Any]:
    """Options that spare each connection the two commands by which redis-py names itself."""
    from redis.connection import AbstractConnection

    if "driver_info" in inspect.signature(AbstractConnection.__init__).parameters:
        return {"driver_info": None}
    return {"lib_name": None, "lib_version": None}


def visible(url: str) -> str:
    """The URL without user, password and query.

    Example:
        >>> visible("redis://:secret@cache:6379/0?password=secret")
        'redis://cache:6379/0'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def asking(call: Callable[[], _T], afterwards: Callable[[], object]) -> _T:
    """Ask the server once.

    Args:
        call: asks.
        afterwards: is called in any case.

    Raises:
        Refused: the server took the connection and closed it, or is `Late`.
        StoreError: any other trouble, said without what redis-py quotes: commands, and tokens
            with them.
    """
    from redis.exceptions import RedisClusterException, RedisError

    try:
        return call()
    except (RedisError, RedisClusterException) as error:
        kind = Refused if _is_refusal(error) else Late if _is_late(error) else StoreError
        problem = f"{type(error).__name__}: {_describe(error)}"
    finally:
        afterwards()
    raise kind(problem)  # here, so that it does not keep the other one as its context


def _is_refusal(error: Exception) -> bool:
    """A server that is down is no refusal: that is said at once."""
    from redis.exceptions import ConnectionError

    if type(error) is not ConnectionError:
        return False
    cause = error.__context__
    return not isinstance(cause, OSError) or cause.errno in _CLOSED


def _is_late(error: Exception) -> bool:
    """A machine that is not reached at all is no late answer: that is said at once."""
    from redis.exceptions import TimeoutError

    return isinstance(error, TimeoutError) and "reading" in str(error)


def _describe(error: Exception) -> str:
    from redis.exceptions import MovedError, NoPermissionError, ResponseError

    if isinstance(error, MovedError):
        return f"the server refers to another one: {_CLUSTER}"
    text = str(error)
    if isinstance(error, ResponseError):
        text = text.partition(", with args")[0]
    if isinstance(error, NoPermissionError) or "executing the script" in text:
        return f"{text.partition(' script:')[0]}: {_FORBIDDEN}"
    return text
