"""The part of `FakeWeCom` for providers: suites, pushed tickets, authorisations, shared apps."""

from __future__ import annotations

import time
from xml.sax.saxutils import escape

import requests

from ._clock import moved
from ._platform.accounts import Suite, Tenant
from ._platform.state import State
from ._platform.tokens import Owner

PUSH_SECONDS = 10


class Providers:
    """Declares what a provider's program needs, and pushes what the platform pushes to it."""

    _state: State

    def suite(self, suite_id: str, suite_secret: str) -> None:
        """Declare a suite; from now on a wrong secret is 40080, an unknown suite_id 40083.

        A ticket is then one that `push_ticket` gave in the last 30 minutes, else 40085.
        Until one is declared, any suite with any ticket gets a token.
        """
        with self._state.changed:
            self._state.accounts.suites.setdefault(suite_id, Suite()).secret = suite_secret

    def push_ticket(self, suite_id: str, url: str | None = None) -> str:
        """Push a newer suite_ticket; those before it are good to the end of their 30 minutes.

        Args:
            suite_id: the suite's; it gets a ticket whether it was declared or not.
            url: POST it there too, as the decrypted XML of the provider's callback (`SuiteId`,
                `InfoType`, `TimeStamp`, `SuiteTicket`).

        Returns:
            The ticket.

        Raises:
            requests.RequestException: the URL did not take it.
        """
        with self._state.changed:
            ticket = self._state.accounts.push_ticket(suite_id, self._state.tokens.now())
        if url is not None:
            fields = {"SuiteTicket": ticket}
            _push(url, suite_id, "suite_ticket", fields)
        return ticket

    def auth_code(self, suite_id: str, corpid: str) -> str:
        """Return the AuthCode of a `create_auth` push, good once for `get_permanent_code`."""
        with self._state.changed:
            code = self._state.accounts.make("auth_code", suite_id, corpid)
            self._state.accounts.auth_codes[code] = (suite_id, corpid)
        return code

    def authorise(self, suite_id: str, corpid: str) -> str:
        """Let a corp authorise the suite; return its permanent_code.

        The code is also the secret of a provider-developed app (代开发): `gettoken` takes it.
        """
        with self._state.changed:
            return self._state.accounts.authorise(suite_id, corpid)

    def reset_permanent_code(self, suite_id: str, corpid: str) -> str:
        """Return a new permanent_code; the last one is 40084, as a secret 40001.

        Raises:
            ValueError: the corp has not authorised the suite.
        """
        with self._state.changed:
            self._tenant(suite_id, corpid)
            return self._state.accounts.authorise(suite_id, corpid)

    def cancel(self, suite_id: str, corpid: str, *, errcode: int = 40084) -> None:
        """Let a corp cancel its authorisation: its tokens end, and its code is refused.

        Args:
            suite_id: the suite's.
            corpid: the corp's.
            errcode: the answer of `get_corp_token` from now on; the other documented one is 48004.

        Raises:
            ValueError: the corp has not authorised the suite.
        """
        with self._state.changed:
            tenant = self._tenant(suite_id, corpid)
            tenant.refusal = errcode
            ended = Owner("corp", corpid, suite_id), Owner("app", corpid, tenant.code)
            self._state.tokens.end("revoked", lambda owner: owner in ended)

    def provider(self, corpid: str, provider_secret: str) -> None:
        """Declare a provider; from now on any other corpid or secret is 40001."""
        with self._state.changed:
            self._state.accounts.providers[corpid] = provider_secret

    def share(self, corpid: str, agentid: int | str) -> None:
        """Share an app with a downstream corp; from now on what is not shared is 670001."""
        with self._state.changed:
            self._state.accounts.shared.add((corpid, str(agentid)))

    def _tenant(self, suite_id: str, corpid: str) -> Tenant:
        tenant = self._state.accounts.tenants.get((suite_id, corpid))
        if tenant is None:
            raise ValueError(f"{corpid} has not authorised {suite_id}: fake.authorise(…) first")
        return tenant


def _push(url: str, suite_id: str, info: str, fields: dict[str, str]) -> None:
    stamp = str(int(time.time() + moved()))
    all_fields = {"SuiteId": suite_id, "InfoType": info, "TimeStamp": stamp, **fields}
    inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in all_fields.items())
    answer = requests.post(
        url,
        data=f"<xml>{inner}</xml>".encode(),
        headers={"Content-Type": "text/xml"},
        timeout=PUSH_SECONDS,
    )
    answer.raise_for_status()
