"""Google Cloud Storage, through gcsfs: with the key of a service account that the profile names, or as anybody.

gcsfs looks for an emulator, a project and default credentials in the environment, and for a metadata service; here it
gets its server and its token from us. It lists nothing, so that the right to read one object is enough, and it tries
nothing again: retries are the fetch's own.
"""

import json
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

import requests
import urllib3
from aiohttp import ClientError, ClientResponse, ClientSession

from tasks.checked_connection import CheckedAdapter, HeadersCutError
from tasks.errors import SourceError, WrongUseError
from tasks.fetch_http import is_transient
from tasks.fetch_options import too_large
from tasks.store_connection import StoreConnection, store_connection

if TYPE_CHECKING:
    from tasks.fetch import FetchRequest

# The libraries of the extra gs have no types.
fsspec_asyn: Any = import_module("fsspec.asyn")
GCSFileSystem: Any = import_module("gcsfs.core").GCSFileSystem
GoogleAuthError: Any = import_module("google.auth.exceptions").GoogleAuthError
ServiceAccount: Any = import_module("google.oauth2.service_account").Credentials

SERVER: Final = "https://storage.googleapis.com"
MAY_READ: Final = "https://www.googleapis.com/auth/devstorage.read_only"


@contextmanager
def gs_files(request: "FetchRequest", shown: str) -> Generator[Any, None, None]:
    """The file system of the bucket's server; failures inside the block come out as ours.

    Raises: WrongUseError for a credential that is no key of a service account.
    """
    options = request.profile.fetch
    key = _key(options.token, request.credential(options.token)) if options.token else None
    error: SourceError
    with store_connection(request, shown) as connection:
        try:
            token = _with_token(key, connection) if key else "anon"
            with closing(_Objects(connection, token)) as objects:
                yield objects
            return
        except (
            ClientError,
            HeadersCutError,
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            OSError,
        ) as cause:
            error = connection.failed_by(cause)
        except GoogleAuthError:
            error = connection.refused_by_status(401)
    raise error


def _key(name: str, text: str) -> Any:
    """The credentials that the JSON text of a service account's key is."""
    try:
        key: object = json.loads(text)
        if isinstance(key, dict):
            return ServiceAccount.from_service_account_info(cast("dict[str, Any]", key), scopes=[MAY_READ])
    except (ValueError, GoogleAuthError):
        pass
    message = f"The credential {name} is no key of a service account: put the text of the key's JSON file there."
    raise WrongUseError("token-unusable", message)


def _with_token(key: Any, connection: StoreConnection) -> Any:
    """The same credentials with a token that lasts longer than a fetch; gcsfs would fetch it on ways of its own."""
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", CheckedAdapter(connection.rules, connection.tls(), connection.watchdog))
        session.mount("http://", CheckedAdapter(connection.rules, connection.tls(), connection.watchdog))
        key.refresh(_TokenRequest(session, connection))
    return key


class _TokenRequest:
    """One request of google-auth, which would try it again by itself."""

    def __init__(self, session: requests.Session, connection: StoreConnection) -> None:
        self._session = session
        self._connection = connection

    def __call__(self, url: str, method: str = "GET", body: Any = None, headers: Any = None, **_: Any) -> Any:
        options = self._connection.options
        answer = self._session.request(
            method,
            url,
            data=body,
            headers=headers,
            verify=(options.ca_file or True) if options.verify else False,
            timeout=(options.connect_timeout_seconds, options.read_timeout_seconds),
            allow_redirects=False,
        )
        if is_transient(answer.status_code):
            raise self._connection.refused_by_status(answer.status_code, answer.headers.get("Retry-After", ""))
        return _TokenAnswer(answer.status_code, answer.headers, answer.content)


@dataclass(frozen=True)
class _TokenAnswer:
    """An answer as google-auth wants it."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class _Objects(GCSFileSystem):
    """Objects by their names, each asked for once."""

    def __init__(self, connection: StoreConnection, token: Any) -> None:
        self._way = connection
        self._opened: ClientSession | None = None
        endpoint = connection.options.endpoint or SERVER
        GCSFileSystem.__init__(
            self, project="", access="read_only", token=token, endpoint_url=endpoint, skip_instance_cache=True
        )

    def close(self) -> None:
        """Ends the connections."""
        if self._opened is not None:
            fsspec_asyn.sync(self.loop, self._opened.close)

    async def _set_session(self) -> Any:
        if self._opened is None:
            self._opened = ClientSession(**self._way.session_options())
        return self._opened

    async def _info(self, path: str, generation: str | None = None, **_: Any) -> Any:
        return await self._get_object(path)

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        """An object to read at once: pieces of it could be of two versions."""
        return GCSFileSystem._open(self, path, mode, block_size=self._way.limit_bytes)

    async def _request(self, method: str, path: str, *args: str, headers: Any = None, **parameters: Any) -> Any:
        session = await self._set_session()
        generation = parameters.get("generation")
        async with session.request(
            method,
            self._format_path(path, args),
            params={"generation": generation} if generation else {},
            headers=self._get_headers({"Accept-Encoding": "gzip", **(headers or {})}),
            allow_redirects=False,
        ) as answer:
            if answer.status not in {200, 206}:
                raise self._way.refused_by_status(answer.status, answer.headers.get("Retry-After", ""))
            return answer.status, answer.headers, answer.request_info, await self._body(answer)

    async def _body(self, answer: ClientResponse) -> bytes:
        body = bytearray()
        async for piece in answer.content.iter_any():
            body += piece
            if len(body) > self._way.limit_bytes:
                raise too_large(self._way.shown, self._way.options)
        return bytes(body)
