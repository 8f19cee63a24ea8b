"""Shared stores: one token for the processes of a machine, or of many.

`FileStore` and `RedisStore` are imported when first asked for, with their libraries.
"""

from typing import TYPE_CHECKING

from .._lazy import exports
from .breaker import Breaker, guard
from .opening import open_store, store_of_environment
from .protocol import LEASE, StoreError, TokenStore

if TYPE_CHECKING:
    from .file import FileStore
    from .redis import RedisStore

__all__ = [
    "LEASE",
    "Breaker",
    "FileStore",
    "RedisStore",
    "StoreError",
    "TokenStore",
    "guard",
    "open_store",
    "store_of_environment",
]

if not TYPE_CHECKING:
    __getattr__ = exports(__name__, {".file": ("FileStore",), ".redis": ("RedisStore",)})


def __dir__() -> list[str]:
    return sorted(__all__)
