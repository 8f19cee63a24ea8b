"""The base of every credential: what is exchanged for a token, and how."""

import re
from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Any, ClassVar, NoReturn, Optional, Self

from .._http.scope import path_below
from .exchange import Grant, Send
from .kind import APP, Kind

_ACCESS_TOKENS = re.compile(r"[?&]((?:suite_|provider_)?access_token)=")


class Credential(ABC):
    """Something that is exchanged for a token. Immutable, hashable, its repr without secrets.

    For a kind of token of your own, subclass it: set `kind`, call `_name` in the constructor, and
    write `obtain`.

    Attributes:
        kind: the parameter, paths and errcodes of its token, as data.
        base_url: scheme, host, port and path prefix of the calls that carry the token.
        key: names the token in caches and stores; holds no secret.
        shareable: False where a shared store may not hold its token.
        runs_inline: fetch in the thread of the call that needs the token, which may own what
            `obtain` needs (a database connection). Else in a thread of its own, and the call
            keeps its time limit whatever the network does.
        parent: the credential whose token the exchange carries, if it carries one; then
            `obtain_with` is called in place of `obtain`.

    Example:
        >>> class DeviceCredential(Credential):
        ...     kind = Kind("device", "openhw/get_device_token", "device_access_token",
        ...                 re.compile("openhw/"))
        ...     def __init__(self, sn, secret, base_url="https://qyapi.weixin.qq.com"):
        ...         vars(self).update(sn=sn, secret=secret)
        ...         self._name(base_url, f"device:{base_url}:{sn}")
        ...     def obtain(self, send, seconds):
        ...         url = f"{self.base_url}/cgi-bin/openhw/get_device_token?sn={self.sn}"
        ...         answer = send("GET", f"{url}&secret={self.secret}", {}, None, seconds)
        ...         return Grant(json.loads(answer.body)["device_access_token"], 7200)
    """

    __slots__ = ("base_url", "key")

    kind: ClassVar[Kind] = APP
    shareable: ClassVar[bool] = True
    runs_inline: ClassVar[bool] = True
    parent: Optional["Credential"] = None

    base_url: str
    key: str

    def _name(self, base_url: str, key: str) -> None:
        object.__setattr__(self, "base_url", base_url)
        object.__setattr__(self, "key", key)

    @abstractmethod
    def obtain(self, send: Send, seconds: float) -> Grant:
        """Fetch a token, once.

        Args:
            send: sends one request, as `send(method, url, headers, body, seconds)`.
            seconds: how long this may take in all.

        Raises:
            CredentialError: the platform refuses the credential; asking again never helps.
            TokenUnavailable: it could not be fetched now. Any other exception reaches the caller
                of the call, with its traceback.
        """

    def obtain_with(self, token: str, send: Send, seconds: float) -> Grant:
        """Fetch a token, once, with the parent's token; as `obtain` without one."""
        raise NotImplementedError(f"{type(self).__name__} has a parent and no obtain_with")

    def fingerprint(self) -> str:
        """Return a hash of what the exchange depends on beside the key: a secret, a ticket.

        A remembered refusal ends when this changes.
        """
        return ""

    def explain(self, errcode: int | None) -> str:
        """Return what is known here of a refusal of its exchange, for its message; perhaps ""."""
        return ""

    def rejected(self, value: str) -> None:  # noqa: B027 (most have nobody to tell)
        """Take note that the platform has rejected this token; called once for each."""

    @property
    def rejections(self) -> frozenset[int]:
        """The errcodes that say its token is dead."""
        return self.kind.rejections

    def parameter_for(self, url: str) -> str | None:
        """Return the query parameter that carries the token to this URL, or None.

        None where another host, another kind of token, or no token at all belongs there, and
        where the URL names another kind's parameter.
        """
        name = parameter_at(self.kind, self.base_url, url.partition("?")[0])
        if name is None or "access_token=" not in url:
            return name
        named = _ACCESS_TOKENS.findall(url)
        return name if all(each in self.kind.parameters for each in named) else None

    def covers(self, url: str) -> bool:
        """Return whether a call to this URL carries the token."""
        return self.parameter_for(url) is not None

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Credential):
            return NotImplemented
        return type(self) is type(other) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __deepcopy__(self, memo: object) -> Self:
        # Immutable; and what an ExternalToken asks (a client with a lock) can often not be copied.
        return self


@lru_cache(maxsize=2048)  # the platform has some hundred paths, and a program uses a few of them
def parameter_at(kind: Kind, base_url: str, url: str) -> str | None:
    """Return the parameter that carries a token of this kind to this URL without query, or None."""
    path = path_below(url.partition("#")[0], base_url)
    return None if path is None else kind.parameter_at(path)
