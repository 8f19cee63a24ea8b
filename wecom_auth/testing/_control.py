"""The fake platform, steered over HTTP: for tests in other languages.

Every endpoint takes POST with a JSON object (or an empty body) and answers JSON, `{"ok": true}`
at least; `GET /_fake/journal` may be a GET.

| endpoint | body | does |
|---|---|---|
| `/_fake/app` | `corpid`, `corpsecret` | declares an app |
| `/_fake/expire` | `corpid`, `corpsecret`, `kind` (all optional) | ends live tokens: 42001 |
| `/_fake/revoke` | the same | ends live tokens: 40014 |
| `/_fake/mode` | `mode`: `repeat`, `rotate` or `countdown` | as `FakeWeCom(mode=…)` |
| `/_fake/advance` | `seconds` | moves the clock |
| `/_fake/fail` | `fault`, optional `times`, `path`, `seconds`, `when` | as `FakeWeCom.fail` |
| `/_fake/heal` | | ends every fault |
| `/_fake/journal` | | `gettoken_calls`, `rejections`, `messages`, `uploads`, `calls` |
| `/_fake/route` | `path`, `answer`: an object, optional `check_token` | as `FakeWeCom.route` |
| `/_fake/suite` | `suite_id`, `suite_secret` | declares a suite |
| `/_fake/push_ticket` | `suite_id`, optional `url` | pushes one; answers `ticket` |
| `/_fake/auth_code` | `suite_id`, `corpid` | answers `auth_code` |
| `/_fake/authorise` | `suite_id`, `corpid` | answers `permanent_code` |
| `/_fake/reset_permanent_code` | `suite_id`, `corpid` | answers the new `permanent_code` |
| `/_fake/cancel` | `suite_id`, `corpid`, optional `errcode` | ends an authorisation |
| `/_fake/provider` | `corpid`, `provider_secret` | declares a provider |
| `/_fake/share` | `corpid`, `agentid` | shares an app with a downstream corp |
| `/_fake/reset` | | as new: no apps, live tokens, faults, routes, journal |

A mistake is HTTP 400 with `{"ok": false, "error": "…"}`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import requests

from ._fake import FakeWeCom
from ._platform.wire import JSON_TYPE, Reply, Request

PREFIX = "/_fake/"


class Controls:
    """A front: `/_fake/…` steers the platform, all else is the platform."""

    def __init__(self, fake: FakeWeCom) -> None:
        self._fake = fake
        self._actions: dict[str, Callable[..., Any]] = {
            "app": fake.app,
            "expire": lambda **app: {"ended": fake.expire(**app)},
            "revoke": lambda **app: {"ended": fake.revoke(**app)},
            "mode": self._mode,
            "advance": fake.advance,
            "fail": self._fail,
            "heal": fake.heal,
            "route": fake.route,
            "suite": fake.suite,
            "push_ticket": lambda **of: {"ticket": fake.push_ticket(**of)},
            "auth_code": lambda **of: {"auth_code": fake.auth_code(**of)},
            "authorise": lambda **of: {"permanent_code": fake.authorise(**of)},
            "reset_permanent_code": lambda **of: {
                "permanent_code": fake.reset_permanent_code(**of)
            },
            "cancel": fake.cancel,
            "provider": fake.provider,
            "share": fake.share,
            "journal": self._journal,
            "reset": fake.start_over,
        }

    def __call__(self, request: Request) -> Reply:
        """Answer one request."""
        if not request.url_path.startswith(PREFIX):
            return self._fake.handle(request)
        name = request.url_path.removeprefix(PREFIX)
        try:
            done = self._action(request.method, name)(**_arguments(request))
        except (TypeError, ValueError, requests.RequestException) as mistake:
            return _json(400, {"ok": False, "error": str(mistake)})
        return _json(200, {"ok": True, **(done or {})})

    def _action(self, method: str, name: str) -> Callable[..., Any]:
        if name not in self._actions:
            raise ValueError(f"no {PREFIX}{name}; there are {', '.join(self._actions)}")
        if method != "POST" and (method, name) != ("GET", "journal"):
            raise ValueError(f"{PREFIX}{name} takes POST")
        return self._actions[name]

    def _mode(self, mode: Any) -> None:
        self._fake.mode = mode

    def _fail(self, **arguments: Any) -> None:
        self._fake.fail(arguments.pop("fault", None), **arguments)

    def _journal(self) -> dict[str, Any]:
        fake = self._fake
        calls = [
            {"method": c.method, "path": c.path, "query": c.query, "errcode": c.errcode}
            for c in fake.journal
        ]
        uploads = [{"name": u.name, "size": u.size, "sha256": u.sha256} for u in fake.uploads]
        counts = {"gettoken_calls": fake.gettoken_calls, "rejections": fake.rejections}
        return {**counts, "messages": fake.messages, "uploads": uploads, "calls": calls}


def _arguments(request: Request) -> dict[str, Any]:
    arguments = request.json() if request.body.strip() else {}
    if not isinstance(arguments, dict):
        raise ValueError("the body must be a JSON object")
    return arguments


def _json(status: int, data: dict[str, Any]) -> Reply:
    return Reply(status, {"Content-Type": JSON_TYPE}, json.dumps(data).encode())
