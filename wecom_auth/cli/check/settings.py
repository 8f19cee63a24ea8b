"""Step 0 of `wecom-auth check`: is there something to ask with?"""

import os
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..._credential.app import AppCredential
from ..._credential.environment import (
    CORPID,
    CORPSECRET,
    Environment,
    Setting,
    SettingError,
)
from ..._http.redaction import redact, visible_corpid, without_password
from ..._http.scope import PLATFORM
from ..._source.shared import Shared
from ...stores import guard, store_of_environment
from .finding import Finding, Run, Step

PREFIX = "WECOM_"
_CA = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@dataclass(frozen=True)
class Settings:
    """The settings that the platform is asked with.

    Attributes:
        corpid, secret: with the names of the variables that gave them.
        base_url: where the calls go.
        agent: the AgentId to check, if one was given.
        shared: where the token is left, if a store is set.
        fingerprint: of the secret, for what is remembered of a refusal.
    """

    corpid: Setting
    secret: Setting
    base_url: str
    agent: str | None
    shared: Shared
    fingerprint: str

    @property
    def host(self) -> str:
        """The host of the base URL, with its port."""
        return urlsplit(self.base_url).netloc

    @property
    def by_base_url(self) -> bool:
        """True if the calls go to another host than the platform's own."""
        return self.base_url != PLATFORM


def read_settings(run: Run, agent: str | None) -> Settings:
    """Read the environment and what it names; nothing is asked.

    Raises:
        Finding, SettingError: something is missing, unreadable, or cannot serve.
    """
    found = Environment(PREFIX, os.environ)
    corpid = found.require(*CORPID, missing="no_corpid")
    run.corpid = visible_corpid(corpid.value)
    secret = found.require(*CORPSECRET, missing="no_secret")
    base_url = found.base_url()
    if agent is not None and not re.fullmatch("[0-9]+", agent):
        raise Finding("agent_form", agent=_shown(agent))
    _look_for_ca()
    credential = AppCredential.from_env(PREFIX)
    shared = _shared(credential)
    run.steps.append(Step("settings"))
    return Settings(corpid, secret, base_url, agent, shared, credential.fingerprint())


def _shown(agent: str) -> str:
    """An agentid that is none, unless it is long enough to be a secret in its place."""
    return repr(agent) if len(agent) <= 12 else f"({len(agent)} characters)"


def _look_for_ca() -> None:
    name = next((name for name in _CA if os.environ.get(name)), "")
    if name and not os.path.exists(os.environ[name]):
        raise SettingError("ca_missing", name=name, path=os.environ[name])


def _shared(app: AppCredential) -> Shared:
    """Open the store that WECOM_STORE names, and look into it once.

    Raises:
        Finding: it cannot be used.
    """
    url = os.environ.get("WECOM_STORE", "").strip()
    try:
        if store := store_of_environment():
            store.load(app.key)
    except Exception as error:  # a store may raise anything where it is away
        why = redact(str(error).removeprefix("WECOM_STORE: ") or type(error).__name__)
        value = without_password(url)
        raise Finding("store_bad", name="WECOM_STORE", value=value, why=why) from None
    return Shared(guard(store) if store else None, app.key, app.kind)
