"""How many fetches rejections may cause, whatever causes the rejections."""

BURST = 10
LONGEST = 60.0
QUIET = 120.0


class Budget:
    """A burst of ten, then intervals of 1, 2, 4 ... 60 seconds, whole again after 120 of quiet.

    Bounded by time and not by calls: a wrong app, an endpoint that always answers 40014, or two
    programs that end each other's tokens cost a gettoken a minute, however often they call.
    Only a fetch that brought a token is spent: while gettoken is down no token can be rejected.
    """

    __slots__ = ("_last", "_spent")

    def __init__(self) -> None:
        self._spent = 0
        self._last = 0.0

    def allows(self, now: float) -> bool:
        """Whether there is a fetch to be had now (seconds on a monotonic clock)."""
        quiet = now - self._last
        if quiet >= QUIET:
            self._spent = 0
        beyond = self._spent - BURST
        return beyond < 0 or quiet >= min(LONGEST, 2.0 ** min(beyond, 6))

    def spend(self, now: float) -> None:
        """One fetch was made."""
        self._spent += 1
        self._last = now
