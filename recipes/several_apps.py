"""One program, two apps: one reads the address book, the other sends. Each has its own token.

Each app of a company has a secret of its own, and so a token of its own; here each has a prefix
in the environment (`BASE_URL` too, where one is needed):

    export WECOM_CORPID=ww0123... WECOM_CORPSECRET=...          # sends; WECOM_AGENTID is its
    export CONTACTS_CORPID=ww0123... CONTACTS_CORPSECRET=...    # may read the address book
    python several_apps.py 2 "The canteen is closed today."

In a session of its own each app is attached once and for all. Where one session has to serve
both, say it with each call: `session.get(url, auth=WeComAuth(contacts))`.
"""

import os
import sys

import requests

from wecom_auth import AppCredential, WeComAuth, attach, raise_for_errcode

messages = AppCredential.from_env()
contacts = AppCredential.from_env("CONTACTS_")

session = attach(requests.Session(), messages)


def members(department: int) -> list[str]:
    """Return the ids of a department's members."""
    answer = requests.get(
        f"{contacts.base_url}/cgi-bin/user/simplelist",
        params={"department_id": department},
        auth=WeComAuth(contacts),
        timeout=10,
    )
    return [member["userid"] for member in raise_for_errcode(answer).json()["userlist"]]


def send(users: list[str], content: str) -> str:
    """Send a text to these members; raise APIError where the platform says no."""
    answer = session.post(
        f"{messages.base_url}/cgi-bin/message/send",
        json={
            "touser": "|".join(users),
            "msgtype": "text",
            "agentid": int(os.environ.get("WECOM_AGENTID", "1000002")),
            "text": {"content": content},
        },
        timeout=10,
    )
    return str(raise_for_errcode(answer).json()["errmsg"])


if __name__ == "__main__":
    print(send(members(int(sys.argv[1])), sys.argv[2]))
