"""A stand-in for Google's token service, and for a bucket that asks for its tokens: the emulator asks for none."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.fault_server import QuietServer

CSV = b"displayname,username\nMax Muster,mmuster\n"
TOKEN = "ya29.t0ken"
AUDIENCE = "https://oauth2.googleapis.com/token"
SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"


@dataclass
class GoogleServer:
    """The running server: its address, the one key that it knows, and each request that it saw."""

    url: str
    key: rsa.RSAPrivateKey
    token_status: int = 200
    seen: list[str] = field(default_factory=list)

    def service_account(self, key: rsa.RSAPrivateKey | None = None) -> str:
        """The JSON text of a service account's key."""
        pem = (key or self.key).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        account = {"type": "service_account", "client_email": "hr@project.example", "private_key_id": "1"}
        return json.dumps({**account, "private_key": pem, "token_uri": f"{self.url}/token"})


class Handler(BaseHTTPRequestHandler):
    """`self.server.google` is the GoogleServer."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        google: GoogleServer = self.server.google
        google.seen.append(self.path)
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if google.token_status != 200:
            return self.send(google.token_status, {})
        if not self.is_ours(form["assertion"][0]):
            return self.send(400, {"error": "invalid_grant"})
        return self.send(200, {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"})

    def is_ours(self, assertion: str) -> bool:
        google: GoogleServer = self.server.google
        signed, _, signature = assertion.rpartition(".")
        try:
            google.key.public_key().verify(decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        claims = json.loads(decoded(signed.partition(".")[2]))
        return claims["aud"] == AUDIENCE and claims["scope"] == SCOPE

    def do_GET(self) -> None:
        google: GoogleServer = self.server.google
        google.seen.append(self.path)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.send(401, {"error": {"code": 401, "message": "Invalid Credentials"}})
        if parse_qs(urlsplit(self.path).query).get("alt") == ["media"]:
            return self.send(206, CSV)
        return self.send(200, {"name": "users.csv", "bucket": "staff", "size": str(len(CSV))})

    def send(self, status: int, answer: object) -> None:
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@contextmanager
def google_server() -> Iterator[GoogleServer]:
    """The server on a free port of 127.0.0.1."""
    server = QuietServer(("127.0.0.1", 0), Handler)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    server.google = GoogleServer(f"http://127.0.0.1:{server.server_port}", key)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.google
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
