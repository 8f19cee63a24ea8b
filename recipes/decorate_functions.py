"""Your functions call WeCom in their own way, sync or async: the decorator gives them the token.

For code over somebody's SDK, or over a client that `attach` does not know. The parameter is yours
(a default keeps type checkers content). Make one WeCom call in each function, because a function
whose token was rejected is called again, and return the whole JSON, errcode included. In async
functions the token is fetched off the event loop.

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
    """Read all departments."""
    url = f"{app.base_url}/cgi-bin/department/list"
    answer = httpx.get(url, params={"access_token": access_token}, timeout=10)
    return dict(answer.raise_for_status().json())


@with_access_token(app)
async def member(client: httpx.AsyncClient, userid: str, access_token: str = "") -> dict[str, Any]:
    """Read one member."""
    url = f"{app.base_url}/cgi-bin/user/get"
    query = {"access_token": access_token, "userid": userid}
    answer = await client.get(url, params=query, timeout=10)
    return dict(answer.raise_for_status().json())


async def members(*userids: str) -> list[dict[str, Any]]:
    """Read these members all at once; they share one token and one fetch of it."""
    async with httpx.AsyncClient() as client:
        return await asyncio.gather(*(member(client, userid) for userid in userids))


if __name__ == "__main__":
    found = departments()
    people = asyncio.run(members(*sys.argv[1:]))
    for answer in [found, *people]:
        if answer["errcode"]:
            sys.exit(f"{answer['errcode']}: {answer['errmsg']}")
    print("departments:", *(each["name"] for each in found["department"]))
    print("members:", *(each["name"] for each in people))
