"""Limit the fetches that rejections cause, whatever causes the rejections."""

BURST = 10
LONGEST = 60.0
QUIET = 120.0
REFUND_INTERVAL = 0.8
"""Seconds between two refunds: less than the second after which tokens are revoked again."""


class Budget:
    """A burst of ten, then intervals of 1, 2, 4 ... 60 seconds, whole again after 120 of quiet.

    Bounded by time and not by calls: a wrong app, an endpoint that always answers 40014, or two
    programs that end each other's tokens cost a gettoken a minute, however often they call.
    Only a fetch that brought a token is spent: while gettoken is down no token can be rejected.
    A fetch whose token then works is refunded, about once a second at most: many revocations in a
    row with successes between them are no wrong app.
    """

    __slots__ = ("_last", "_refunded", "_spent")

    def __init__(self) -> None:
        self._spent = 0
        self._last = 0.0
        self._refunded = float("-inf")

    def allows(self, now: float) -> bool:
        """Return whether there is a fetch to be had now (seconds on a monotonic clock)."""
        quiet = now - self._last
        if quiet >= QUIET:
            self._spent = 0
        beyond = self._spent - BURST
        return beyond < 0 or quiet >= min(LONGEST, 2.0 ** min(beyond, 6))

    def spend(self, now: float) -> None:
        """Count one fetch."""
        self._spent += 1
        self._last = now

    def refund(self, now: float, *, always: bool = False) -> None:
        """Take back the last fetch, unless another was taken back within the last second.

        Args:
            now: seconds on a monotonic clock.
            always: even then: what was refused is known to be another's fault.
        """
        if self._spent and (always or now - self._refunded >= REFUND_INTERVAL):
            self._spent -= 1
            self._refunded = now
