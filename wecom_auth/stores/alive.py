"""Which objects of a kind are alive, for the hooks around a fork."""

from typing import Generic, TypeVar
from weakref import WeakValueDictionary

_T = TypeVar("_T")


class Alive(Generic[_T]):
    """Objects by identity, for as long as they live; can be listed while other threads add some.

    A WeakSet cannot: its iteration is Python code, between whose steps another thread may run.

    Example:
        >>> stores = Alive()
        >>> stores.add(process_wide)
        >>> stores.list()
        [<MemoryStore over TTLCache>]
    """

    def __init__(self) -> None:
        self._objects: WeakValueDictionary[int, _T] = WeakValueDictionary()

    def add(self, found: _T) -> None:
        """Count this object in."""
        self._objects[id(found)] = found

    def list(self) -> list[_T]:
        """Those that are alive now."""
        references = self._objects.valuerefs()  # copied in one step
        return [found for ref in references if (found := ref()) is not None]
