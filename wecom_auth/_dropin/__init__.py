"""The drop-in: code that fetches its own token goes on as it is, cached and healed.

| room | does |
|---|---|
| `installation` | `install()`: which owners are in force, and since when |
| `hooks`, `watch` | patch the clients that are imported, and those that are imported later |
| `requests`, `httpx`, `aiohttp`, `urllib` | a hook each: how that client sends, and its answers |
| `call` | one call as a hook shows it, and the loops that run the decision about it |
| `flow` | the decision: a gettoken, a call with a token, or neither; heal it |
| `gettoken` | learns the credential from a gettoken, and answers it as the platform would |
| `owner`, `ledger` | which token belongs to which app; `claim` |
| `suspicion` | whether who asks gettoken again has met a rejection that was not seen here |
| `inline` | a source that fetches in a caller's own call, never in the background |
"""

from .installation import Installation, install
from .owner import claim

__all__ = ["Installation", "claim", "install"]
