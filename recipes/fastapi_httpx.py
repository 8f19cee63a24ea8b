"""A FastAPI service that calls WeCom by one httpx2.AsyncClient, for all of its requests.

    pip install 'wecom-auth[httpx]' fastapi uvicorn
    WECOM_CORPID=… WECOM_CORPSECRET=… WECOM_AGENTID=… uvicorn fastapi_httpx:service

However many requests arrive at once, there is one exchange; a token that the platform ends early
is replaced in the call that meets it. Where no token is to be had, the answer is 502 and says why.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

from wecom_auth import AppCredential, attach

app = AppCredential.from_env()
AGENT = int(os.environ.get("WECOM_AGENTID", "1000002"))


@asynccontextmanager
async def one_client(service: FastAPI) -> AsyncIterator[dict[str, httpx2.AsyncClient]]:
    """Open the client with the service, on its event loop."""
    async with attach(httpx2.AsyncClient(timeout=10), app) as client:
        yield {"wecom": client}


service = FastAPI(lifespan=one_client)


@service.post("/notify/{user}")
async def notify(user: str, text: str, request: Request) -> dict[str, object]:
    """Send a text to a member."""
    message = {"touser": user, "msgtype": "text", "agentid": AGENT, "text": {"content": text}}
    url = f"{app.base_url}/cgi-bin/message/send"
    answer = await request.state.wecom.post(url, json=message, timeout=10)
    result: dict[str, object] = answer.raise_for_status().json()
    if result["errcode"]:
        raise HTTPException(502, f"{result['errcode']}: {result['errmsg']}")
    return result


@service.exception_handler(httpx2.HTTPError)
async def no_answer(request: Request, error: httpx2.HTTPError) -> JSONResponse:
    """Tell what went wrong: the network, or a credential that is refused; never with a token."""
    return JSONResponse({"errmsg": str(error)}, status_code=502)
