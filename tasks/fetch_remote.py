"""Sources on file servers and in object stores, through fsspec: sftp, s3, gs, az, each an optional extra.

Nothing is taken from the environment: without stated credentials an object store is asked as anybody, so that no
library looks for them at a metadata service.
"""

import time
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from tasks.errors import SourceError, TransientSourceError, WrongUseError
from tasks.fetch_options import masked_url, too_large
from tasks.progress import progress

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
    options = request.profile.fetch
    limit_bytes = options.size_limit_mib * 2**20
    pieces: list[bytes] = []
    size = 0
    with openers[parts.scheme](request, parts, shown) as files:
        stated_bytes = files.ftp.stat(path).st_size if parts.scheme == "sftp" else _size(files.info(path))
        if stated_bytes is not None and stated_bytes > limit_bytes:
            raise too_large(shown, options)
        with files.open(path, "rb") as file, progress("bytes", stated_bytes or 0) as advance:
            while piece := file.read(CHUNK_BYTES):
                size += len(piece)
                if size > limit_bytes:
                    raise too_large(shown, options)
                if time.monotonic() > request.ends_at:
                    raise TimeoutError
                pieces.append(piece)
                advance(size)
    if stated_bytes is not None and size != stated_bytes:
        message = (
            f"{size} bytes of {shown} came, and the server says that it has {stated_bytes}: it is cut or changing."
        )
        raise TransientSourceError("body-truncated", message)
    return b"".join(pieces)


def _size(details: dict[str, Any]) -> int:
    """The size of a file in an object store, where a name may be of a folder instead."""
    if details.get("type") == "directory":
        raise FileNotFoundError
    return int(details["size"])


def _sftp(request: "FetchRequest", parts: SplitResult, shown: str) -> AbstractContextManager[Any]:
    from tasks.fetch_sftp import sftp_files

    return sftp_files(request, parts.hostname or "", parts.port or 22)


def _s3(request: "FetchRequest", parts: SplitResult, shown: str) -> AbstractContextManager[Any]:
    from tasks.fetch_s3 import s3_files

    return s3_files(request, shown)


def _gs(request: "FetchRequest", parts: SplitResult, shown: str) -> AbstractContextManager[Any]:
    from tasks.fetch_gs import gs_files

    return gs_files(request, shown)


def _azure(request: "FetchRequest", parts: SplitResult, shown: str) -> AbstractContextManager[Any]:
    from tasks.fetch_azure import azure_files

    return azure_files(request, shown)
