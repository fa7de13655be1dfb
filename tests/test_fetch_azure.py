"""Sources in Azure Blob Storage, at a server of our own that checks signatures (`tests/blob_server.py`)."""

import gzip
import os
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from pydantic import SecretStr, ValidationError

from tasks.errors import RollcallError, SourceError, TransientSourceError, WrongUseError
from tasks.fetch import FetchRequest, fetch_source
from tasks.profile import Profile
from tests.blob_server import ACCOUNT, KEY, Blob, BlobServer, blob_server
from tests.fault_server import fault_server

CSV = b"displayname,username\nMax Muster,mmuster\n"
OTHER_KEY = "b3RoZXI="


@pytest.fixture(scope="module")
def store() -> Iterator[BlobServer]:
    busy = {f"/staff/{status}.csv": Blob(status=status) for status in (400, 408, 412, 425, 429, 500, 503)}
    blobs = {
        "/staff/export/all users.csv": Blob(CSV),
        "/staff/packed.csv": Blob(gzip.compress(CSV), coding="gzip"),
        "/staff/cut.csv": Blob(CSV, sent_bytes=10),
        "/staff/empty.csv": Blob(b""),
        "/open/users.csv": Blob(CSV, public=True),
    }
    with blob_server(blobs | busy) as server:
        yield server


def request(
    store: BlobServer,
    path: str = "staff/export/all%20users.csv",
    *,
    account: str = ACCOUNT,
    key: str = KEY,
    **fetch: object,
) -> FetchRequest:
    options = {"endpoint": store.url, "user": "ACCOUNT", "password": "KEY", **fetch}
    url = f"az://{path}"
    profile = Profile.model_validate({"title": "U", "structure": "{}", "type": "url", "url": url, "fetch": options})
    return FetchRequest(
        profile=profile, credentials={"ACCOUNT": SecretStr(account), "KEY": SecretStr(key)}, url_allow="127.0.0.1"
    )


def refused(asked: FetchRequest) -> RollcallError:
    with pytest.raises(RollcallError) as caught:
        fetch_source(asked)
    assert KEY not in caught.value.message
    return caught.value


@pytest.mark.parametrize("name", ["export/all%20users.csv", "packed.csv"])
def test_a_blob_comes_whole(store: BlobServer, name: str) -> None:
    source = fetch_source(request(store, f"staff/{name}"))

    assert (source.data, source.facts.name) == (CSV, f"az://staff/{name}")


def test_an_empty_blob_is_empty(store: BlobServer) -> None:
    assert fetch_source(request(store, "staff/empty.csv")).data == b""


def test_a_blob_of_several_pieces_comes_whole(store: BlobServer) -> None:
    """The library fetches 32 MiB first, and then pieces of 4 MiB."""
    data = os.urandom(1 << 20) * 38
    store.blobs["/staff/large.csv"] = Blob(data)

    assert fetch_source(request(store, "staff/large.csv")).data == data


def test_an_open_blob_needs_no_key(store: BlobServer) -> None:
    assert fetch_source(request(store, "open/users.csv", password=None)).data == CSV


@pytest.mark.parametrize(
    ("path", "key", "code"),
    [
        ("staff/nobody.csv", KEY, "source-not-found"),
        ("staff/export", KEY, "source-not-found"),
        ("staff/packed.csv", OTHER_KEY, "source-forbidden"),
        ("staff/400.csv", KEY, "http-400"),
    ],
)
def test_what_is_wrong_is_final(store: BlobServer, path: str, key: str, code: str) -> None:
    error = refused(request(store, path, key=key))

    assert (type(error), error.code) == (SourceError, code)


def test_nobody_gets_in_without_a_key(store: BlobServer) -> None:
    assert refused(request(store, password=None)).code == "source-forbidden"


@pytest.mark.parametrize("status", [408, 412, 425, 429, 500, 503])
def test_what_may_pass_is_tried_again_by_the_fetch_alone(store: BlobServer, status: int) -> None:
    store.seen.clear()

    error = refused(request(store, f"staff/{status}.csv"))

    assert isinstance(error, TransientSourceError)
    assert (error.code, len(store.seen)) == (f"http-{status}", 1)
    assert error.retry_after_seconds == (7 if status in {429, 503} else None)


def test_a_blob_of_which_less_came_is_cut(store: BlobServer) -> None:
    assert isinstance(refused(request(store, "staff/cut.csv")), TransientSourceError)


def test_a_blob_that_is_too_large_for_the_limit_is_not_fetched(store: BlobServer) -> None:
    store.seen.clear()

    assert refused(request(store, size_limit_mib=0.00001)).code == "source-too-large"
    assert {method for method, _, _ in store.seen} == {"HEAD"}


@pytest.mark.parametrize("account", ["hr.evil.example", "hr/x", "hr@evil", ""])
def test_an_account_cannot_lead_to_another_server(store: BlobServer, account: str) -> None:
    error = refused(request(store, account=account, endpoint=None))

    assert (type(error), error.code) == (WrongUseError, "account-unusable")


def test_a_key_that_is_none_is_wrong_use(store: BlobServer) -> None:
    error = refused(request(store, key="no base64"))

    assert (type(error), error.code) == (WrongUseError, "key-unusable")


def test_a_server_that_is_away_may_come_back(store: BlobServer) -> None:
    error = refused(request(store, endpoint="http://127.0.0.1:9"))

    assert (type(error), error.code) == (TransientSourceError, "connection-failed")


@pytest.mark.clock
def test_a_store_that_drips_runs_out_of_time(store: BlobServer) -> None:
    with fault_server() as server:
        late = request(store, endpoint=f"{server.url}/dripping_header")
        begin = time.monotonic()

        error = refused(replace(late, url_allow="127.0.0.1, ::1", started=begin - 179))

    assert error.code == "fetch-timeout"
    assert time.monotonic() - begin < 3


@pytest.mark.clock
def test_a_store_that_says_nothing_is_not_waited_for(store: BlobServer) -> None:
    with fault_server() as server:
        error = refused(request(store, endpoint=f"{server.url}/silent", read_timeout_seconds=0.2))

    assert (type(error), error.code) == (TransientSourceError, "fetch-timeout")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254"])
def test_an_address_inside_is_refused(store: BlobServer, host: str) -> None:
    asked = request(store, endpoint=store.url.replace("127.0.0.1", host))

    assert refused(replace(asked, url_allow="")).code == "address-refused"


def test_a_redirect_is_not_followed(store: BlobServer) -> None:
    with fault_server() as server:
        error = refused(request(store, endpoint=server.url.replace("localhost", "127.0.0.1") + "/metadata"))

    assert (type(error), error.code) == (SourceError, "http-302")


def test_the_environment_is_not_read(store: BlobServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AZURE_STORAGE_ACCOUNT_NAME": "other",
        "AZURE_STORAGE_ACCOUNT_KEY": KEY,
        "AZURE_STORAGE_CONNECTION_STRING": "UseDevelopmentStorage=true",
        "AZURE_STORAGE_SAS_TOKEN": "sig=secret",
        "AZURE_STORAGE_CLIENT_ID": "id",
        "AZURE_STORAGE_CLIENT_SECRET": "secret",
        "AZURE_STORAGE_TENANT_ID": "tenant",
        "http_proxy": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "all_proxy": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    store.seen.clear()

    fetch_source(request(store, "open/users.csv", password=None))
    fetch_source(request(store))

    assert not any("Authorization" in headers for _, path, headers in store.seen if "/open/" in path)
    assert not any("sig=" in path for _, path, _ in store.seen)


def test_the_account_is_proved_to_be_named_before_a_server_is_asked(store: BlobServer) -> None:
    with pytest.raises(ValidationError, match=r"az needs `fetch\.user`"):
        request(store, user=None)


def test_an_endpoint_holds_no_signature(store: BlobServer) -> None:
    with pytest.raises(ValidationError) as caught:
        request(store, endpoint="https://hr.blob.core.windows.net?sv=1&sig=c2VjcmV0")
    assert "c2VjcmV0" not in str(caught.value)
