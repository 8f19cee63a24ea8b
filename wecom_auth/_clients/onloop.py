"""Send an exchange by an asynchronous client, on the event loop of the task that asks for it."""

from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import CancelledError
from threading import get_ident

from wecom_auth._credential.exchange import Abandoned, Answer, Send, unreached
from wecom_auth._source import aio, process, transport

Exchange = tuple[str, str, Mapping[str, str], bytes | None]
"""Method, URL, headers and body."""


def on_this_loop(
    exchange: Callable[[Exchange, float], Awaitable[Answer | Exception]],
) -> Send:
    """Return a `Send` that other threads call; the exchange itself runs here.

    Args:
        exchange: sends one, within so many seconds. It returns a failure, because whatever it
            raises says that the loop has ended.
    """
    run, home = aio.runner(), get_ident()

    def send(
        method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Answer:
        if get_ident() == home:  # no thread starts: the loop cannot wait for itself
            return transport.by_session(process.session())(method, url, headers, body, seconds)
        try:
            outcome = run(lambda: exchange((method, url, headers, body), seconds), seconds)
        except TimeoutError:
            late = TimeoutError(f"no answer within {seconds:.3g} s")
            outcome = unreached(late, url, seconds)
        except (OSError, CancelledError):
            raise Abandoned from None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return send
