"""The fake platform over real HTTP on loopback: keep-alive, one thread a connection."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Event, Thread
from typing import Any

from requests.structures import CaseInsensitiveDict

from ._platform.wire import DroppedError, Reply, Request

Front = Callable[[Request], Reply]
BACKLOG = 1024
_ABSOLUTE = re.compile(r"(?i)^https?://[^/?]*")
_RESET = struct.pack("ii", 1, 0)


class HttpServer:
    """One HTTP server over a front.

    Args:
        front: answers a request.
        wake: called at the end, so that who waits inside looks again whether its caller left.
        host: the address to listen on.
        port: 0 for any free one.
    """

    def __init__(
        self, front: Front, wake: Callable[[], None], host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._front = front
        self._wake = wake
        self._host = host
        self._port = port
        self._listener: _Listener | None = None
        self._acceptor: Thread | None = None

    @property
    def url(self) -> str:
        """The base URL, for example `http://127.0.0.1:40123`.

        Raises:
            RuntimeError: it has not been started.
        """
        if self._listener is None:
            raise RuntimeError("the server is not running: use `with fake.serve() as url:`")
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    def __str__(self) -> str:
        return self.url

    def start(self) -> str:
        """Start listening and return the base URL.

        Raises:
            OSError: the port is taken.
        """
        if self._listener is None:
            self._listener = _Listener(self._host, self._port, self._front)
            self._port = int(self._listener.server_address[1])
            self._acceptor = Thread(target=self._listener.accept, daemon=True)
            self._acceptor.start()
        return self.url

    def stop(self) -> None:
        """Stop listening, break what is open, and wait for every thread."""
        if self._listener is None or self._acceptor is None:
            return
        self._listener.closing.set()
        self._nudge()
        self._acceptor.join()
        self._listener.break_all()
        self._wake()
        self._listener.join()
        self._listener = self._acceptor = None

    close = stop

    def __enter__(self) -> str:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _nudge(self) -> None:
        """Wake the acceptor, which otherwise waits for the next client."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104
        with contextlib.suppress(OSError):
            socket.create_connection((host, self._port), timeout=1).close()


class _Listener(ThreadingHTTPServer):
    request_queue_size = BACKLOG
    allow_reuse_port = False

    def __init__(self, host: str, port: int, front: Front) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.front = front
        self.closing = Event()
        self.resets: set[Any] = set()
        self._open: dict[Thread, Any] = {}
        super().__init__((host, port), _Conversation)

    server_bind = TCPServer.server_bind  # HTTPServer's asks DNS for this machine's name

    def accept(self) -> None:
        """Answer until closing; unlike `serve_forever` it neither polls nor ends late."""
        while not self.closing.is_set():
            self.handle_request()
        self.server_close()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return not self.closing.is_set()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Talk to one client in a thread that `join` waits for; a daemon, if nobody stops us."""
        self._open = {t: c for t, c in self._open.items() if t.is_alive()}
        work = self.process_request_thread
        thread = Thread(target=work, args=(request, client_address), daemon=True)
        self._open[thread] = request
        thread.start()

    def shutdown_request(self, request: Any) -> None:
        """End one connection, orderly unless it is to be reset."""
        if request in self.resets:
            self.resets.discard(request)
            request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that leaves in the middle is one of the cases under test."""

    def break_all(self) -> None:
        """Break every open connection."""
        for connection in self._open.values():
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def join(self) -> None:
        """Wait until no connection's thread is left."""
        for thread in list(self._open):
            thread.join()


class _Conversation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65_536  # in one write, or the client's delayed acknowledgement costs 40 ms a call
    server: _Listener

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a log line would hold the token."""

    def handle_expect_100(self) -> bool:
        """Let the client send its body, now and not with the answer."""
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def _serve(self) -> None:
        body = self._body()
        if body is None:
            self.close_connection = True
            return
        try:
            reply = self.server.front(self._request(body))
        except DroppedError as dropped:
            self.close_connection = True
            if dropped.reset:
                self.server.resets.add(self.connection)
            return
        except Exception:
            # A route of the user's raised: they should read why, not hunt for it in a thread.
            reply = Reply(500, {"Content-Type": "text/plain"}, traceback.format_exc().encode())
        if self.server.closing.is_set():
            self.close_connection = True
        else:
            self._send(reply)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _serve  # noqa: N815

    def _request(self, body: bytes) -> Request:
        # Not self.path, which has lost a double slash at the start.
        target = _ABSOLUTE.sub("", self.requestline.split()[1])
        headers = dict(self.headers.items())
        return Request(self.command, target, headers, body, left=self.server.closing.is_set)

    def _body(self) -> bytes | None:
        """Read the whole body; None if the client left in the middle of it."""
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            return self._chunks()
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        return body if len(body) == size else None

    def _chunks(self) -> bytes | None:
        """Read a body in chunks, which http.server leaves to its users."""
        pieces: list[bytes] = []
        while size := int(self.rfile.readline().partition(b";")[0].strip() or b"0", 16):
            pieces.append(self.rfile.read(size))
            if not self.rfile.readline():
                return None
        while self.rfile.readline().strip():
            pass  # trailers
        return b"".join(pieces)

    def _send(self, reply: Reply) -> None:
        headers = CaseInsensitiveDict(reply.headers)
        body = b"" if self.command == "HEAD" else reply.body
        if headers.get("Transfer-Encoding") == "chunked":
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
        else:
            promised = headers.setdefault("Content-Length", str(len(reply.body)))
            self.close_connection |= promised != str(len(reply.body))
        self.send_response_only(reply.status)
        for name, value in headers.items():
            self.send_header(name, str(value).encode("latin-1", "replace").decode("latin-1"))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
