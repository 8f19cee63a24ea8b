"""Attach to a session that you have: its retries, proxies and headers stay.

This uploads a report and sends it as a file. If the token ends on the way, the file is sent again
from where it stood:

    export WECOM_CORPID=ww0123... WECOM_CORPSECRET=... WECOM_AGENTID=1000002
    python attach_to_a_session.py report.pdf zhangsan
"""

import os
import sys
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from wecom_auth import AppCredential, attach, raise_for_errcode

app = AppCredential.from_env()

session = requests.Session()
session.headers["User-Agent"] = "reports/1.0"
session.mount("https://", HTTPAdapter(pool_maxsize=32, max_retries=Retry(connect=3)))
attach(session, app)  # whatever else the session calls carries no token


def upload(path: Path) -> str:
    """Upload a file and return its media_id, which is good for three days."""
    with path.open("rb") as file:
        answer = session.post(
            f"{app.base_url}/cgi-bin/media/upload",
            params={"type": "file"},
            files={"media": (path.name, file)},
            timeout=60,
        )
    return str(raise_for_errcode(answer).json()["media_id"])


def send_file(touser: str, media_id: str) -> str:
    """Send an uploaded file to a member; raise APIError where the platform says no."""
    agentid = int(os.environ.get("WECOM_AGENTID", "1000002"))
    file = {"media_id": media_id}
    answer = session.post(
        f"{app.base_url}/cgi-bin/message/send",
        json={"touser": touser, "msgtype": "file", "agentid": agentid, "file": file},
        timeout=10,
    )
    return str(raise_for_errcode(answer).json()["errmsg"])


if __name__ == "__main__":
    print(send_file(sys.argv[2], upload(Path(sys.argv[1]))))
