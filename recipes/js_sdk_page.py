"""A page inside WeCom that uses the JS-SDK: the server signs, the secret stays here.

    pip install "wecom-auth[file]" flask
    export WECOM_CORPID=ww0123... WECOM_CORPSECRET=... WECOM_STORE=file:
    export PAGE=https://crm.example.com/     # its domain is a trusted domain of the app
    flask --app js_sdk_page run

The browser asks for the signature of its own URL, because a proxy may have changed what arrives
here. Only pages below PAGE are signed. For `wx.agentConfig` write `JsTicket(app, agentid=1000002)`.
"""

import os

from flask import Flask, abort, request

from wecom_auth import AppCredential, JsTicket

PAGE = os.environ["PAGE"]
HTML = """<!doctype html>
<meta charset="utf-8">
<title>Scan</title>
<button id="scan" disabled>Scan a code</button>
<script src="https://res.wx.qq.com/open/js/jweixin-1.2.0.js"></script>
<script>
  const here = location.href.split('#')[0];
  fetch('config?url=' + encodeURIComponent(here))
    .then(answer => answer.json())
    .then(signed => wx.config({beta: true, jsApiList: ['scanQRCode'], ...signed}));
  wx.error(failed => alert(failed.errMsg));
  wx.ready(() => {
    const button = document.getElementById('scan');
    button.disabled = false;
    button.onclick = () => wx.scanQRCode({
      needResult: 1,
      success: found => alert(found.resultStr),
    });
  });
</script>
"""

ticket = JsTicket(AppCredential.from_env())
app = Flask(__name__)


@app.get("/")
def page() -> str:
    return HTML


@app.get("/config")
def config() -> dict[str, str | int]:
    url = request.args["url"]
    if not url.startswith(PAGE):
        abort(403)
    return ticket.config(url)
