"""Your functions call WeCom in their own way, sync or async: the decorator hands them the token.

For code over httpx, urllib or somebody's SDK. The parameter is yours (a default keeps type
checkers content); make one WeCom call per function, because a function whose token was rejected
is called again. In async functions the token is fetched off the event loop.

    pip install wecom-auth httpx
    export WECOM_CORPID=ww0123... WECOM_CORPSECRET=...
    python decorate_functions.py zhangsan lisi
"""

import asyncio
import sys
from typing import Any

import httpx

from wecom_auth import AppCredential, with_access_token

app = AppCredential.from_env()


@with_access_token(app)
def departments(access_token: str = "") -> dict[str, Any]:
    """All departments."""
    url = f"{app.base_url}/cgi-bin/department/list"
    answer: dict[str, Any] = httpx.get(url, params={"access_token": access_token}).json()
    return answer


@with_access_token(app)
async def member(client: httpx.AsyncClient, userid: str, access_token: str = "") -> dict[str, Any]:
    """One member."""
    url = f"{app.base_url}/cgi-bin/user/get"
    answer = await client.get(url, params={"access_token": access_token, "userid": userid})
    found: dict[str, Any] = answer.json()
    return found


async def members(*userids: str) -> list[dict[str, Any]]:
    """These members, read all at once; they share one token and one fetch of it."""
    async with httpx.AsyncClient() as client:
        return await asyncio.gather(*(member(client, userid) for userid in userids))


if __name__ == "__main__":
    print("departments:", *(each["name"] for each in departments()["department"]))
    print("members:", *(each["name"] for each in asyncio.run(members(*sys.argv[1:]))))
