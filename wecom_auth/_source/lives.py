"""How long a fetched value lives: from the first sight of it, and to its end where it is repeated.

A platform may give the same token until it ends, and say 7200 each time.
"""

from .._credential.token import Sight, Token, repeated
from . import process
from .state import State


def first_sight(state: State, token: Token, there: Token | None, *, again: bool) -> Token:
    """Return a fetched token with the life that the first sight of its value allows.

    Where an early refresh brings the same value, no refresh of this credential comes early from
    then on: the platform gives another one at the end only.

    Args:
        state: of the credential.
        token: as the exchange brought it.
        there: what the store held before.
        again: the exchange can be made again. Then a value that has just reached its end is
            returned as it is, because the platform may still give it; else it has a new life.
    """
    now = state.now()
    with process.lock:
        sights = [Sight.of(there)] if there is not None else []
        sights += [state.sight] if state.sight is not None else []
        known = [each for sight in sights if (each := sight.first(token)) is not None]
        first = min([token, *known], key=lambda each: each.until_end(*now))
        again = again and state.credential.shareable and first.has_just_ended(*now)
        if not first.until_end(*now) and not again:
            first, known = token, []
        state.sight = Sight.of(first)
        late = bool(known) and not first.is_fresh(*now)
        return repeated(first) if late or _repeats(state, first.value) else first


def in_its_last_moment(state: State) -> Token | None:
    """Return the last token, if the platform would still repeat it: it is about to end."""
    last = state.spare
    with process.lock:
        if last is None or last.value in state.rejected or not _repeats(state, last.value):
            return None
    return last if state.is_over(last) and last.until_end(*state.now()) else None


def _repeats(state: State, value: str) -> bool:
    """Return whether this platform repeats tokens to their end, as far as is known.

    It does not if this value has come while the last one lived and was not rejected.
    """
    last = state.spare
    if last is None or not last.repeats or not state.credential.shareable:
        return False
    return value == last.value or last.value in state.rejected or not last.until_end(*state.now())
