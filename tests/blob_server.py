"""A stand-in for Azure Blob Storage on loopback: the two calls that a fetch makes (Get Blob Properties, Get Blob).

It is no Azure: it checks Shared Key signatures as Microsoft writes them down ("Authorize with Shared Key"), serves
ranges of one version, and fails on demand.
"""

import base64
import hashlib
import hmac
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.fault_server import QuietServer

ACCOUNT = "hrstore"
KEY = base64.b64encode(b"a key of thirty-two bytes, or so").decode()
SIGNED = (
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-MD5",
    "Content-Type",
    "Date",
    "If-Modified-Since",
    "If-Match",
    "If-None-Match",
    "If-Unmodified-Since",
    "Range",
)


@dataclass
class Blob:
    """What lies under a name; `coding` is its Content-Encoding, `status` what every request for it gets instead."""

    data: bytes = b""
    coding: str = ""
    public: bool = False
    status: int = 0
    sent_bytes: int | None = None


@dataclass
class BlobServer:
    """The running server: its address, its blobs by path, and the headers of each request that it saw."""

    url: str
    blobs: dict[str, Blob]
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    """`self.server.store` is the BlobServer."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        store: BlobServer = self.server.store
        store.seen.append((self.command, self.path, dict(self.headers.items())))
        blob = store.blobs.get(unquote(urlsplit(self.path).path).removeprefix(f"/{ACCOUNT}"))
        if "Authorization" in self.headers and not self.is_signed():
            return self.fail(403, "AuthenticationFailed")
        if blob is None:
            return self.fail(404, "BlobNotFound")
        if blob.status:
            return self.fail(blob.status, "ServerBusy")
        if not blob.public and "Authorization" not in self.headers:
            return self.fail(401, "NoAuthenticationInformation")
        return self.answer(blob)

    def do_HEAD(self) -> None:
        self.do_GET()

    def is_signed(self) -> bool:
        parts = urlsplit(self.path)
        own = sorted((name.lower(), value) for name, value in self.headers.items() if name.lower().startswith("x-ms-"))
        asked = sorted((name.lower(), value) for name, value in parse_qsl(parts.query))
        lines = [self.command, *(self.headers.get(name, "") for name in SIGNED)]
        lines += [f"{name}:{value}" for name, value in own]
        lines += [f"/{ACCOUNT}{parts.path}", *(f"{name}:{value}" for name, value in asked)]
        digest = hmac.digest(base64.b64decode(KEY), "\n".join(lines).encode(), hashlib.sha256)
        return self.headers["Authorization"] == f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"

    def answer(self, blob: Blob) -> None:
        body, status, placed = blob.data, 200, {}
        if wanted := self.headers.get("x-ms-range", self.headers.get("Range")):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            if int(first) >= len(blob.data):
                return self.fail(416, "InvalidRange")
            body = blob.data[int(first) : int(last) + 1]
            status = 206
            placed = {"Content-Range": f"bytes {first}-{int(first) + len(body) - 1}/{len(blob.data)}"}
        if blob.coding:
            placed["Content-Encoding"] = blob.coding
        self.send(status, {**placed, "ETag": '"0x1"', "Content-Length": str(len(body))})
        if self.command != "HEAD":
            self.wfile.write(body[: blob.sent_bytes])
            self.close_connection = blob.sent_bytes is not None
        return None

    def fail(self, status: int, code: str) -> None:
        body = b"" if self.command == "HEAD" else f"<Error><Code>{code}</Code></Error>".encode()
        advice = {"Retry-After": "7"} if status in {429, 503} else {}
        self.send(status, {"x-ms-error-code": code, "Content-Length": str(len(body)), **advice})
        self.wfile.write(body)

    def send(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        kept = {"Last-Modified": "Sun, 22 Nov 2026 00:00:00 GMT", "x-ms-blob-type": "BlockBlob"}
        for name, value in {**kept, "x-ms-creation-time": kept["Last-Modified"], **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def blob_server(blobs: dict[str, Blob]) -> Iterator[BlobServer]:
    """The server on a free port of 127.0.0.1; its address has the account in its path, as emulators do."""
    server = QuietServer(("127.0.0.1", 0), Handler)
    server.store = BlobServer(f"http://127.0.0.1:{server.server_port}/{ACCOUNT}", blobs)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
