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
for tests in other languages. The pytest fixtures are in `wecom_auth.testing.plugin`.

Nothing is imported until it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import exports

if TYPE_CHECKING:
    from .._source.process import reset
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

if not TYPE_CHECKING:
    __getattr__ = exports(
        __name__,
        {
            ".conformance": ("StoreConformance",),
            ".fake": ("FakeWeCom",),
            ".faults": ("Fault",),
            ".holds": ("Hold",),
            ".journal": ("Call", "Upload"),
            ".server": ("Server",),
            ".wire": ("Reply", "Request"),
            ".._source.process": ("reset",),
        },
    )


def __dir__() -> list[str]:
    return sorted(__all__)
