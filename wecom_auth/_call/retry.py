"""The retry policy of one call: a tenacity policy, made for each call that needs one."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from .._credential.credential import Credential

if TYPE_CHECKING:
    import tenacity

RESENDS = 1
"""A fresh token that is rejected too says that none will do: wrong app, wrong endpoint."""

FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0


class Answered(NamedTuple):
    """One answer as a driver reports it.

    Attributes:
        answer: the client's own response, or what a decorated function returned or raised.
        errcode: its top-level errcode; None where there is none, or nobody could look.
    """

    answer: Any
    errcode: int | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """Retry calls that the platform answers with one of these errcodes.

    A rejected token is replaced and the call is made again once whatever is said here, for every
    method. This adds further errcodes: those that mean "try again later" (-1, 6000, 45033, 45009).
    A call whose body cannot be sent a second time is never retried.

    Args:
        errcodes: the errcodes to retry.
        attempts: further sends at most.
        seconds: all of them within so many seconds, and within the call's own timeout.
        methods: the HTTP methods to retry. A POST may have been carried out: name it only for
            calls that may be repeated.

    Raises:
        TypeError, ValueError: an argument makes no sense.

    Example:
        >>> Retry({-1, 45033}, attempts=3)
        Retry(errcodes=frozenset({45033, -1}), attempts=3, seconds=20, methods=frozenset({'GET'}))
    """

    errcodes: Collection[int] = ()
    attempts: int = 2
    seconds: float = 20
    methods: Collection[str] = ("GET",)

    def __post_init__(self) -> None:
        if isinstance(self.methods, str):
            raise TypeError('methods must be a list of HTTP methods, as in ("GET",)')
        object.__setattr__(self, "errcodes", frozenset(self.errcodes))
        object.__setattr__(self, "methods", frozenset(each.upper() for each in self.methods))
        if not all(type(code) is int for code in self.errcodes):
            raise TypeError("errcodes must be whole numbers, as in {-1, 45033}")
        if self.attempts < 1 or not self.seconds > 0:
            raise ValueError("attempts must be 1 or more, and seconds more than 0")

    @property
    def codes(self) -> frozenset[int]:
        """The errcodes as a set."""
        return frozenset(self.errcodes)

    def beside(self, credential: Credential) -> frozenset[int]:
        """Return the errcodes that an answer is looked into for: its token's, and these."""
        rejections = credential.rejections
        return rejections | self.codes if self.errcodes else rejections


ONLY_TOKENS = Retry()


@dataclass(slots=True)
class Policy:
    """Decide which answers of one call are retried, how often, and after which wait.

    Args:
        rejections: the errcodes that reject the token.
        retry: what the user asked for beyond that.
        method: the call's HTTP method; empty for a function, which is retried as it is asked.
        limit: seconds that the whole call may take, if its caller set a limit.
        clock: seconds that never go back.
    """

    rejections: frozenset[int]
    retry: Retry = ONLY_TOKENS
    method: str = ""
    limit: float | None = None
    clock: Callable[[], float] = time.monotonic
    resends: int = 0
    attempts: int = 0
    waits: list[float] = field(default_factory=list)
    began: float = 0.0

    def __post_init__(self) -> None:
        self.began = self.clock()

    def rejects(self, answered: Answered) -> bool:
        """Return whether this answer rejects its token."""
        return answered.errcode in self.rejections

    def is_busy(self, answered: Answered) -> bool:
        """Return whether this answer is one that the user wants retried."""
        wanted = not self.method or self.method in self.retry.methods
        return wanted and answered.errcode in self.retry.errcodes and not self.rejects(answered)

    def count(self, answered: Answered) -> None:
        """Count the retry that this answer causes."""
        if self.rejects(answered):
            self.resends += 1
        else:
            self.attempts += 1

    def retrying(self) -> "tenacity.Retrying":
        """Return the tenacity policy; attempt 1 is the answer in hand.

        Iterate over it and set each attempt's result: its waits are left in `waits`, for the
        driver to wait in its own way.
        """
        import tenacity  # late, because most processes never meet a rejection

        return tenacity.Retrying(
            stop=self.stop,
            wait=self.wait,
            retry=tenacity.retry_if_result(self.is_retried),
            sleep=self.waits.append,
            retry_error_callback=lambda state: state.outcome and state.outcome.result(),
        )

    def is_retried(self, answered: Answered) -> bool:
        """Return whether this answer asks for another try."""
        return self.rejects(answered) or self.is_busy(answered)

    def stop(self, state: "tenacity.RetryCallState") -> bool:
        """Stop after one resend with a fresh token, or as often as the user asked for the rest."""
        answered = _result(state)
        if self.rejects(answered):
            return self.resends >= RESENDS
        late = self.clock() - self.began + state.upcoming_sleep >= self.seconds
        return self.attempts >= self.retry.attempts or late

    @property
    def seconds(self) -> float:
        """Return the seconds within which the call may be retried."""
        return min(self.retry.seconds, self.limit or self.retry.seconds)

    def wait(self, state: "tenacity.RetryCallState") -> float:
        """Wait longer each time; a call with a fresh token need not wait."""
        if self.rejects(_result(state)):
            return 0.0
        return float(min(FIRST_WAIT * 2.0**self.attempts, LONGEST_WAIT))


def _result(state: "tenacity.RetryCallState") -> Answered:
    assert state.outcome is not None
    answered: Answered = state.outcome.result()
    return answered
