"""wechatpy, with one token for all its clients, threads and processes.

wechatpy fetches a token for each client object, in each process, and on a dead token starts over
for as long as the platform rejects it. With `install()` its clients share a token, which is
fetched once and replaced once; through a store other processes have it too.

    pip install "wecom-auth[file]" wechatpy
    export WECOM_CORPID=ww0123456789abcdef WECOM_CORPSECRET=... WECOM_STORE=file:
    python wechatpy_client.py zhangsan "The build is green."

(wechatpy itself knows one platform only, https://qyapi.weixin.qq.com.)
"""

import os
import sys

from wechatpy.enterprise import WeChatClient

from wecom_auth import install

user, text = sys.argv[1:]
agent = int(os.environ.get("WECOM_AGENTID", "1000002"))

with install():
    app = os.environ["WECOM_CORPID"], os.environ["WECOM_CORPSECRET"]
    client = WeChatClient(*app, timeout=10)  # without it, wechatpy waits for ever
    print(client.message.send_text(agent, user, text)["errmsg"])
