"""A provider's callback: it keeps the tickets, exchanges authorisations, and notes cancellations.

    pip install "wecom-auth[redis]" flask "wechatpy[cryptography]"
    export WECOM_SUITE_ID=ww0123... WECOM_SUITE_SECRET=... WECOM_STORE=redis://cache.internal/1
    export PROVIDER_CORPID=ww4567... CALLBACK_TOKEN=... CALLBACK_AES_KEY=...
    flask --app provider_callback run

Token and AES key stand in the provider console, beside the callback's URL. Every worker finds the
ticket in the store. Keep `codes` in a database: a permanent_code that is lost cannot be read again.
"""

import os
from threading import Thread

import requests
import xmltodict
from flask import Flask, abort, request
from wechatpy.enterprise.crypto import WeChatCrypto
from wechatpy.exceptions import InvalidSignatureException

from wecom_auth import CorpCredential, SuiteCredential, TicketBox, attach, raise_for_errcode

box = TicketBox()
suite = SuiteCredential.from_env(box)
session = attach(requests.Session(), suite)
keys = os.environ["CALLBACK_TOKEN"], os.environ["CALLBACK_AES_KEY"]
codes: dict[str, str] = {}
app = Flask(__name__)


def client_of(corpid: str) -> requests.Session:
    """Return a session that calls for a corp; a new permanent_code counts at once."""
    return attach(requests.Session(), CorpCredential(suite, corpid, codes.__getitem__))


def keep_code(auth_code: str) -> None:
    url = f"{suite.base_url}/cgi-bin/service/v2/get_permanent_code"
    answer = raise_for_errcode(session.post(url, json={"auth_code": auth_code}, timeout=10)).json()
    codes[answer["auth_corp_info"]["corpid"]] = answer["permanent_code"]


@app.route("/callback", methods=["GET", "POST"])
def callback() -> str:
    sent = [request.args[name] for name in ("msg_signature", "timestamp", "nonce")]
    try:
        if request.method == "GET":  # the console verifies the URL
            crypto = WeChatCrypto(*keys, os.environ["PROVIDER_CORPID"])
            return str(crypto.check_signature(*sent, request.args["echostr"]))
        text = WeChatCrypto(*keys, suite.suite_id).decrypt_message(request.data, *sent)
    except InvalidSignatureException:
        abort(403)
    pushed = xmltodict.parse(text)["xml"]
    if pushed["InfoType"] == "suite_ticket":
        box.put(pushed["SuiteId"], pushed["SuiteTicket"], float(pushed["TimeStamp"]))
    elif pushed["InfoType"] in ("create_auth", "reset_permanent_code"):
        Thread(target=keep_code, args=(pushed["AuthCode"],)).start()  # answer within a second
    elif pushed["InfoType"] == "cancel_auth":
        codes.pop(pushed["AuthCorpId"], None)
    return "success"
