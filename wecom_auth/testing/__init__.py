"""Test your WeCom integration without an account: a fake platform with tokens that really end.

```python
from wecom_auth.testing import FakeWeCom

fake = FakeWeCom()
with fake.serve() as url:                    # real HTTP on a free loopback port
    client = MyClient(base_url=url)
    client.send("hello")
    fake.expire()                            # the platform ends the token: 42001 from now on
    client.send("still there?")
fake.assert_delivered("text", times=2)
```

One state, three fronts: `FakeWeCom.serve` (HTTP, nothing but the standard library),
`FakeWeCom.mocked` (in process through `responses`, extra `[testing]`), and `wecom-auth fake`
for tests in other languages.  The pytest fixtures are in `wecom_auth.testing.plugin`.

Nothing is imported until it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..registry import reset
    from .conformance import StoreConformance
    from .fake import FakeWeCom
    from .faults import Fault
    from .holds import Hold
    from .journal import Call, Upload
    from .server import Server
    from .wire import Reply, Request

__all__ = [
    "Call",
    "FakeWeCom",
    "Fault",
    "Hold",
    "Reply",
    "Request",
    "Server",
    "StoreConformance",
    "Upload",
    "reset",
]

_HOMES = {
    "Call": ".journal",
    "FakeWeCom": ".fake",
    "Fault": ".faults",
    "Hold": ".holds",
    "Reply": ".wire",
    "Request": ".wire",
    "Server": ".server",
    "StoreConformance": ".conformance",
    "Upload": ".journal",
    "reset": "..registry",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
