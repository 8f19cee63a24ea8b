"""A client of your own: plain requests, no wecom_auth in it.

It keeps its token in memory and handles what the platform does to tokens by hand; whether it does
so rightly is what `test_notifier.py` finds out, with `wecom_auth.testing` and without an account.

For real: `python notifier.py hello` with WECOM_CORPID, WECOM_CORPSECRET, WECOM_AGENTID set.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import requests

TOKEN_IS_DEAD = {40014, 42001}


class Notifier:
    """Sends text messages to the members of one app."""

    def __init__(self, corpid: str, corpsecret: str, agentid: int, base_url: str) -> None:
        self.corpid = corpid
        self.corpsecret = corpsecret
        self.agentid = agentid
        self.api = f"{base_url}/cgi-bin"
        self.token = ""

    def send(self, content: str) -> str:
        """Send a message to everybody and return its msgid."""
        answer = self._post("message/send", self._message(content))
        if answer["errcode"] in TOKEN_IS_DEAD:
            self.token = ""
            answer = self._post("message/send", self._message(content))
        if answer["errcode"]:
            raise RuntimeError(f"errcode {answer['errcode']}: {answer['errmsg']}")
        return str(answer["msgid"])

    def _message(self, content: str) -> dict[str, Any]:
        text = {"content": content}
        return {"touser": "@all", "msgtype": "text", "agentid": self.agentid, "text": text}

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        query = {"access_token": self.token or self._fetch()}
        answer = requests.post(f"{self.api}/{path}", params=query, json=body, timeout=10)
        return dict(answer.json())

    def _fetch(self) -> str:
        query = {"corpid": self.corpid, "corpsecret": self.corpsecret}
        answer = requests.get(f"{self.api}/gettoken", params=query, timeout=10).json()
        if answer.get("errcode"):
            raise RuntimeError(f"errcode {answer['errcode']}: {answer['errmsg']}")
        self.token = answer["access_token"]
        return self.token


def main() -> None:
    notifier = Notifier(
        os.environ["WECOM_CORPID"],
        os.environ["WECOM_CORPSECRET"],
        int(os.environ["WECOM_AGENTID"]),
        os.environ.get("WECOM_BASE_URL", "https://qyapi.weixin.qq.com"),
    )
    print(notifier.send(" ".join(sys.argv[1:]) or "hello"))


if __name__ == "__main__":
    main()
