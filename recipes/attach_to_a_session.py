"""You have a session already, with its retries, proxies and headers: attach to it, they stay.

Uploads a report and sends it as a file; should the token end on the way, the file goes out again
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

from wecom_auth import AppCredential, attach

app = AppCredential.from_env()

session = requests.Session()
session.headers["User-Agent"] = "reports/1.0"
session.mount("https://", HTTPAdapter(pool_maxsize=32, max_retries=Retry(connect=3)))
attach(session, app)  # whatever else the session calls carries no token


def upload(path: Path) -> str:
    """Upload a file; returns its media_id, which is good for three days."""
    with path.open("rb") as file:
        answer = session.post(
            f"{app.base_url}/cgi-bin/media/upload",
            params={"type": "file"},
            files={"media": (path.name, file)},
            timeout=60,
        )
    return str(answer.json()["media_id"])


def send_file(touser: str, media_id: str) -> str:
    """Send an uploaded file to a member; returns what the platform says."""
    agentid = int(os.environ.get("WECOM_AGENTID", "1000002"))
    file = {"media_id": media_id}
    answer = session.post(
        f"{app.base_url}/cgi-bin/message/send",
        json={"touser": touser, "msgtype": "file", "agentid": agentid, "file": file},
        timeout=10,
    )
    return str(answer.json()["errmsg"])


if __name__ == "__main__":
    print(send_file(sys.argv[2], upload(Path(sys.argv[1]))))
