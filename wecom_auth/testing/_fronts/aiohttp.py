"""aiohttp: its connector gets a connection to a loopback server in place of the platform's.

So all above it is aiohttp's own: bodies, timeouts, cookies, traces. aioresponses replaces a
method further up, and wins.
"""

from __future__ import annotations

from typing import Any

from .front import Find, Front


def make(library: Any, find: Find) -> Front:
    """Return the front for aiohttp."""
    return _Aiohttp(library, find)


class _Aiohttp(Front):
    def __init__(self, library: Any, find: Find) -> None:
        super().__init__()
        self._library = library
        self._find = find

    def start(self) -> None:
        self.replace(self._library.TCPConnector, "_create_connection", self._create)

    def _create(self, there: Any) -> Any:
        async def _create_connection(connector: Any, req: Any, *args: Any, **more: Any) -> Any:
            platform = self._find(str(req.url))
            if platform is None:
                return await there(connector, req, *args, **more)
            loop, factory = connector._loop, connector._factory
            _, protocol = await loop.create_connection(factory, *platform.address())
            return protocol

        return _create_connection
