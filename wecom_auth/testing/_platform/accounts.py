"""The credentials that the platform knows: apps, suites and their tickets, tenants, providers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from .facts import TICKET_LIFE


@dataclass
class Suite:
    """A provider's suite: its secret (None for any) and its tickets with the end of each."""

    secret: str | None = None
    tickets: dict[str, float] = field(default_factory=dict)


@dataclass
class Tenant:
    """A corp that authorised a suite: its code, and the errcode once it is gone."""

    code: str
    refusal: int = 0


@dataclass
class Accounts:
    """Of each sort any will do until one is declared; then only those that are declared.

    A tenant is the exception: nobody has a permanent_code that the platform did not give.
    """

    apps: dict[str, set[str]] = field(default_factory=dict)
    suites: dict[str, Suite] = field(default_factory=dict)
    providers: dict[str, str] = field(default_factory=dict)
    shared: set[tuple[str, str]] = field(default_factory=set)
    tenants: dict[tuple[str, str], Tenant] = field(default_factory=dict)
    codes: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Every permanent_code ever given, and the suite and corp that it was given for."""
    auth_codes: dict[str, tuple[str, str]] = field(default_factory=dict)
    made: int = 0

    def clear(self) -> None:
        """Forget all; a value that was made is never made again."""
        for kept in (self.apps, self.suites, self.providers, self.tenants, self.codes):
            kept.clear()
        self.auth_codes.clear()
        self.shared.clear()

    def make(self, *names: str) -> str:
        """Return a new code or ticket, the same in every run."""
        self.made += 1
        return hashlib.sha512("\0".join((*names, str(self.made))).encode()).hexdigest()

    def refuse_app(self, corpid: str, secret: str) -> int:
        """Return the errcode of gettoken for this secret, 0 if it is good."""
        if not corpid or not secret:
            return 41004 if corpid else 41002
        if secret in self.codes:  # a provider-developed app: its secret is the permanent_code
            return 0 if self._is_current(corpid, secret) else 40001
        if not self.apps or secret in self.apps.get(corpid, ()):
            return 0
        return 40001 if corpid in self.apps else 40013

    def refuse_suite(self, suite_id: str, secret: str, ticket: str, now: float) -> int:
        """Return the errcode of get_suite_token, 0 if all is good."""
        missing = ((suite_id, 41021), (secret, 41024), (ticket, 41023))
        if code := next((code for value, code in missing if not value), 0):
            return code
        suite = self.suites.get(suite_id, None if self.suites else Suite())
        if suite is None:
            return 40083
        if suite.secret not in (None, secret):
            return 40080
        known = suite_id in self.suites
        return 40085 if known and suite.tickets.get(ticket, now) <= now else 0

    def refuse_tenant(self, suite_id: str, corpid: str, code: str) -> int:
        """Return the errcode of get_corp_token, 0 if all is good."""
        if not code:
            return 41025
        given_for = self.codes.get(code)
        if given_for is not None and given_for[0] != suite_id:
            return 48003
        tenant = self.tenants.get((suite_id, corpid))
        if tenant is None:
            return 40082  # of a corp that never authorised the suite
        return tenant.refusal or (0 if tenant.code == code else 40084)

    def push_ticket(self, suite_id: str, now: float) -> str:
        """Return a newer ticket of the suite; the older ones are good to their own end."""
        ticket = self.make("suite_ticket", suite_id)
        self.suites.setdefault(suite_id, Suite()).tickets[ticket] = now + TICKET_LIFE
        return ticket

    def end_tickets(self, suite_id: str | None, now: float) -> int:
        """End the live tickets of a suite, or of all; return the number."""
        ended = 0
        for name, suite in self.suites.items():
            live = [t for t, end in suite.tickets.items() if end > now and suite_id in (None, name)]
            suite.tickets.update(dict.fromkeys(live, now))
            ended += len(live)
        return ended

    def authorise(self, suite_id: str, corpid: str) -> str:
        """Return the permanent_code of a new authorisation; the last one is dead."""
        code = self.make("permanent_code", suite_id, corpid)
        self.codes[code] = (suite_id, corpid)
        self.tenants[suite_id, corpid] = Tenant(code)
        return code

    def _is_current(self, corpid: str, code: str) -> bool:
        suite_id, owner = self.codes[code]
        tenant = self.tenants.get((suite_id, owner))
        return owner == corpid and tenant is not None and tenant == Tenant(code)
