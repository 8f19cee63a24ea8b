#!/usr/bin/env python3
"""A Zabbix alert script as thousands of servers have one: it knows nothing of wecom_auth.

It fetches a token for every alert, and in a storm of alerts that is what gets an app blocked
(45009). Nothing in it needs to change; Zabbix calls it through `wecom-auth run`, which shares one
token among all the alerts of the machine. As AlertScriptsPath/wecom.sh, executable:

    #!/bin/sh
    exec wecom-auth run --store file:///var/lib/zabbix/wecom /etc/zabbix/zabbix_alert.py "$@"

with the script parameters {ALERT.SENDTO}, {ALERT.SUBJECT} and {ALERT.MESSAGE}. From here on it
is the old script:
"""

import json
import os
import sys

import requests

CORPID = os.environ["WECOM_CORPID"]
SECRET = os.environ["WECOM_CORPSECRET"]
AGENTID = os.environ.get("WECOM_AGENTID", "1000002")
HOST = os.environ.get("WECOM_BASE_URL", "https://qyapi.weixin.qq.com")

touser, subject, message = sys.argv[1:4]

url = "%s/cgi-bin/gettoken?corpid=%s&corpsecret=%s" % (HOST, CORPID, SECRET)  # noqa: UP031
answer = requests.get(url, timeout=10).json()
if answer["errcode"]:
    sys.exit(answer["errmsg"])
token = answer["access_token"]

body = {
    "touser": touser,
    "msgtype": "text",
    "agentid": AGENTID,
    "text": {"content": subject + "\n" + message},
}
url = HOST + "/cgi-bin/message/send?access_token=" + token
answer = requests.post(url, data=json.dumps(body), timeout=10).json()
print(answer["errmsg"])
sys.exit(answer["errcode"] != 0)
