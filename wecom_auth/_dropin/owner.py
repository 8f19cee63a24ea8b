"""To which credential a token belongs. It is stated or was seen, never inferred."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from .._credential.app import AppCredential
from .._credential.credential import Credential
from .._http.scope import PLATFORM, path_below
from .._log import log, warn_once
from ..stores import TokenStore, guard, open_store, store_of_environment
from ..stores.memory import MemoryStore
from . import suspicion
from .inline import InlineSource
from .ledger import Entry, Statement, ledger

NAME = "access_token"

_SOURCES = 1024
"""How many sources are kept: making one costs a tenth of a call, and every call needs one."""

_UNKNOWN = (
    "a rejected access_token was not handed out here, so it is not replaced: if every token of"
    " this process is one app's, say so with install(sole_app=AppCredential(...)) or"
    " `wecom-auth run --sole-app`; of one token, with wecom_auth.claim(token, app); or give the"
    " processes that fetch it and use it one store"
)
_NO_SECRET = (
    "a rejected access_token belongs, as the store says, to an app whose secret is not known"
    " here, so it is not replaced: name it with install(credentials=[AppCredential(...)])"
)


class Owned(NamedTuple):
    """A token's source, and what is known of it."""

    source: InlineSource
    entry: Entry

    def is_dead(self, value: str) -> bool:
        """Return whether this token, which is the owner's, has been rejected."""
        return self.entry.is_dead or self.source.has_rejected(value)


class Owners:
    """The credentials that were given, the one that was stated, and the store that they share.

    Args:
        credentials: of tokens that the store knows and this process did not fetch.
        store: as for `TokenSource`.
        sole: the statement that every unknown token belongs to one app.

    Raises:
        TypeError, ValueError: for what is no credential or store.
    """

    def __init__(
        self,
        credentials: Iterable[Credential] = (),
        store: object = None,
        sole: Statement | None = None,
    ) -> None:
        listed = isinstance(credentials, Iterable) and not isinstance(credentials, str)
        given = tuple(credentials) if listed else ()
        if not listed or not all(isinstance(each, Credential) for each in given):
            raise TypeError("credentials must be a list of credentials: credentials=[app]")
        self.sole = sole
        self.credentials = given if sole is None else (sole.app, *given)
        if any(each != self.credentials[0] for each in self.credentials) and sole is not None:
            raise ValueError(
                "sole_app says that every token of this process is one app's: give no other"
                " credential beside it"
            )
        self.store = _open(store)
        self._sources: dict[Credential, InlineSource] = {}

    @property
    def shared(self) -> TokenStore | None:
        """The store that other processes share, if there is one; it never raises."""
        store = self.store
        return None if store is None or isinstance(store, MemoryStore) else guard(store)

    def source(self, credential: Credential) -> InlineSource:
        """Return the source of this credential's tokens, over the common store."""
        source = self._sources.get(credential)
        if source is None:
            if len(self._sources) >= _SOURCES:
                self._sources.clear()
            store = self.store if credential.shareable else None
            source = self._sources[credential] = InlineSource(credential, store=store)
        return source

    def find(self, value: str, url: str) -> Owned | None:
        """Return the owner of a token, if it is known here and the token belongs to this URL."""
        entry = ledger.find(value)
        owner = None if entry is None else entry.owner
        if entry is None or owner is None or not owner.covers(url) or not self._counts(entry):
            return None
        return Owned(self.source(owner), entry)

    def find_rejected(self, value: str, url: str) -> Owned | None:
        """Return the owner of a rejected token that this process has not handed out.

        The store is asked, and then the user's statement counts. Says once what is missing.
        """
        entry = ledger.find(value)
        if entry is not None and (entry.statement is None or entry.statement.ended):
            return None
        record = None if self.shared is None else suspicion.read(self.shared, value)[1]
        statement = self.sole if record is None else None
        if record is not None:
            owner = self._of_key(record.owner)
            if owner is None:
                ledger.own(value, None)  # another's, whatever is stated
                warn_once(_NO_SECRET)
        else:
            owner = None if statement is None or statement.ended else statement.app
            if statement is None:
                warn_once(_UNKNOWN)
        if owner is None or not owner.covers(url):
            return None
        return Owned(self.source(owner), ledger.own(value, owner, statement))

    def concerns(self, url: str) -> bool:
        """Return whether this is a WeCom call: below a base URL that is known here."""
        bases = {PLATFORM, *ledger.bases, *(each.base_url for each in self.credentials)}
        return any(path_below(url.partition("?")[0], base) is not None for base in bases)

    def see_exchange(self, credential: Credential | None) -> None:
        """End the statement of a sole app where another owner's exchange is seen.

        Args:
            credential: of the exchange; None for another kind of token.
        """
        if credential is None:
            ledger.saw_other_kinds = True
        sole = self.sole
        if sole is not None and (credential is None or not is_same(credential, sole.app)):
            end(sole, "an exchange for another owner was seen")

    def _counts(self, entry: Entry) -> bool:
        """Return whether what says whose the token is still counts."""
        statement, owner = entry.statement, entry.owner
        if statement is not None:
            return not statement.ended and (statement is self.sole or statement.made_by == "claim")
        assert owner is not None
        return owner in self.credentials or ledger.credential(owner.key) is not None

    def _of_key(self, key: str) -> Credential | None:
        given = (each for each in self.credentials if each.key == key)
        return next(given, None) or ledger.credential(key)


GetOwners = Callable[[], Owners | None]
"""Returns the owners while an installation is in force; hooks ask at each call."""


def sole(app: Credential) -> Statement:
    """Return the statement that every unknown token of this process belongs to this app.

    Raises:
        TypeError, ValueError: it is no credential, or its token goes under another name.
    """
    _check("sole_app", app)
    statement = Statement(app, "install(sole_app=...)")
    others = (each for each in ledger.learned if not is_same(each, app))
    if ledger.saw_other_kinds or next(others, None) is not None:
        end(statement, "an exchange for another owner was seen")
    return statement


def claim(token: str, app: Credential) -> None:
    """Say whose a token is that this process did not fetch, so that `install` can replace it.

    For code that reads its token from a file, a database or another process. It counts until a
    replaced call is refused in a way that says that the token is another app's.

    Args:
        token: the token, as the code's calls carry it.
        app: the credential that it belongs to.

    Raises:
        TypeError, ValueError: for what is no token, or no credential whose token goes as
            `access_token`.

    Example:
        >>> install()  # doctest: +SKIP
        >>> claim(Path("token.txt").read_text().strip(), app)  # doctest: +SKIP
    """
    if not isinstance(token, str) or not token:
        raise TypeError("token must be the token itself, a non-empty str")
    _check("app", app)
    entry = ledger.find(token)
    if entry is None or entry.owner != app:
        ledger.own(token, app, Statement(app, "claim"))


def end(statement: Statement, why: str) -> None:
    """End a statement, and say so once."""
    if not statement.ended:
        statement.ended = True
        log.warning(
            "%s no longer counts: %s. Tokens that were not handed out here are left alone",
            statement.made_by,
            why,
        )


def is_same(one: Credential, other: Credential) -> bool:
    """Return whether two credentials are one app's: the secret may stand in a file, or in clear."""
    if isinstance(one, AppCredential) and isinstance(other, AppCredential):
        return one.corpid == other.corpid and one.fingerprint() == other.fingerprint()
    return one == other


def _check(name: str, app: object) -> None:
    if not isinstance(app, Credential):
        raise TypeError(f"{name} must be a credential, not {type(app).__name__}")
    if app.kind.parameter != NAME:
        raise ValueError(f"{name}: its token goes as {app.kind.parameter}, not as {NAME}")


def _open(store: object) -> TokenStore | MemoryStore | None:
    if isinstance(store, MemoryStore):
        return store
    return store_of_environment() if store is None else open_store(store)
