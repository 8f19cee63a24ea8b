"""A central token service: one process has the secret and the trusted IP, the others ask it.

    pip install wecom-auth flask
    export WECOM_CORPID=ww0123... WECOM_CORPSECRET_FILE=/run/secrets/wecom SERVICE_KEY=...
    flask --app token_service run

    curl -H "Authorization: Bearer $SERVICE_KEY" http://127.0.0.1:5000/token

Its clients are like `token_client.py`. A rejected token is dropped only if it is still the one that
is held, so a hundred clients that report the same token cause one fetch. Several workers share the
token through WECOM_STORE. Serve it by https: what it hands out opens the company's data.
"""

import os
from hmac import compare_digest
from typing import Any

from flask import Flask, abort, request

from wecom_auth import AppCredential, TokenSource, WeComError

source = TokenSource(AppCredential.from_env())
key = f"Bearer {os.environ['SERVICE_KEY']}".encode()
app = Flask(__name__)


@app.before_request
def authenticate() -> None:
    if not compare_digest(request.headers.get("Authorization", "").encode(), key):
        abort(401)


@app.get("/token")
def token() -> dict[str, Any]:
    """Return the token, and the seconds for which it is good."""
    held = source.get()
    return {"access_token": held.value, "expires_in": int(source.remaining(held))}


@app.post("/rejected")
def rejected() -> dict[str, Any]:
    """Drop a token that the platform has rejected, by compare."""
    source.invalidate(request.get_json()["access_token"])
    return {}


@app.errorhandler(WeComError)
def failed(error: WeComError) -> tuple[dict[str, Any], int]:
    """Say why there is no token; the sentence holds neither token nor secret."""
    return {"error": str(error), "errcode": error.errcode, "advice": error.advice}, 503
