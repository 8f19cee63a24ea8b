"""How many fetches rejections may cause, whatever causes the rejections."""

BURST = 10
LONGEST = 60.0
QUIET = 120.0


class Budget:
    """A burst of ten, then intervals of 1, 2, 4 ... 60 seconds, whole again after 120 of quiet.

    Bounded by time and not by calls: a wrong app, an endpoint that always answers 40014, or two
    programs that end each other's tokens cost a gettoken a minute, however often they call.
    """

    __slots__ = ("_last", "_spent")

    def __init__(self) -> None:
        self._spent = 0
        self._last = 0.0

    @property
    def exhausted(self) -> bool:
        """Whether the burst is used up."""
        return self._spent > BURST

    def take(self, now: float) -> bool:
        """Take one fetch if there is one to take now (seconds on a monotonic clock)."""
        quiet = now - self._last
        if self._spent and quiet >= QUIET:
            self._spent = 0
        if self._spent >= BURST and quiet < min(LONGEST, 2.0 ** (self._spent - BURST)):
            return False
        self._spent += 1
        self._last = now
        return True
