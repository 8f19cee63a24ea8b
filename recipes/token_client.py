"""A node without a secret: its token comes from `token_service.py`.

    pip install wecom-auth
    export TOKEN_SERVICE=https://tokens.internal SERVICE_KEY=... WECOM_AGENTID=1000002
    python token_client.py zhangsan "The build is green."

The token is cached here for as long as the service says. One that the platform rejects is reported
to the service, which is asked for another, and the call is made again, once. Two things to know:
the service is asked in the thread of the call, so its answer is bounded by the timeout here; and
no store is needed, because the service is one.
"""

import os
import sys

import requests

from wecom_auth import ExternalToken, attach, raise_for_errcode

PLATFORM = os.environ.get("WECOM_BASE_URL", "https://qyapi.weixin.qq.com")
TOKENS = os.environ["TOKEN_SERVICE"]

service = requests.Session()
service.headers["Authorization"] = f"Bearer {os.environ['SERVICE_KEY']}"


def current() -> tuple[str, float]:
    """Ask for the token, and for how long it is good."""
    answer = service.get(f"{TOKENS}/token", timeout=5)
    answer.raise_for_status()
    return answer.json()["access_token"], answer.json()["expires_in"]


def rejected(token: str) -> None:
    """Report a token that the platform has rejected."""
    service.post(f"{TOKENS}/rejected", json={"access_token": token}, timeout=5).raise_for_status()


app = ExternalToken(current, on_rejected=rejected, base_url=PLATFORM)
session = attach(requests.Session(), app)


if __name__ == "__main__":
    agentid = int(os.environ.get("WECOM_AGENTID", "1000002"))
    text = {"content": sys.argv[2]}
    answer = session.post(
        f"{app.base_url}/cgi-bin/message/send",
        json={"touser": sys.argv[1], "msgtype": "text", "agentid": agentid, "text": text},
        timeout=10,
    )
    print(raise_for_errcode(answer).json()["errmsg"])
