"""The platform's JSON answers: success, and each error with its words.

Source: WeCom developer documentation, "global error codes".
"""

from __future__ import annotations

from typing import Any

from .wire import Reply, json_reply

_WORDS = {
    -1: "system busy",
    40001: "invalid credential",
    40005: "invalid type",
    40006: "invalid media size",
    40007: "invalid media_id",
    40008: "invalid msgtype",
    40013: "invalid corpid",
    40014: "invalid access_token",
    40058: "invalid Request Parameter",
    41001: "access_token missing",
    41002: "corpid missing",
    41004: "corpsecret missing",
    42001: "access_token expired",
    44001: "empty media data",
    44004: "empty text content",
    45009: "api freq out of limit",
    60020: "not allow to access from your ip",
    93000: "invalid webhook url",
}
_EMPTY_WHEN_REFUSED: dict[str, dict[str, Any]] = {"get_api_domain_ip": {"ip_list": []}}


def ok(serial: int, **fields: Any) -> Reply:
    """A success with its fields.

    Args:
        serial: the number of the call, which turns the order of the keys.
        **fields: the documented fields of the answer.
    """
    return json_reply({"errcode": 0, "errmsg": "ok", **fields}, serial)


def error(code: int, serial: int, path: str = "") -> Reply:
    """A refusal: HTTP 200 and an int errcode. The words hold a hint that changes every time.

    Args:
        code: the errcode.
        serial: the number of the call.
        path: the API's path, for those that put an empty list beside the errcode.
    """
    words = _WORDS.get(code, "request failed")
    hint = 1_700_000_000_000_000 + serial
    more = f"more info at https://open.work.weixin.qq.com/devtool/query?e={code}"
    errmsg = f"{words}, hint: [{hint}], from ip: 127.0.0.1, {more}"
    empty = _EMPTY_WHEN_REFUSED.get(path, {})
    return json_reply({**empty, "errcode": code, "errmsg": errmsg}, 0 if empty else serial)
