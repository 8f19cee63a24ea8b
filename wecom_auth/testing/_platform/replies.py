"""The platform's JSON answers: success, and each error with its words.

Source: WeCom developer documentation, "global error codes".
"""

from __future__ import annotations

from typing import Any

from .facts import EMPTY_WHEN_REFUSED, WORDS
from .wire import Reply, json_reply


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
    words = WORDS.get(code, "request failed")
    hint = 1_700_000_000_000_000 + serial
    more = f"more info at https://open.work.weixin.qq.com/devtool/query?e={code}"
    errmsg = f"{words}, hint: [{hint}], from ip: 127.0.0.1, {more}"
    empty = EMPTY_WHEN_REFUSED.get(path, {})
    return json_reply({**empty, "errcode": code, "errmsg": errmsg}, 0 if empty else serial)
