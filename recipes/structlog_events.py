"""structlog: events and log lines of wecom_auth as JSON, one line each.

    pip install wecom-auth structlog
    export WECOM_CORPID=ww0123... WECOM_CORPSECRET=...
    python structlog_events.py zhangsan

Events are for machines: `{"event": "fetched", "credential": ..., "seconds": 7200}`. The logger
`wecom_auth` is for people; its lines go through the same formatter. Neither shows a token.
"""

import logging
import sys
from dataclasses import asdict

import requests
import structlog

from wecom_auth import AppCredential, Event, attach, on_event, raise_for_errcode

TROUBLE = {"refresh_failed", "not_resent", "refused", "budget", "store_away"}

events = structlog.get_logger("wecom_auth.events")


def tell(event: Event) -> None:
    """Log one event, without what it does not know."""
    known = {name: value for name, value in asdict(event).items() if value not in (None, "", 0)}
    name = known.pop("name")
    (events.warning if name in TROUBLE else events.info)(name, **known)


def configure() -> None:
    """Send structlog's lines and those of `logging` to standard error, as JSON."""
    first: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso"),
    ]
    wrap = structlog.stdlib.ProcessorFormatter.wrap_for_formatter
    structlog.configure([*first, wrap], logger_factory=structlog.stdlib.LoggerFactory())
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=first, processor=structlog.processors.JSONRenderer()
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO)


if __name__ == "__main__":
    configure()
    on_event(tell)
    app = AppCredential.from_env()
    session = attach(requests.Session(), app)
    answer = session.get(
        f"{app.base_url}/cgi-bin/user/get", params={"userid": sys.argv[1]}, timeout=10
    )
    print(raise_for_errcode(answer).json()["name"])
