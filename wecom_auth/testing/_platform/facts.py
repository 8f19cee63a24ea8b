"""The platform's facts as data: which token on which path, the errcodes, the shapes of messages.

Source: WeCom developer documentation, "global error codes" and the page of each call; captured
traffic for the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# --- tokens ---

KINDS = (
    "app",
    "corp",
    "suite",
    "provider",
    "downstream",
    "jsapi_ticket",
    "agent_ticket",
    "suite_ticket",
)
"""Kinds of token, as `expire(kind=…)` and `revoke(kind=…)` name them."""

TICKET_LIFE = 1800
"""Seconds that a pushed suite_ticket is good for; a newer one is pushed about every 600."""


@dataclass(frozen=True)
class Carried:
    """The token that a call carries, and the errcodes of a call that carries another.

    Args:
        parameter: its name in the query.
        kinds: the kinds of token that are good there.
        missing: there is none.
        invalid: nobody issued it, or it was ended early.
        expired: its time is over.
        wrong_kind: it is a live token of another kind; None for `invalid`.
    """

    parameter: str
    kinds: frozenset[str]
    missing: int
    invalid: int
    expired: int
    wrong_kind: int | None = None


_CORPS = frozenset({"app", "corp", "downstream"})
ACCESS = Carried("access_token", _CORPS, 41001, 40014, 42001)
TICKETS = Carried("access_token", _CORPS, 41001, 40014, 42001, wrong_kind=42012)
SUITE = Carried("suite_access_token", frozenset({"suite"}), 41022, 40082, 42009)
PROVIDER = Carried("provider_access_token", frozenset({"provider"}), 41001, 40082, 42001)
LOGIN = Carried("access_token", frozenset({"provider"}), 41001, 40014, 42001)

WITHOUT_TOKEN = (
    "gettoken",
    "service/get_suite_token",
    "service/get_provider_token",
    "openhw/get_model_token",
    "webhook/",
    "aibot/cli/get_cli_config",
    "/",  # outside of /cgi-bin/
)
_BY_PATH = {
    "service/get_login_info": LOGIN,
    "get_jsapi_ticket": TICKETS,
    "ticket/get": TICKETS,
    **dict.fromkeys(
        (
            "service/get_register_code",
            "service/get_register_info",
            "service/get_customized_auth_url",
            "service/corpid_to_opencorpid",
            "service/contact/search",
            "service/contact/id_translate",
            "service/contact/sort",
            "service/media/upload",
            "service/batch/getresult",
        ),
        PROVIDER,
    ),
}
_BY_PREFIX = {"license/": PROVIDER, "service/": SUITE}
REJECTIONS = {41001, 40014, 42001, 41022, 40082, 42009}
"""Errcodes that refuse a call for its token."""


def carried(path: str) -> Carried | None:
    """The token that a call to this path has to carry, None for none."""
    if path.startswith(WITHOUT_TOKEN):
        return None
    prefixed = (kind for prefix, kind in _BY_PREFIX.items() if path.startswith(prefix))
    return _BY_PATH.get(path) or next(prefixed, ACCESS)


# --- messages ---

_MEDIA = ("media_id",)
_COMMON: dict[str, tuple[str, ...]] = {
    "text": ("content",),
    "markdown": ("content",),
    "image": _MEDIA,
    "voice": _MEDIA,
    "video": _MEDIA,
    "file": _MEDIA,
    "textcard": ("title", "description", "url"),
    "news": ("articles",),
    "mpnews": ("articles",),
}
MESSAGES: dict[str, dict[str, tuple[str, ...]]] = {
    "message/send": {
        **_COMMON,
        "miniprogram_notice": ("appid", "title"),
        "template_card": ("card_type",),
    },
    "appchat/send": _COMMON,
    "webhook/send": {
        "text": ("content",),
        "markdown": ("content",),
        "markdown_v2": ("content",),
        "image": ("base64", "md5"),
        "news": ("articles",),
        "file": _MEDIA,
        "voice": _MEDIA,
        "template_card": ("card_type",),
    },
}
"""Of each path, the msgtypes and the fields that the object of that name must hold."""

RECEIVERS = ("touser", "toparty", "totag")
EMPTY_FIELD = {"content": 44004, "media_id": 40007, "articles": 44003}
"""The errcode for a message whose field is missing; 40058 for the others."""

# --- words ---

WORDS = {
    -1: "system busy",
    40001: "invalid credential",
    40005: "invalid type",
    40006: "invalid media size",
    40007: "invalid media_id",
    40008: "invalid msgtype",
    40013: "invalid corpid",
    40014: "invalid access_token",
    40029: "invalid code",
    40056: "invalid agentid",
    40058: "invalid Request Parameter",
    40080: "invalid suite_secret",
    40082: "invalid suite_token",
    40083: "invalid suite_id",
    40084: "invalid permanent_code",
    40085: "invalid suite_ticket",
    41001: "access_token missing",
    41002: "corpid missing",
    41004: "corpsecret missing",
    41011: "agentid missing",
    41021: "suite_id missing",
    41022: "suite_access_token missing",
    41023: "suite_ticket missing",
    41024: "suite_secret missing",
    41025: "permanent_code missing",
    42001: "access_token expired",
    42009: "suite_access_token expired",
    42012: "invalid access_token type for this ticket",
    44001: "empty media data",
    44003: "empty news data",
    44004: "empty text content",
    45009: "api freq out of limit",
    48003: "invalid suite_id",
    48004: "authorization invalid",
    60020: "not allow to access from your ip",
    670001: "corpid or agentid not in the shared scope",
    82001: "receiver missing",
    91040: "invalid ticket type",
    93000: "invalid webhook url",
}
EMPTY_WHEN_REFUSED: dict[str, dict[str, Any]] = {"get_api_domain_ip": {"ip_list": []}}
"""Empty lists that a refusal holds beside its errcode, by path."""
