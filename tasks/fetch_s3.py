"""S3 and what speaks like it (MinIO, Ceph), through s3fs: to addresses that may be reached, as the profile says.

botocore looks for credentials, proxies, profiles and endpoints in the environment, in files of the home folder and at a
metadata service; here it finds none of them. It tries nothing again: retries are the fetch's own.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from tasks.errors import SourceError
from tasks.store_connection import StoreConnection, store_connection

if TYPE_CHECKING:
    from tasks.fetch import FetchRequest

# The libraries of the extra s3 have no types.
AioSession: Any = import_module("aiobotocore.session").AioSession
BotoCoreError: Any = import_module("botocore.exceptions").BotoCoreError
ClientError: Any = import_module("botocore.exceptions").ClientError
S3FileSystem: Any = import_module("s3fs").S3FileSystem

SETTINGS: Final[dict[str, Any]] = {
    name: (None, None, os.devnull if name in {"config_file", "credentials_file"} else default, convert)
    for name, (_, _, default, convert) in AioSession.SESSION_VARIABLES.items()
}
"""Every variable of a session at its default, with neither an environment variable nor a file behind it."""


@contextmanager
def s3_files(request: "FetchRequest", shown: str) -> Generator[Any, None, None]:
    """The file system of the bucket's server; failures inside the block come out as ours."""
    error: SourceError
    with store_connection(request, shown) as connection:
        try:
            yield _file_system(request, connection)
            return
        except (BotoCoreError, OSError) as cause:
            status = _status(cause)
            error = connection.refused_by_status(status) if status else connection.failed_by(cause)
        except (KeyError, ValueError) as cause:
            error = SourceError("fetch-failed", f"{shown} cannot be fetched ({type(cause).__name__}): check it.")
    raise error


def _status(error: BaseException | None) -> int | None:
    """The status of the answer behind an error: s3fs turns most of them into an OSError."""
    while error is not None and not isinstance(error, ClientError):
        error = error.__cause__
    answer: dict[str, dict[str, int]] = getattr(error, "response", {})
    return answer.get("ResponseMetadata", {}).get("HTTPStatusCode")


def _file_system(request: "FetchRequest", connection: StoreConnection) -> Any:
    options = request.profile.fetch
    who: dict[str, Any] = {"anon": True}
    if options.user is not None:
        who = {"key": request.credential(options.user), "secret": request.credential(options.password)}
    files = S3FileSystem(
        **who,
        endpoint_url=options.endpoint,
        session=AioSession(session_vars=SETTINGS),
        client_kwargs={"verify": options.ca_file or options.verify},
        config_kwargs={
            "connect_timeout": options.connect_timeout_seconds,
            "read_timeout": options.read_timeout_seconds,
            "retries": {"total_max_attempts": 1, "mode": "standard"},
            "proxies": {},
            "s3": {"addressing_style": "path" if options.endpoint else "auto"},
            "connector_args": connection.connector_options(),
        },
        skip_instance_cache=True,
    )
    files.retries = 1
    return files
