#!/usr/bin/env python3
"""An alert script without requests in sight: urllib sends, the token is not its concern.

For a monitoring host, a cron job, a hook:

    pip install wecom-auth
    export WECOM_CORPID=ww0123... WECOM_CORPSECRET=... WECOM_AGENTID=1000002
    python urllib_alert.py zhangsan "disk /data is at 91 %"

Proxies of the environment (HTTPS_PROXY) are used for the message and for gettoken. With
WECOM_STORE set, all alerts of the machine share one token. It ends with 1 where the message was
not accepted, and says why.
"""

import json
import os
import sys
import urllib.request

from wecom_auth import AppCredential, attach
from wecom_auth.errors import help_url

app = AppCredential.from_env()
opener = attach(urllib.request.build_opener(), app)


def alert(touser: str, content: str) -> int:
    """Send a text to a member; returns the platform's errcode, 0 for success."""
    body = {
        "touser": touser,
        "msgtype": "text",
        "agentid": int(os.environ.get("WECOM_AGENTID", "1000002")),
        "text": {"content": content},
    }
    request = urllib.request.Request(
        f"{app.base_url}/cgi-bin/message/send",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with opener.open(request, timeout=10) as response:
        answer = json.load(response)
    return int(answer["errcode"])


def main() -> int:
    """Send the alert of the command line."""
    try:
        errcode = alert(sys.argv[1], sys.argv[2])
    except OSError as error:  # no network, or no token: both are URLErrors
        print(f"the alert was not sent: {error}", file=sys.stderr)
        return 1
    print("ok" if errcode == 0 else f"errcode {errcode}: {help_url(errcode)}")
    return int(errcode != 0)


if __name__ == "__main__":
    sys.exit(main())
