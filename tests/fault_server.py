"""A web server on loopback that fails in every way that web servers fail."""

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

CSV = b"displayname,username\nMax Muster,mmuster\n"
BOMB = gzip.compress(bytes(50 << 20))


@dataclass
class FaultServer:
    """The running server: its address, each request that it saw, and the name in each client certificate, or ""."""

    url: str
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    clients: list[str] = field(default_factory=list)

    def paths(self) -> list[str]:
        return [path for path, _ in self.seen]


class Handler(BaseHTTPRequestHandler):
    """Answers by the path; `self.server.fault` is the FaultServer."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        fault: FaultServer = self.server.fault
        path = self.path.partition("?")[0]
        fault.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        fault.clients.append(self.client_name())
        times = fault.paths().count(self.path)
        name, _, argument = path.strip("/").partition("/")
        getattr(self, f"answer_{name}")(argument, times)

    def do_HEAD(self) -> None:
        self.do_GET()

    def client_name(self) -> str:
        certificate = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
        return certificate["subject"][0][0][1] if certificate else ""

    def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer_good(self, argument: str, times: int) -> None:
        if self.headers.get("If-None-Match") == '"v1"':
            return self.send(304, ETag='"v1"')
        return self.send(200, CSV, ETag='"v1"', Last_Modified="Sun, 22 Nov 2026 00:00:00 GMT")

    def answer_status(self, argument: str, times: int) -> None:
        self.send(int(argument.partition("/")[0]), **({"Retry_After": "7"} if argument.startswith("429") else {}))

    def answer_twice(self, argument: str, times: int) -> None:
        self.send(int(argument) if times <= 2 else 200, b"" if times <= 2 else CSV)

    def answer_later(self, argument: str, times: int) -> None:
        if times == 1:
            return self.send(429, Retry_After=argument.replace("_", " "))
        return self.send(200, CSV)

    def answer_drip(self, argument: str, times: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        for _ in range(1000):
            try:
                self.wfile.write(b"x")
            except OSError:
                return
            time.sleep(0.02)

    def answer_silent(self, argument: str, times: int) -> None:
        time.sleep(0.6)
        self.close_connection = True

    def answer_dripping_header(self, argument: str, times: int) -> None:
        self.send_response(200)
        self.flush_headers()
        for letter in b"X: " + b"x" * 1000:
            try:
                self.wfile.write(bytes([letter]))
            except OSError:
                return
            time.sleep(0.02)

    def answer_cut_header(self, argument: str, times: int) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Le")
        self.close_connection = True

    def answer_cut_redirect(self, argument: str, times: int) -> None:
        """The redirect's target is there, the end of the headers is not: it may be half a name."""
        end = {"line": "", "word": "\r\n", "name": "\r\nContent-Le", "colon": "\r\nContent-Length:"}[argument]
        self.wfile.write(f"HTTP/1.1 302 Found\r\nDate: x\r\nLocation: /good{end}".encode())
        self.close_connection = True

    def answer_empty(self, argument: str, times: int) -> None:
        self.send_response(200)
        if argument == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.send_header("Content-Length", "0")
            self.end_headers()

    def answer_cut(self, argument: str, times: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(CSV) + 100))
        self.end_headers()
        self.wfile.write(CSV)
        self.close_connection = True

    def answer_chunked(self, argument: str, times: int) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(CSV), CSV))
        if argument == "whole":
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    def answer_reset(self, argument: str, times: int) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.connection.close()

    def answer_redirect(self, argument: str, times: int) -> None:
        self.send(302, Location=argument)

    def answer_metadata(self, argument: str, times: int) -> None:
        self.send(302, Location="http://169.254.169.254/latest/meta-data/")

    def answer_nowhere(self, argument: str, times: int) -> None:
        self.send(302, Location=f"//{unquote(argument)}")

    def answer_loop(self, argument: str, times: int) -> None:
        self.send(302, Location="/loop")

    def answer_gzip(self, argument: str, times: int) -> None:
        packed = gzip.compress(CSV)
        body = {"whole": packed, "cut": packed[:-9], "bomb": BOMB}[argument]
        self.send(200, body, Content_Encoding="gzip")

    def answer_huge(self, argument: str, times: int) -> None:
        self.send(200, b"", Content_Length=str(10**12))

    def answer_basic(self, argument: str, times: int) -> None:
        self.send(200 if self.headers.get("Authorization") else 401, CSV if self.headers.get("Authorization") else b"")

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what these tests are about."""


@contextmanager
def fault_server(tls: ssl.SSLContext | None = None) -> Iterator[FaultServer]:
    """A fault server on a free port of 127.0.0.1."""
    server = QuietServer(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.fault = FaultServer(f"{'https' if tls else 'http'}://localhost:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.fault
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
