"""One HTTP exchange, redirects included: the body as sent, or the reason why not.

Each redirect is judged like the first URL. Credentials, custom headers and the client certificate go to the first
origin only. `tasks.checked_connection` sees to it that each connection goes where it may.
"""

import socket
import ssl
import time
import zlib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import responses
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.auth import AuthBase, HTTPBasicAuth

from tasks.address import AddressRules
from tasks.archive import Limits, gunzip, inflate
from tasks.checked_connection import CheckedAdapter, HeadersCutError
from tasks.errors import SourceError, TransientSourceError
from tasks.fetch_options import FetchOptions, has_port, too_large
from tasks.progress import progress
from tasks.tls import tls_context, tls_fault
from tasks.watchdog import Watchdog

CHUNK_BYTES: Final = 1 << 18
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
TRANSIENT: Final = frozenset({408, 425, 429})
"""Statuses that may pass, besides 5xx."""
ADVICE: Final = {
    401: "The server wants credentials: check `fetch.auth` and the credentials that it names.",
    403: "The server refuses these credentials: check them, and the address of this machine.",
    404: "There is nothing at this address: check the URL.",
    407: "A proxy wants credentials; Rollcall uses no proxy.",
    410: "The file was taken away for good: ask for its new address.",
}


@dataclass(frozen=True)
class Exchange:
    """All that one GET needs; `name` is the URL as it may be shown, `ends_at` a reading of `time.monotonic`."""

    url: str = field(repr=False)
    name: str
    options: FetchOptions
    rules: AddressRules
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    basic: tuple[str, str] | None = field(default=None, repr=False)
    passphrase: str | None = field(default=None, repr=False)
    ends_at: float = float("inf")

    def shown(self, url: str) -> str:
        """A URL to show: of a redirect only the host, since signatures like to stand in its path."""
        parts = urlsplit(url)
        return self.name if url == self.url else f"{parts.scheme}://{parts.hostname}/…"


@dataclass(frozen=True)
class Answer:
    """The body of a 200, or `body` None for a 304."""

    body: bytes | None
    etag: str = ""
    last_modified: str = ""


def get(exchange: Exchange) -> Answer:
    """What the server sends, whole.

    Raises: TransientSourceError for failures that may pass, SourceError for others.
    """
    url = exchange.url
    for _ in range(exchange.options.redirects_limit + 1):
        with (
            Watchdog(exchange.ends_at) as watchdog,
            _our_errors(exchange.shown(url), watchdog),
            _session(exchange, url, watchdog) as session,
            session.get(**_request(exchange, url)) as response,
        ):
            if response.status_code not in REDIRECTS or "Location" not in response.headers:
                return _answer(response, exchange, url)
            url = _next_url(exchange, url, response.headers["Location"])
    raise SourceError(
        "redirects-too-many",
        f"{exchange.name} redirects more than {exchange.options.redirects_limit} times, or in a circle: "
        "use the address where it ends.",
    )


def _request(exchange: Exchange, url: str) -> dict[str, Any]:
    options = exchange.options
    own = _origin(url) == _origin(exchange.url)
    return {
        "url": url,
        "headers": {"Accept-Encoding": "gzip", "User-Agent": "rollcall", **(exchange.headers if own else {})},
        "auth": _BasicUtf8(*exchange.basic) if own and exchange.basic else None,
        "verify": (options.ca_file or True) if options.verify else False,
        "timeout": (options.connect_timeout_seconds, min(options.read_timeout_seconds, _seconds_left(exchange, url))),
        "allow_redirects": False,
        "stream": True,
    }


class _Session(requests.Session):
    """Leaves redirects alone: requests would read their bodies, however long, and stumble over their addresses."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class _BasicUtf8(AuthBase):
    """Basic authentication with UTF-8 (RFC 7617, section 2.1); requests would send Latin-1."""

    def __init__(self, user: str, password: str) -> None:
        self._user = user
        self._password = password

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        return HTTPBasicAuth(self._user.encode(), self._password.encode())(r)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _next_url(exchange: Exchange, url: str, location: str) -> str:
    try:
        target = urljoin(url, location)
        scheme = urlsplit(target).scheme if has_port(urlsplit(target)) else ""
    except ValueError:
        target = scheme = ""
    if scheme not in {"http", "https"} or (scheme == "http" and urlsplit(url).scheme == "https"):
        raise SourceError(
            "redirect-refused",
            f"{exchange.shown(url)} redirects from {urlsplit(url).scheme} to {scheme or 'nowhere'}, which is not "
            "followed: use an https address that leads to the file itself.",
        )
    return target


def _answer(response: requests.Response, exchange: Exchange, url: str) -> Answer:
    status = response.status_code
    validators = response.headers.get("ETag", ""), response.headers.get("Last-Modified", "")
    if status == 304:
        return Answer(None, *validators)
    if status == 200:
        return Answer(_unpacked(response, _body(response, exchange, url), exchange.options), *validators)
    text = f"{exchange.shown(url)} answers {status} {responses.get(status, '')}".rstrip() + "."
    if is_transient(status):
        retry_after = retry_after_seconds(response.headers.get("Retry-After", ""))
        raise TransientSourceError(f"http-{status}", text, retry_after)
    raise SourceError(f"http-{status}", f"{text} {ADVICE.get(status, 'Check the URL in a browser.')}")


def is_transient(status: int) -> bool:
    """Whether another attempt may get another answer."""
    return status in TRANSIENT or 500 <= status <= 599


def retry_after_seconds(header: str) -> float | None:
    """What Retry-After asks for, as seconds or as a date (RFC 9110, section 10.2.3)."""
    value = header.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max((moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds(), 0.0)


def _body(response: requests.Response, exchange: Exchange, url: str) -> bytes:
    limit_bytes = int(exchange.options.size_limit_mib * 2**20)
    stated = response.headers.get("Content-Length", "")
    stated_bytes = int(stated) if stated.isascii() and stated.isdigit() else None
    pieces: list[bytes] = []
    size = 0
    if stated_bytes is not None and stated_bytes > limit_bytes:
        raise too_large(exchange.shown(url), exchange.options)
    with progress("bytes", stated_bytes or 0) as advance:
        while piece := response.raw.read1(CHUNK_BYTES, decode_content=False):
            size += len(piece)
            if size > limit_bytes:
                raise too_large(exchange.shown(url), exchange.options)
            _seconds_left(exchange, url)
            pieces.append(piece)
            advance(size)
    _seconds_left(exchange, url)  # the watchdog's bite looks like the end of a body
    if stated_bytes is not None and size != stated_bytes:
        raise _cut(exchange.shown(url), f"{size} of {stated_bytes} bytes came")
    if stated_bytes is None and not size and not response.raw.chunked:
        raise _cut(exchange.shown(url), "nothing came, and its headers do not say that nothing is to come")
    return b"".join(pieces)


def _unpacked(response: requests.Response, body: bytes, options: FetchOptions) -> bytes:
    """The body without its content coding, which is the transport's and not the file's."""
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    limits = Limits(int(options.unpacked_limit_mib * 2**20), options.ratio_limit)
    match coding:
        case "" | "identity":
            return body
        case "gzip" | "x-gzip":
            return gunzip(body, limits)
        case "deflate":
            return inflate(body, limits)
        case _:
            raise SourceError("coding-unknown", f"The server packs its answer as {coding[:40]!r}: only gzip is read.")


def _cut(shown: str, found: str) -> TransientSourceError:
    return TransientSourceError("body-truncated", f"The answer of {shown} was cut off: {found}.")


def _seconds_left(exchange: Exchange, url: str) -> float:
    left = exchange.ends_at - time.monotonic()
    if left <= 0:
        raise _too_slow(exchange.shown(url))
    return left


def _too_slow(shown: str) -> TransientSourceError:
    return TransientSourceError("fetch-timeout", f"{shown} is too slow: the time for a fetch is used up.")


@contextmanager
def _our_errors(shown: str, watchdog: Watchdog) -> Generator[None, None, None]:
    """Turns failures of the libraries into ours; their texts hold the URL with its secrets."""
    error: SourceError | None = None
    try:
        yield
    except (requests.exceptions.SSLError, urllib3.exceptions.SSLError, ssl.SSLError) as cause:
        error = tls_fault(shown, cause)
    except (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError):
        error = TransientSourceError("fetch-timeout", f"{shown} did not answer in time.")
    except HeadersCutError:
        error = _cut(shown, "the connection ended before its headers did")
    except (urllib3.exceptions.ProtocolError, requests.exceptions.ChunkedEncodingError):
        error = _cut(shown, "the connection ended before the body did")
    except (requests.ConnectionError, urllib3.exceptions.HTTPError, socket.gaierror):
        error = TransientSourceError("connection-failed", f"{shown} could not be reached.")
    except zlib.error:
        error = _cut(shown, "its packed body is damaged")
    except (requests.RequestException, OSError, ValueError) as cause:
        error = SourceError("fetch-failed", f"{shown} cannot be fetched ({type(cause).__name__}): check the profile.")
    if error is not None:
        raise error if watchdog.seconds_left else _too_slow(shown)


def _session(exchange: Exchange, url: str, watchdog: Watchdog) -> requests.Session:
    """A session that reads no environment, keeps nothing between redirects and connects where it may only."""
    session = _Session()
    session.trust_env = False
    own = _origin(url) == _origin(exchange.url)
    tls = tls_context(exchange.options, exchange.passphrase, shows_certificate=own)
    session.mount(f"{urlsplit(url).scheme}://", CheckedAdapter(exchange.rules, tls, watchdog))
    return session
