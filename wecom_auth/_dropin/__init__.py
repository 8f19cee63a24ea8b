"""The drop-in: code that fetches its own token goes on as it is, cached and healed.

| room | does |
|---|---|
| `installation` | `install()`: stands before the one place where sessions find their adapters |
| `healing` | the adapter that routes each call: a gettoken, a call with a token, or neither |
| `gettoken` | learns the credential from a gettoken, and answers it as the platform would |
| `translation` | a call with a dropped token goes out with the current one, and shows its own |
| `owners`, `handed` | which token belongs to which app |
| `inline` | a source that renews in a caller's own request, never behind it |
"""

from .installation import Installation, install

__all__ = ["Installation", "install"]
