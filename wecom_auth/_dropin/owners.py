"""To which credential a token belongs, as far as that can be known."""

from collections.abc import Iterable

from .._credential.credential import Credential
from .._http.scope import PLATFORM, path_below
from .._log import warn_once
from ..stores import (
    TokenStore,
    guard,
    open_store,
    store_of_environment,
)
from ..stores.memory import MemoryStore
from .handed import Entry, handed
from .inline import InlineSource

_SOURCES = 1024
"""How many sources are kept: making one costs a tenth of a call, and every call needs one."""


class Owners:
    """The credentials that were given and learned, and the store that they share.

    Args:
        credentials: of tokens that this process did not hand out.
        store: as for `TokenSource`.

    Raises:
        TypeError, ValueError: for what is no credential or store.
    """

    def __init__(self, credentials: Iterable[Credential], store: object) -> None:
        listed = isinstance(credentials, Iterable) and not isinstance(credentials, str)
        self.credentials = tuple(credentials) if listed else ()
        if not listed or not all(isinstance(each, Credential) for each in self.credentials):
            raise TypeError("credentials must be a list of credentials: credentials=[app]")
        self.store = _open(store)
        self._sources: dict[Credential, InlineSource] = {}

    @property
    def shared(self) -> TokenStore | None:
        """The store in which neighbours find whose a token is; it never raises."""
        store = self.store
        return None if store is None or isinstance(store, MemoryStore) else guard(store)

    def source(self, credential: Credential) -> InlineSource:
        """The source of this credential's tokens, over the common store."""
        source = self._sources.get(credential)
        if source is None:
            if len(self._sources) >= _SOURCES:
                self._sources.clear()
            store = self.store if credential.shareable else None
            source = self._sources[credential] = InlineSource(credential, store=store)
        return source

    def of_handed(self, value: str, url: str) -> tuple[InlineSource, Entry] | None:
        """Whose a token is that this process has handed out, if it belongs to this URL."""
        entry = handed.find(value)
        if entry is None or not entry.credential.covers(url):
            return None
        source = self._sources.get(entry.credential)
        if source is None and not self._knows(entry.credential):
            return None
        entry.used = True
        return source or self.source(entry.credential), entry

    def of_unknown(self, value: str, url: str) -> tuple[InlineSource, Entry] | None:
        """Whose a rejected token is that came from elsewhere; says once what is missing."""
        credential = self._of_shared(value) or self._only_one(url)
        if credential is None or not credential.covers(url):
            return None
        return self.source(credential), handed.hand_out(value, credential, self.shared)

    def concerns(self, url: str) -> bool:
        """Whether this is a WeCom call that carries an app's token."""
        bases = {PLATFORM, *handed.bases, *(each.base_url for each in self.credentials)}
        return any(path_below(url.partition("?")[0], base) for base in bases)

    def _knows(self, credential: Credential) -> bool:
        """Given here or learned: not one that only an installation which has ended was given."""
        return credential in self.credentials or handed.credential(credential.key) is not None

    def _of_shared(self, value: str) -> Credential | None:
        key = handed.find_shared(value, self.shared)
        if key is None:
            return None
        given = (each for each in self.credentials if each.key == key)
        return next(given, None) or handed.credential(key)

    def _only_one(self, url: str) -> Credential | None:
        given = {each for each in self.credentials if each.covers(url)}
        every = given | {each for each in handed.learned if each.covers(url)}
        if len(given) == len(every) == 1:
            return given.pop()
        if given:
            warn_once(
                "a rejected access_token was not handed out here, and of several apps it cannot"
                " be told whose it is: give the processes that fetch and use it one store, or"
                " keep one app per process"
            )
        else:
            warn_once(
                "a rejected access_token was not handed out here, so it is not replaced: name"
                " its app with install(credentials=[AppCredential(...)]), or with WECOM_CORPID"
                " and WECOM_CORPSECRET under `wecom-auth run`"
            )
        return None


def _open(store: object) -> TokenStore | MemoryStore | None:
    if isinstance(store, MemoryStore):
        return store
    return store_of_environment() if store is None else open_store(store)
