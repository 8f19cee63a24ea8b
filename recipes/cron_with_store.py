"""A job that cron starts every minute, without a gettoken every minute.

The job fetches its own token, as such jobs do; the processes that cron starts, one after the
other and side by side, share it through files. In the crontab:

    WECOM_CORPID=ww0123456789abcdef
    WECOM_CORPSECRET_FILE=/etc/wecom/secret
    * * * * *  /opt/venv/bin/wecom-auth run --store file: --stats /opt/jobs/cron_with_store.py 90

cron has a short PATH, so the command is named whole; `run` uses the Python that wecom-auth is
installed in. `file:` is the user's cache directory; `file:///var/lib/jobs/wecom` names another, and
`redis://cache.internal/0` shares among machines. `--stats` has cron mail how many calls of
gettoken were saved; leave it out to get no mail.

Argument: the percentage of a full disk from which on a message is sent.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import requests

HOST = os.environ.get("WECOM_BASE_URL", "https://qyapi.weixin.qq.com")

disk = shutil.disk_usage("/")
percent = 100 * disk.used // disk.total
if percent < int(sys.argv[1]):
    sys.exit()

secret = os.environ.get("WECOM_CORPSECRET") or (
    Path(os.environ["WECOM_CORPSECRET_FILE"]).read_text("utf-8").strip()
)
params = {"corpid": os.environ["WECOM_CORPID"], "corpsecret": secret}
fetched = requests.get(f"{HOST}/cgi-bin/gettoken", params=params, timeout=10).json()
if fetched["errcode"]:
    sys.exit(f"gettoken: {fetched['errcode']} {fetched['errmsg']}")

body: dict[str, Any] = {
    "touser": "@all",
    "msgtype": "text",
    "agentid": os.environ.get("WECOM_AGENTID", "1000002"),
    "text": {"content": f"{os.uname().nodename}: / is {percent} % full"},
}
answer = requests.post(
    f"{HOST}/cgi-bin/message/send",
    params={"access_token": fetched["access_token"]},
    json=body,
    timeout=10,
).json()
sys.exit(None if answer["errcode"] == 0 else f"message/send: {answer['errmsg']}")
