"""Azure Blob Storage, through adlfs: with the key of the account that the profile names, or as anybody.

adlfs fills every credential that is missing from the environment (AZURE_STORAGE_*); here its client is made by us, out
of what the profile names. It lists nothing, so that the right to read one blob is enough, and it tries nothing again:
retries are the fetch's own.
"""

import re
from base64 import b64decode
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from aiohttp import ClientError, ClientSession

from tasks.errors import SourceError, WrongUseError
from tasks.store_connection import StoreConnection, store_connection

if TYPE_CHECKING:
    from tasks.fetch import FetchRequest

# The libraries of the extra azure have no types that agree with ours.
adlfs: Any = import_module("adlfs.spec")
fsspec_asyn: Any = import_module("fsspec.asyn")
AzureError: Any = import_module("azure.core.exceptions").AzureError
AioHttpTransport: Any = import_module("azure.core.pipeline.transport").AioHttpTransport
BlobServiceClient: Any = import_module("azure.storage.blob.aio").BlobServiceClient

ACCOUNT: Final = re.compile(r"[a-z0-9-]{3,63}")
"""What stands before `.blob.core.windows.net`; anything else could lead to another server."""


@contextmanager
def azure_files(request: "FetchRequest", shown: str) -> Generator[Any, None, None]:
    """The file system of the account; failures inside the block come out as ours.

    Raises: WrongUseError for credentials that cannot be ones.
    """
    account, key = _who(request)
    error: SourceError
    with store_connection(request, shown) as connection:
        try:
            with _client(connection, account, key) as client:
                yield _Blobs(client, connection.limit_bytes)
            return
        except (AzureError, ClientError, OSError) as cause:
            status = getattr(cause, "status_code", None)
            retry_after = str(getattr(getattr(cause, "response", None), "headers", {}).get("Retry-After", ""))
            error = connection.refused_by_status(status, retry_after) if status else connection.failed_by(cause)
    raise error


def _who(request: "FetchRequest") -> tuple[str, str | None]:
    """The name of the account and its key, None where the store is asked as anybody."""
    options = request.profile.fetch
    account = request.credential(options.user)
    if not ACCOUNT.fullmatch(account):
        message = f"The credential {options.user} is no name of a storage account: put the name alone there."
        raise WrongUseError("account-unusable", message)
    if options.password is None:
        return account, None
    key = request.credential(options.password)
    try:
        b64decode(key, validate=True)
    except ValueError:
        message = f"The credential {options.password} is no key of a storage account: copy it whole, in Base64."
        raise WrongUseError("key-unusable", message) from None
    return account, key


@contextmanager
def _client(connection: StoreConnection, account: str, key: str | None) -> Generator[Any, None, None]:
    """The client of the account, in the event loop of fsspec, where all else of it runs."""

    async def opened() -> tuple[Any, Any]:
        session = ClientSession(**connection.session_options())
        client = BlobServiceClient(
            connection.options.endpoint or f"https://{account}.blob.core.windows.net",
            credential={"account_name": account, "account_key": key} if key is not None else None,
            transport=AioHttpTransport(
                session=session,
                session_owner=False,
                use_env_settings=False,
                connection_timeout=connection.options.connect_timeout_seconds,
                read_timeout=connection.options.read_timeout_seconds,
            ),
            retry_total=0,
            permit_redirects=False,
        )
        return session, client

    session, client = fsspec_asyn.sync(fsspec_asyn.get_loop(), opened)
    try:
        yield client
    finally:
        fsspec_asyn.sync(fsspec_asyn.get_loop(), session.close)


class _Blobs(adlfs.AzureBlobFileSystem):
    """Blobs by their names; nothing is a folder."""

    def __init__(self, client: Any, limit_bytes: int) -> None:
        self._made = client
        self._limit_bytes = limit_bytes
        adlfs.AzureBlobFileSystem.__init__(self, account_name="", anon=True, skip_instance_cache=True)

    def do_connect(self) -> None:
        self.service_client = self._made

    def _get_credential_from_service_principal(self) -> tuple[None, None]:
        return None, None

    async def _dir_exists(self, *_: Any) -> bool:
        return False

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        """A blob to read at once: the library sees to it that all pieces of a download are of one version."""
        return _Blob(self, path, mode=mode, block_size=self._limit_bytes)


class _Blob(adlfs.AzureBlobFile):
    """The bytes of a blob as they lie there: a packed one is unpacked within our limits, not by the library."""

    async def _async_fetch_range(self, start: int, end: int | None = None, **_: Any) -> bytes:
        length = min(end or self.size, self.size) - start
        stream = await self.container_client.download_blob(
            self.blob, offset=start, length=length, decompress=False, max_concurrency=1
        )
        return await stream.readall()

    _fetch_range = fsspec_asyn.sync_wrapper(_async_fetch_range)
