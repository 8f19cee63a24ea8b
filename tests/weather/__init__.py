"""A compressed day of faults: processes, apps, a shared store, and a reckoning at the end.

    python -m tests.weather --seconds 600 --seed 1

Several processes, one of them under gevent, send messages, each with its own id, over real HTTP.
A third of the apps share a `FileStore`, a third a Redis that allows fewer connections than there
are workers, and a third are reached by a proxy that refuses what lacks a header of the sessions.
Meanwhile the platform, its gettoken, the stores, the wall clocks and the processes themselves fail
as `schedule` says.
At the end `reckoning` lays what the callers were told beside what the platform accepted.

Chosen so that no call has to be lost:

* No app meets more than nine revocations, for which a burst of ten fetches is there.
* gettoken is out of order either for two calls, or in the first half for a moment in which no token
  is revoked or ends by itself. A token that dies while gettoken is out is one nobody can replace.
* The store goes away in the second half, on a platform that repeats its token; in the first half
  the platform now and then ends a token with each gettoken. Both at once is two programs without
  a shared store that end each other's tokens, which no client can heal.
* Two faults for one app are seconds apart. Where a slow machine lets two tokens die under one call
  all the same, the call is made again once and then refused: not delivered, and told so.
* A data call whose connection breaks is not sent again: it may have been delivered. Its caller
  is told, which counts as reported failed.
"""
