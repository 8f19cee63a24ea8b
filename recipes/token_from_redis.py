"""The token is kept by somebody else, here a Java service that writes it to a Redis key.

The service calls gettoken, this program never does and needs no secret. WX_CP_ACCESS_TOKEN is
where WxJava's WxCpJedisConfigImpl keeps it:

    pip install "wecom-auth[redis]"
    export REDIS_URL=redis://cache.internal:6379/0 TOKEN_KEY=WX_CP_ACCESS_TOKEN
    python token_from_redis.py zhangsan "The build is green."

A token that the platform has rejected is taken out of Redis, if it is still that one, as a sign
to the service to fetch another; this program waits for it for some seconds.
"""

import os
import sys
import time

import requests
from redis import Redis

from wecom_auth import ExternalToken, attach, raise_for_errcode

PLATFORM = os.environ.get("WECOM_BASE_URL", "https://qyapi.weixin.qq.com")
KEY = os.environ.get("TOKEN_KEY", "WX_CP_ACCESS_TOKEN")
DELETE_IF_EQUAL = "if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('del', KEYS[1]) end"

redis = Redis.from_url(os.environ.get("REDIS_URL", "redis://localhost"), decode_responses=True)


def current() -> tuple[str, float]:
    """Return the token, and the seconds that its key lives (below 0: until it is deleted)."""
    for _ in range(20):
        if token := redis.get(KEY):
            return str(token), redis.pttl(KEY) / 1000
        time.sleep(0.1)
    raise LookupError(f"no token under {KEY}: is the service that writes it running?")


app = ExternalToken(
    current,
    on_rejected=lambda token: redis.eval(DELETE_IF_EQUAL, 1, KEY, token),
    base_url=PLATFORM,
)
session = attach(requests.Session(), app)


if __name__ == "__main__":
    agentid = int(os.environ.get("WECOM_AGENTID", "1000002"))
    text = {"content": sys.argv[2]}
    answer = session.post(
        f"{app.base_url}/cgi-bin/message/send",
        json={"touser": sys.argv[1], "msgtype": "text", "agentid": agentid, "text": text},
        timeout=10,
    )
    print(raise_for_errcode(answer).json()["errmsg"])
