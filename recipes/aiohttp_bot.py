"""A bot over aiohttp: it greets many members at once, over one session and with one token.

For an asynchronous service that has aiohttp already (3.12 or later):

    pip install "wecom-auth[aiohttp]"
    export WECOM_CORPID=ww0123... WECOM_CORPSECRET=... WECOM_AGENTID=1000002
    python aiohttp_bot.py zhangsan lisi wangwu

`attach` is the only line about tokens. Any number of tasks that find none make one gettoken, which
goes by this session, too: its proxy, TLS and headers. A picture is uploaded and sent the same way.
"""

import asyncio
import os
import sys
from typing import Any

import aiohttp

from wecom_auth import AppCredential, attach, raise_for_errcode

app = AppCredential.from_env()
TIMEOUT = aiohttp.ClientTimeout(total=20)


async def send(session: aiohttp.ClientSession, touser: str, **message: Any) -> str:
    """Send a message to a member; returns what the platform says."""
    body = {
        "touser": touser,
        "agentid": int(os.environ.get("WECOM_AGENTID", "1000002")),
        **message,
    }
    url = f"{app.base_url}/cgi-bin/message/send"
    async with session.post(url, json=body, timeout=TIMEOUT) as response:
        response.raise_for_status()
        return str(raise_for_errcode(await response.json())["errmsg"])


async def upload(session: aiohttp.ClientSession, name: str, content: bytes) -> str:
    """Upload a picture; returns its media_id."""
    form = aiohttp.FormData()
    form.add_field("media", content, filename=name, content_type="image/png")
    url = f"{app.base_url}/cgi-bin/media/upload?type=image"
    async with session.post(url, data=form, timeout=TIMEOUT) as response:
        response.raise_for_status()
        return str(raise_for_errcode(await response.json())["media_id"])


async def main(members: list[str]) -> None:
    """Greet them all at once, then send each a picture."""
    async with attach(aiohttp.ClientSession(timeout=TIMEOUT), app) as session:
        greetings = [
            send(session, member, msgtype="text", text={"content": f"Good morning, {member}"})
            for member in members
        ]
        print(*await asyncio.gather(*greetings))
        media = await upload(session, "sun.png", b"\x89PNG\r\n\x1a\n" + b"sunshine")
        pictures = [
            send(session, member, msgtype="image", image={"media_id": media}) for member in members
        ]
        print(*await asyncio.gather(*pictures))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
