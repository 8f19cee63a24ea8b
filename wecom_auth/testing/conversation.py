"""One HTTP/1.1 connection: requests are read, answered in one write, and the next one awaited."""

from __future__ import annotations

import re
import socket
import traceback
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler

from requests.structures import CaseInsensitiveDict

from .wire import DroppedError, Reply, Request

Front = Callable[[Request], Reply]
_ABSOLUTE = re.compile(r"(?i)^https?://[^/?]*")
_ONE_WRITE = 65_536


class Conversation(BaseHTTPRequestHandler):
    """Talks to one client until it leaves.

    Args:
        connection: the client's socket.
        front: what answers a request.
        closing: whether the server is about to stop.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(
        self, connection: socket.socket, front: Front, closing: Callable[[], bool]
    ) -> None:
        self._front = front
        self._closing = closing
        super().__init__(connection, None, None)  # type: ignore[arg-type]

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: a log line would hold the token."""

    def _serve(self) -> None:
        body = self._body()
        if body is None:
            self.close_connection = True
            return
        try:
            reply = self._front(self._request(body))
        except DroppedError:
            self.close_connection = True
            return
        except Exception:
            # A route of the user's raised: they should read why, not hunt for it in a thread.
            reply = Reply(500, {"Content-Type": "text/plain"}, traceback.format_exc().encode())
        if self._closing():
            self.close_connection = True
        else:
            self._send(reply)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _serve  # noqa: N815

    def _request(self, body: bytes) -> Request:
        # Not self.path, which has lost a double slash at the start.
        target = _ABSOLUTE.sub("", self.requestline.split()[1])
        headers = dict(self.headers.items())
        return Request(self.command, target, headers, body, left=self._closing)

    def _body(self) -> bytes | None:
        """The whole body, None if the client left in the middle of it."""
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            return self._chunks()
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        return body if len(body) == size else None

    def _chunks(self) -> bytes | None:
        pieces: list[bytes] = []
        while size := int(self.rfile.readline().strip() or b"0", 16):
            pieces.append(self.rfile.read(size))
            if not self.rfile.readline():
                return None
        self.rfile.readline()
        return b"".join(pieces)

    def _send(self, reply: Reply) -> None:
        headers = CaseInsensitiveDict(reply.headers)
        body = b"" if self.command == "HEAD" else reply.body
        if headers.get("Transfer-Encoding") == "chunked":
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
        else:
            promised = headers.setdefault("Content-Length", str(len(reply.body)))
            self.close_connection |= promised != str(len(reply.body))
        head = self._head(reply.status, headers)
        # In one piece, or the client's delayed acknowledgement costs 40 ms a call.
        if len(body) < _ONE_WRITE:
            self.wfile.write(head + body)
        else:
            self.wfile.write(head)
            self.wfile.write(body)

    def _head(self, status: int, headers: CaseInsensitiveDict[str]) -> bytes:
        reasons = {int(known): known.phrase for known in HTTPStatus}
        lines = [f"HTTP/1.1 {status} {reasons.get(status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if self.close_connection:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
