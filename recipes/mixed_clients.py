"""A grown program: gettoken by requests, messages by httpx, urllib and aiohttp. One line heals it.

Each part was written by somebody else, with the HTTP client of its day; all of them share one
token that was fetched at the start, and none of them knows what to do when it ends. With
`install()` at the top, gettoken is answered from a cache, and a call that is rejected is made again
with a fresh token, whichever client made it. For everything below that line, nothing has changed.

    pip install "wecom-auth[httpx,aiohttp]"
    export WECOM_CORPID=ww0123... WECOM_CORPSECRET=... WECOM_AGENTID=1000002
    python mixed_clients.py zhangsan
"""

import asyncio
import json
import os
import sys
import urllib.request
from typing import Any

import aiohttp
import httpx
import requests

from wecom_auth import install, raise_for_errcode

install()

HOST = os.environ.get("WECOM_BASE_URL", "https://qyapi.weixin.qq.com")


def get_token() -> str:
    """Fetch the token, as the program has always done."""
    params = {"corpid": os.environ["WECOM_CORPID"], "corpsecret": os.environ["WECOM_CORPSECRET"]}
    answer = requests.get(f"{HOST}/cgi-bin/gettoken", params=params, timeout=10)
    return str(raise_for_errcode(answer).json()["access_token"])


def message(touser: str, content: str) -> dict[str, Any]:
    """Write a message to a member."""
    agentid = int(os.environ.get("WECOM_AGENTID", "1000002"))
    return {"touser": touser, "msgtype": "text", "agentid": agentid, "text": {"content": content}}


def by_httpx(url: str, body: dict[str, Any]) -> int:
    """Send it as the scheduler does."""
    return int(httpx.post(url, json=body, timeout=10).json()["errcode"])


def by_urllib(url: str, body: dict[str, Any]) -> int:
    """Send it as the alert script does."""
    request = urllib.request.Request(url, json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=10) as response:
        return int(json.load(response)["errcode"])


async def by_aiohttp(url: str, body: dict[str, Any]) -> int:
    """Send it as the bot does."""
    timeout = aiohttp.ClientTimeout(total=10)
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, json=body, timeout=timeout) as response,
    ):
        return int((await response.json())["errcode"])


def main(touser: str) -> None:
    """Send one message by each of them, all with the token of the start."""
    url = f"{HOST}/cgi-bin/message/send?access_token={get_token()}"
    for line in sys.stdin if not sys.stdin.isatty() else ["hello"]:
        text = line.strip()
        print(
            by_httpx(url, message(touser, f"{text}, says httpx")),
            by_urllib(url, message(touser, f"{text}, says urllib")),
            asyncio.run(by_aiohttp(url, message(touser, f"{text}, says aiohttp"))),
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1])
