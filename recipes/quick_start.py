"""Send one message; the token is not your concern.

For a script, a cron job, a first try:

    pip install wecom-auth
    export WECOM_CORPID=ww0123... WECOM_CORPSECRET=... WECOM_AGENTID=1000002
    python quick_start.py zhangsan "The build is green."

No account? `wecom-auth fake --port 8080` serves a platform that takes any corpid and secret:
export WECOM_BASE_URL=http://127.0.0.1:8080
"""

import os
import sys

import requests

from wecom_auth import AppCredential, attach, raise_for_errcode

app = AppCredential.from_env()
session = attach(requests.Session(), app)


def send(touser: str, content: str) -> str:
    """Send a text to a member; raise APIError where the platform, or a proxy, says no."""
    answer = session.post(
        f"{app.base_url}/cgi-bin/message/send",
        json={
            "touser": touser,
            "msgtype": "text",
            "agentid": int(os.environ.get("WECOM_AGENTID", "1000002")),
            "text": {"content": content},
        },
        timeout=10,
    )
    return str(raise_for_errcode(answer).json()["errmsg"])


if __name__ == "__main__":
    print(send(sys.argv[1], sys.argv[2]))
