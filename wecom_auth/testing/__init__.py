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
`FakeWeCom.mocked` (in this process, for requests, httpx, aiohttp and urllib, extra `[testing]`),
and `wecom-auth fake` for tests in other languages. `clock()` moves time. The pytest
fixtures are in `wecom_auth.testing.plugin`.

Nothing is imported until it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import exports

if TYPE_CHECKING:
    from ._apart import reset
    from ._clock import clock
    from ._conformance import StoreConformance
    from ._fake import FakeWeCom, Server
    from ._platform.faults import Fault
    from ._platform.holds import Hold
    from ._platform.journal import Call, Upload
    from ._platform.wire import Reply, Request

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
    "clock",
    "reset",
]

if not TYPE_CHECKING:
    __getattr__ = exports(
        __name__,
        {
            "._apart": ("reset",),
            "._clock": ("clock",),
            "._conformance": ("StoreConformance",),
            "._fake": ("FakeWeCom", "Server"),
            "._platform.faults": ("Fault",),
            "._platform.holds": ("Hold",),
            "._platform.journal": ("Call", "Upload"),
            "._platform.wire": ("Reply", "Request"),
        },
    )


def __dir__() -> list[str]:
    return sorted(__all__)
