"""OpenTelemetry: a span for each event of a token, and no token in any span.

    pip install wecom-auth opentelemetry-sdk opentelemetry-instrumentation-requests
    export WECOM_CORPID=ww0123... WECOM_CORPSECRET=...
    python opentelemetry_events.py zhangsan

The instrumentation of requests, httpx, aiohttp or urllib puts the URL of a call into its span.
With `attach` it sees none with a token; with `auth=`, and below urllib3, it does. `Scrubber` masks
tokens and secrets in what a span starts with, whichever instrumentation started it.
"""

import sys

import requests
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from wecom_auth import AppCredential, Event, WeComAuth, on_event, raise_for_errcode, redact

tracer = trace.get_tracer("wecom_auth")


class Scrubber(SpanProcessor):
    """Mask tokens and secrets in the attributes of each span."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        for name, value in (span.attributes or {}).items():
            if isinstance(value, str) and redact(value) != value:
                span.set_attribute(name, redact(value))


def tell(event: Event) -> None:
    """Record one event as a span; its attributes hold neither token nor secret."""
    with tracer.start_as_current_span(f"wecom_auth {event.name}") as span:
        for name in ("credential", "errcode", "seconds", "why"):
            if value := getattr(event, name):
                span.set_attribute(f"wecom_auth.{name}", value)


if __name__ == "__main__":
    provider = TracerProvider()
    provider.add_span_processor(Scrubber())  # before the exporter's
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
    trace.set_tracer_provider(provider)
    RequestsInstrumentor().instrument()
    on_event(tell)
    app = AppCredential.from_env()
    url = f"{app.base_url}/cgi-bin/user/get?userid={sys.argv[1]}"
    print(raise_for_errcode(requests.get(url, auth=WeComAuth(app), timeout=10)).json()["name"])
