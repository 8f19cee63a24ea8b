"""A Flask application whose old WeCom code is healed by one line in its start-up.

    pip install wecom-auth flask
    export WECOM_CORPID=ww0123456789abcdef WECOM_CORPSECRET=... WECOM_AGENTID=1000002
    flask --app flask_app run
    curl -d text="The build is green." http://127.0.0.1:5000/notify/zhangsan

`install()` belongs where the process starts: in the application factory as here, in Django in
`AppConfig.ready()`, in a Celery worker in the signal `worker_process_init`. The workers of one
machine share a token if WECOM_STORE=file: is set. `install()` knows the tokens that this process
fetches. If the old code reads its token from a cache or a file, say whose it is:
`install(sole_app=AppCredential.from_env())`.
"""

import os
from typing import Any

import requests
from flask import Flask, request

from wecom_auth import AppCredential, install


class Notifier:
    """The old code: a token fetched once, kept for as long as the worker lives."""

    def __init__(self, base: str, corpid: str, corpsecret: str, agentid: int) -> None:
        self.base, self.agentid = base, agentid
        params = {"corpid": corpid, "corpsecret": corpsecret}
        answer = requests.get(f"{base}/cgi-bin/gettoken", params=params, timeout=10).json()
        if answer["errcode"]:
            raise RuntimeError(answer["errmsg"])
        self.token = answer["access_token"]

    def send(self, user: str, text: str) -> dict[str, Any]:
        url = f"{self.base}/cgi-bin/message/send?access_token={self.token}"
        content = {"content": text}
        body: dict[str, Any] = {
            "touser": user,
            "msgtype": "text",
            "agentid": self.agentid,
            "text": content,
        }
        answer: dict[str, Any] = requests.post(url, json=body, timeout=10).json()
        return answer


def create_app() -> Flask:
    app = AppCredential.from_env()
    install()  # the one line

    secret, agentid = os.environ["WECOM_CORPSECRET"], int(os.environ["WECOM_AGENTID"])
    notifier = Notifier(app.base_url, app.corpid, secret, agentid)
    flask = Flask(__name__)

    @flask.post("/notify/<user>")
    def notify(user: str) -> tuple[dict[str, Any], int]:
        answer = notifier.send(user, request.form["text"])
        return {"errmsg": answer["errmsg"]}, 200 if answer["errcode"] == 0 else 502

    return flask
