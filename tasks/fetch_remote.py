"""Sources on file servers and in object stores, through fsspec: sftp, s3, gs, az, each an optional extra.

Nothing is taken from the environment: without stated credentials an object store is asked as anybody (`anon`), so that
no library looks for them at a metadata service. An sftp server must show the key that the profile names.
"""

import json
import socket
import time
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from tasks.address import address_rules, permitted_addresses
from tasks.errors import SourceError, TransientSourceError, WrongUseError
from tasks.fetch_options import masked_url
from tasks.retry import FETCH

if TYPE_CHECKING:
    from tasks.fetch import FetchRequest

CHUNK_BYTES: Final = 1 << 20
EXTRAS: Final = {"sftp": "sftp", "s3": "s3", "gs": "gs", "az": "azure"}


def read_remote(request: "FetchRequest", url: str) -> bytes:
    """The content of a remote file.

    Raises: TransientSourceError for failures of the network, SourceError for others, WrongUseError without the extra.
    """
    parts = urlsplit(request.filled(url, safe=""))
    shown = masked_url(url)
    error: SourceError
    try:
        return _read(request, parts, shown)
    except ImportError:
        extra = EXTRAS.get(parts.scheme, parts.scheme)
        message = f"{parts.scheme}:// needs an extra that is not installed: pip install 'rollcall[{extra}]'."
        raise WrongUseError("extra-missing", message) from None
    except FileNotFoundError:
        error = SourceError("source-not-found", f"There is no file {shown}: check the URL.")
    except PermissionError:
        error = SourceError("source-forbidden", f"{shown} may not be read: check `fetch.user` and its credentials.")
    except (OSError, EOFError):
        error = TransientSourceError("connection-failed", f"{shown} could not be read.")
    raise error


def _read(request: "FetchRequest", parts: SplitResult, shown: str) -> bytes:
    openers: dict[str, Callable[[FetchRequest, SplitResult], Any]] = {"sftp": _sftp, "s3": _s3, "gs": _gs, "az": _azure}
    files = openers[parts.scheme](request, parts)
    path = unquote(parts.path) if parts.scheme == "sftp" else f"{parts.netloc}{unquote(parts.path)}"
    limit_bytes = request.profile.fetch.size_limit_mib * 2**20
    pieces: list[bytes] = []
    size = 0
    with files.open(path, "rb") as file:
        while piece := file.read(CHUNK_BYTES):
            size += len(piece)
            if size > limit_bytes:
                raise SourceError("source-too-large", f"{shown} is too large. If it is meant, raise size_limit_mib.")
            if time.monotonic() > request.started + FETCH.total_seconds:
                raise TransientSourceError("fetch-timeout", f"{shown} is too slow: the time for a fetch is used up.")
            pieces.append(piece)
    return b"".join(pieces)


def _sftp(request: "FetchRequest", parts: SplitResult) -> Any:
    """A connection to a checked address, to a server that shows the key named in the profile."""
    import paramiko

    options = request.profile.fetch
    if not options.host_key:
        message = (
            "sftp needs `fetch.host_key`, the server's public key: `ssh-keyscan HOST` prints it, compare it first."
        )
        raise WrongUseError("host-key-missing", message)
    expected = options.host_key.split()[:2]

    class OnlyTheNamedKey(paramiko.MissingHostKeyPolicy):
        def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
            if [key.get_name(), key.get_base64()] != expected:
                message = f"{hostname} shows another key than `fetch.host_key`: ask its administrator before you go on."
                raise SourceError("host-key-wrong", message)

    host, port = parts.hostname or "", parts.port or 22
    try:
        return _filesystem(
            "sftp",
            host=host,
            port=port,
            username=request.credential(options.user),
            password=request.credential(options.password),
            sock=_socket(request, host, port),
            host_key_policy=OnlyTheNamedKey(),
            allow_agent=False,
            look_for_keys=False,
            timeout=options.connect_timeout_seconds,
        )
    except paramiko.AuthenticationException:
        raise PermissionError from None
    except paramiko.SSHException:
        raise OSError from None


def _socket(request: "FetchRequest", host: str, port: int) -> socket.socket:
    failure: OSError = OSError()
    for address in permitted_addresses(host, port, address_rules(request.url_allow, request.url_deny)):
        try:
            return socket.create_connection((str(address), port), request.profile.fetch.connect_timeout_seconds)
        except OSError as error:
            failure = error
    raise failure


def _s3(request: "FetchRequest", parts: SplitResult) -> Any:
    options = request.profile.fetch
    if options.user is None:
        return _filesystem("s3", anon=True)
    return _filesystem("s3", key=request.credential(options.user), secret=request.credential(options.password))


def _gs(request: "FetchRequest", parts: SplitResult) -> Any:
    """Google Cloud Storage; the token is the JSON text of a service account's key."""
    options = request.profile.fetch
    return _filesystem("gcs", token=json.loads(request.credential(options.token)) if options.token else "anon")


def _azure(request: "FetchRequest", parts: SplitResult) -> Any:
    options = request.profile.fetch
    key = request.credential(options.password) if options.password else None
    return _filesystem("az", account_name=request.credential(options.user), account_key=key, anon=key is None)


def _filesystem(protocol: str, **options: Any) -> Any:
    """A file system of fsspec, which has no types; ImportError where its extra is not installed."""
    return import_module("fsspec").filesystem(protocol, skip_instance_cache=True, **options)
