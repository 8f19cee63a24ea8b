"""All that a process holds: the registry, the locks, the threads under way, the event hooks.

`lock` guards every field of every state, and all that stands in this module. Nothing is read or
written without it, but for one read that is marked. Nobody waits, logs, or does input or output
while holding it. A memory store has a lock of its own around its cache; who needs both takes
`lock` first. A fork replaces what is here by the rules of `forks`.
"""

import contextvars
import os
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

import requests
from cachetools import LRUCache

from .. import _log
from .._clock import waiting
from .._credential.credential import Credential
from ..errors import WeComError
from ..stores import Breaker, guard, open_store, store_of_environment
from ..stores.memory import SIZE, MemoryStore
from ..stores.protocol import TokenStore
from .events import Events, Hook
from .greenlets import nap, threads_block_greenlets

__all__ = ["nap", "threads_block_greenlets"]  # asked for here, as they are the process's

FEW = 1024
"""States kept for external tokens and memory stores, which code may make for each call."""

LIVE = 16
"""Stores kept that no URL or path names: each may hold a connection of its own."""


class _Process:
    """The fields; one instance, replaced in no process."""

    def __init__(self) -> None:
        self.states: WeakValueDictionary[Any, Any] = WeakValueDictionary()
        self.recent: LRUCache[Any, Any] = LRUCache(SIZE)
        self.few: LRUCache[Any, Any] = LRUCache(FEW)
        self.live: LRUCache[TokenStore, LRUCache[Any, Any]] = LRUCache(LIVE)
        self.pauses: LRUCache[Any, tuple[WeComError, float]] = LRUCache(FEW)
        self.memories: WeakValueDictionary[int, MemoryStore] = WeakValueDictionary()
        self.stores: WeakValueDictionary[int, Breaker] = WeakValueDictionary()
        self.urls: LRUCache[str, TokenStore] = LRUCache(FEW)
        self.refusals: LRUCache[str, Any] = LRUCache(FEW)
        self.owners: LRUCache[int, str] = LRUCache(FEW)
        self.flights: set[Any] = set()
        self.threads: set[threading.Thread] = set()
        self.session: requests.Session | None = None
        self.on_reset: list[Callable[[], object]] = []


lock = threading.RLock()
memory = MemoryStore()
"""The token cache that every source without a store of its own shares."""

generation = 0
"""The number of forks since the first process; drivers renew their connections when it grows."""

held = _Process()


# --- the registry ---


def state_of(
    credential: Credential, spec: object, make: Callable[[MemoryStore, Breaker | None], Any]
) -> Any:
    """Return the one state for this credential and store; recently used ones outlive their users.

    Equal credentials may carry another secret or box: the one that came last is asked.

    Args:
        credential: of the state.
        spec: the store as the user named it.
        make: makes the state where there is none.
    """
    cache, store = _open(credential, spec)
    identity = (credential, store if store is not None else cache)
    with lock:
        state = held.states.get(identity)
        if state is None:
            guarded = None if store is None else guard(store)
            state = held.states[identity] = make(cache, guarded)
            held.memories[id(cache)] = cache
            if guarded is not None:
                guarded.on_change = _store_changed
                held.stores[id(guarded)] = guarded
        state.credential = credential  # the newest: its secret may have changed under the same key
        _keeper(credential, cache, store)[identity] = state
    return state


def _keeper(credential: Credential, cache: MemoryStore, store: TokenStore | None) -> Any:
    if store is not None and not getattr(store, "named", False):
        return held.live.setdefault(store, LRUCache(SIZE))
    return held.recent if credential.shareable and cache is memory else held.few


def _open(credential: Credential, spec: object) -> tuple[MemoryStore, TokenStore | None]:
    if isinstance(spec, MemoryStore):
        return spec, None
    if spec is not None:
        store = _opened(spec, open_store)
    elif credential.shareable and (url := os.environ.get("WECOM_STORE")):
        store = _opened(url, lambda _: store_of_environment())
    else:
        store = None
    if store is not None and not credential.shareable:
        raise ValueError(f"store= is not for an {type(credential).__name__}: its owner keeps it")
    return memory, store


def _opened(spec: object, opens: Callable[[Any], TokenStore | None]) -> TokenStore | None:
    """Return the one store that a URL names in this process; any other object is opened."""
    if not isinstance(spec, str):
        return opens(spec)
    with lock:
        known = held.urls.get(spec)
    if known is None and (store := opens(spec)) is not None:
        with lock:
            known = held.urls.setdefault(spec, store)
    return known


def session() -> requests.Session:
    """Return the session that sends exchanges for sources without one of their own."""
    with lock:
        if held.session is None:
            held.session = requests.Session()
        return held.session


# --- failures of this machine ---


def pause(place: object, failure: WeComError, until: float) -> None:
    """Answer every credential's exchange at this place with this failure for a while.

    Args:
        place: base URL and path of the exchange.
        failure: one that is this machine's: its rate, its IP.
        until: on the clock of lives, in seconds.
    """
    with lock:
        held.pauses[place] = (failure, until)


def paused(place: object) -> tuple[WeComError | None, float]:
    """Return the failure that pauses this place, and until when; None where nothing does."""
    with lock:
        found: tuple[WeComError | None, float] = held.pauses.get(place, (None, 0.0))
    return found


# --- threads ---


def under_way(flight: Any) -> None:
    """Count this fetch as under way."""
    with lock:
        held.flights.add(flight)


def landed(flight: Any) -> None:
    """Count this fetch no longer."""
    with lock:
        held.flights.discard(flight)


def start_thread(target: Callable[..., object], *args: object) -> bool:
    """Run this in a daemon thread with the caller's context; False where no thread starts.

    A daemon delays no exit. A thread counts as under way from its start to its end.
    """
    context = contextvars.copy_context()

    def run() -> None:
        thread = threading.current_thread()
        with lock:
            held.threads.add(thread)
        try:
            context.run(target, *args)
        finally:
            with lock:
                held.threads.discard(thread)

    try:  # an isolated subinterpreter refuses to make a daemon, one that ends refuses to start it
        threading.Thread(target=run, name="wecom-auth", daemon=True).start()
    except RuntimeError:
        return False
    return True


# --- events ---


def _serve_events(serve: Callable[[], None]) -> bool:
    """Start the thread of the events: one that `reset` does not wait for."""
    try:
        threading.Thread(target=serve, name="wecom-auth events", daemon=True).start()
    except RuntimeError:
        return False
    return True


events = Events(_serve_events)
emit = events.emit


def _store_changed(store: object, is_away: bool) -> None:
    emit("store_away" if is_away else "store_back", store)


def on_event(hook: Hook) -> Callable[[], None]:
    """Call a function with an `Event` for each thing that is done about a token.

    It is called in a daemon thread. It can neither break nor slow a call: what it raises is
    logged once, and where it is too slow the next event says how many it missed.

    Args:
        hook: a function of one `Event`.

    Returns:
        A function that ends it.

    Raises:
        TypeError: the hook cannot be called.

    Example:
        >>> end = on_event(lambda event: print(event.name))
        >>> end()
    """
    if not callable(hook):
        raise TypeError(f"hook must be a function, not {type(hook).__name__}")
    return events.add(hook)


# --- reset ---


def on_reset(forget: Callable[[], object]) -> None:
    """Call this at each reset too."""
    with lock:
        held.on_reset.append(forget)


def reset(timeout: float = 11.0) -> None:
    """Forget every token, failure and budget in this process: for tests, between two of them.

    Waits for refreshes under way, so that none reaches the network later.

    Args:
        timeout: seconds to wait for each of them at most.

    Example:
        >>> reset()
    """
    with lock:
        flights = list(held.flights)
    for flight in flights:
        flight.wait(flight.patience(waiting() + timeout))
    with lock:  # now: a thread counts before its fetch ends
        threads = held.threads - {threading.current_thread()}
    for thread in threads:
        thread.join(timeout)
    with lock:
        states = list(held.states.values())
        kept = (held.recent, held.few, held.live, held.urls, held.pauses)
        for each in (*kept, held.refusals, held.owners):
            each.clear()
        hooks = list(held.on_reset)
    for state in states:
        state.forget()
    memory.clear()
    _log.forget()
    for hook in hooks:
        hook()
