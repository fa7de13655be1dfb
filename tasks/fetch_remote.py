"""Sources on file servers and in object stores, through fsspec: sftp, s3, gs, az, each an optional extra.

Nothing is taken from the environment: without stated credentials an object store is asked as anybody (`anon`), so that
no library looks for them at a metadata service.
"""

import json
import time
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import SplitResult, unquote, urlsplit

from tasks.errors import SourceError, TransientSourceError, WrongUseError
from tasks.fetch_options import masked_url

if TYPE_CHECKING:
    from tasks.fetch import FetchRequest

CHUNK_BYTES: Final = 1 << 20
REFUSED: Final = frozenset({"RefreshError", "ClientAuthenticationError"})
"""What the libraries of object stores raise over credentials, without a status."""
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
        error = SourceError("source-forbidden", f"{shown} may not be read: check the credentials that `fetch` names.")
    except TimeoutError:
        error = TransientSourceError("fetch-timeout", f"{shown} is too slow: it did not answer in time.")
    except (OSError, EOFError):
        error = TransientSourceError("connection-failed", f"{shown} could not be read.")
    except ValueError as cause:
        error = SourceError("fetch-failed", f"{shown} cannot be fetched ({type(cause).__name__}): check the profile.")
    raise error


def _read(request: "FetchRequest", parts: SplitResult, shown: str) -> bytes:
    openers = {"sftp": _sftp, "s3": _s3, "gs": _gs, "az": _azure}
    path = unquote(parts.path) if parts.scheme == "sftp" else f"{parts.netloc}{unquote(parts.path)}"
    limit_mib = request.profile.fetch.size_limit_mib
    pieces: list[bytes] = []
    size = 0
    with openers[parts.scheme](request, parts, shown) as files:
        stated_bytes = files.ftp.stat(path).st_size if parts.scheme == "sftp" else files.info(path)["size"]
        with files.open(path, "rb") as file:
            while piece := file.read(CHUNK_BYTES):
                size += len(piece)
                if size > limit_mib * 2**20:
                    message = f"{shown} is larger than {limit_mib:g} MiB. If it is meant, raise fetch.size_limit_mib."
                    raise SourceError("source-too-large", message)
                if time.monotonic() > request.ends_at:
                    raise TimeoutError
                pieces.append(piece)
    if stated_bytes is not None and size != stated_bytes:
        message = (
            f"{size} bytes of {shown} came, and the server says that it has {stated_bytes}: it is cut or changing."
        )
        raise TransientSourceError("body-truncated", message)
    return b"".join(pieces)


def _sftp(request: "FetchRequest", parts: SplitResult, shown: str) -> AbstractContextManager[Any]:
    from tasks.fetch_sftp import sftp_files

    return sftp_files(request, parts.hostname or "", parts.port or 22)


def _s3(request: "FetchRequest", parts: SplitResult, shown: str) -> AbstractContextManager[Any]:
    from tasks.fetch_s3 import s3_files

    return s3_files(request, shown)


@contextmanager
def _gs(request: "FetchRequest", parts: SplitResult, shown: str) -> Generator[Any, None, None]:
    """Google Cloud Storage; the token is the JSON text of a service account's key."""
    options = request.profile.fetch
    token = _service_account(request, options.token) if options.token else "anon"
    kinds = _kinds("gcsfs.retry:HttpError", "google.auth.exceptions:GoogleAuthError", "aiohttp:ClientError")
    with _as_os_errors(kinds):
        yield _filesystem("gcs", token=token)


def _service_account(request: "FetchRequest", name: str) -> dict[str, Any]:
    try:
        key = json.loads(request.credential(name))
    except ValueError:
        key = None
    if not isinstance(key, dict):
        message = f"The credential {name} is no key of a service account: put the text of the key's JSON file there."
        raise WrongUseError("token-unusable", message)
    return cast("dict[str, Any]", key)


@contextmanager
def _azure(request: "FetchRequest", parts: SplitResult, shown: str) -> Generator[Any, None, None]:
    options = request.profile.fetch
    key = request.credential(options.password) if options.password else None
    who = {"account_name": request.credential(options.user), "account_key": key, "anon": key is None}
    with _as_os_errors(_kinds("azure.core.exceptions:AzureError", "aiohttp:ClientError")):
        yield _filesystem("az", **who)


def _kinds(*names: str) -> tuple[type[Exception], ...]:
    """The exceptions of optional libraries, each as `module:name`."""
    return tuple(getattr(import_module(name.partition(":")[0]), name.partition(":")[2]) for name in names)


@contextmanager
def _as_os_errors(kinds: tuple[type[Exception], ...]) -> Generator[None, None, None]:
    """What the libraries of object stores raise, as the rest of Python says it: by the status, where there is one."""
    error: Exception
    try:
        yield
        return
    except kinds as cause:
        status = getattr(cause, "status_code", None) or getattr(cause, "code", None)
        if status in {401, 403} or type(cause).__name__ in REFUSED:
            error = PermissionError()
        elif isinstance(cause, ValueError) or (
            isinstance(status, int) and 400 <= status <= 499 and status not in {408, 425, 429}
        ):
            error = ValueError()
        else:
            error = OSError()
    raise error


def _filesystem(protocol: str, **options: Any) -> Any:
    """A file system of fsspec, which has no types; ImportError where its extra is not installed."""
    return import_module("fsspec").filesystem(protocol, skip_instance_cache=True, **options)
