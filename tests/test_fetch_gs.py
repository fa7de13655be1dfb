"""Sources in Google Cloud Storage: at gcp-storage-emulator on loopback, and for tokens at `tests/google_server.py`."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from tasks.errors import RollcallError, SourceError, TransientSourceError, WrongUseError
from tasks.fetch import FetchRequest, fetch_source
from tasks.profile import Profile
from tests.fault_server import fault_server
from tests.google_server import TOKEN, GoogleServer, google_server
from tests.servers import free_port, wait_until

CSV = b"displayname,username\nMax Muster,mmuster\n"
LARGE = os.urandom(1 << 20) * 12


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an emulator with the bucket `staff`."""
    port, log_file = free_port(), tmp_path_factory.mktemp("gs") / "log"
    command = [sys.executable, "-m", "gcp_storage_emulator", "start", "-H", "127.0.0.1", "--port", str(port), "-M"]
    with (
        log_file.open("wb") as log,
        subprocess.Popen([*command, "--default-bucket", "staff"], stdout=log, stderr=log) as server,
    ):
        try:
            wait_until(lambda: "All services started" in log_file.read_text(), server, log_file)
            url = f"http://127.0.0.1:{port}"
            for name, data in {"export/all users.csv": CSV, "large.csv": LARGE}.items():
                upload(url, name, data)
            yield url
        finally:
            server.terminate()


def upload(url: str, name: str, data: bytes) -> None:
    asked = {"uploadType": "media", "name": name}
    requests.post(f"{url}/upload/storage/v1/b/staff/o", params=asked, data=data, timeout=30).raise_for_status()


@pytest.fixture
def google() -> Iterator[GoogleServer]:
    with google_server() as server:
        yield server


def request(endpoint: str, path: str = "staff/export/all%20users.csv", **fetch: object) -> FetchRequest:
    options = {"endpoint": endpoint, **fetch}
    profile = Profile.model_validate(
        {"title": "U", "structure": "{}", "type": "url", "url": f"gs://{path}", "fetch": options}
    )
    return FetchRequest(profile=profile, url_allow="127.0.0.1")


def with_key(asked: FetchRequest, text: str) -> FetchRequest:
    profile = asked.profile.model_copy(update={"fetch": asked.profile.fetch.model_copy(update={"token": "KEY"})})
    return replace(asked, profile=profile, credentials={"KEY": SecretStr(text)})


def refused(asked: FetchRequest) -> RollcallError:
    with pytest.raises(RollcallError) as caught:
        fetch_source(asked)
    return caught.value


def test_an_object_comes_whole(url: str) -> None:
    source = fetch_source(request(url))

    assert (source.data, source.facts.name) == (CSV, "gs://staff/export/all%20users.csv")


def test_a_large_object_comes_whole(url: str) -> None:
    assert fetch_source(request(url, "staff/large.csv")).data == LARGE


@pytest.mark.parametrize("path", ["staff/nobody.csv", "nobody/users.csv", "staff/export"])
def test_a_missing_object_is_named(url: str, path: str) -> None:
    error = refused(request(url, path))

    assert (type(error), error.code) == (SourceError, "source-not-found")


def test_an_object_that_is_too_large_for_the_limit_is_refused(url: str) -> None:
    assert refused(request(url, size_limit_mib=0.00001)).code == "source-too-large"


@pytest.mark.parametrize(("status", "code"), [(401, "source-forbidden"), (403, "source-forbidden"), (400, "http-400")])
def test_what_is_wrong_is_final(status: int, code: str) -> None:
    with fault_server() as server:
        error = refused(request(f"{local(server.url)}/status/{status}"))

    assert (type(error), error.code) == (SourceError, code)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
def test_what_may_pass_is_tried_again_by_the_fetch_alone(status: int) -> None:
    with fault_server() as server:
        error = refused(request(f"{local(server.url)}/status/{status}"))

    assert isinstance(error, TransientSourceError)
    assert (error.code, len(server.seen)) == (f"http-{status}", 1)
    assert error.retry_after_seconds == (7 if status == 429 else None)


def test_a_redirect_is_not_followed() -> None:
    with fault_server() as server:
        assert refused(request(f"{local(server.url)}/metadata")).code == "http-302"


@pytest.mark.parametrize("fault", ["cut", "cut_header"])
def test_an_answer_that_is_cut_may_come_whole(fault: str) -> None:
    with fault_server() as server:
        error = refused(request(f"{local(server.url)}/{fault}"))

    assert (type(error), error.code) == (TransientSourceError, "connection-failed")


def test_a_server_that_is_away_may_come_back() -> None:
    error = refused(request("http://127.0.0.1:9"))

    assert (type(error), error.code) == (TransientSourceError, "connection-failed")


@pytest.mark.clock
def test_a_store_that_drips_runs_out_of_time() -> None:
    with fault_server() as server:
        begin = time.monotonic()
        error = refused(replace(request(f"{local(server.url)}/dripping_header"), started=begin - 179))

    assert error.code == "fetch-timeout"
    assert time.monotonic() - begin < 3


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254"])
def test_an_address_inside_is_refused(url: str, host: str) -> None:
    assert refused(replace(request(url.replace("127.0.0.1", host)), url_allow="")).code == "address-refused"


def test_a_service_account_gets_a_token_and_with_it_the_object(google: GoogleServer) -> None:
    asked = with_key(request(google.url, "staff/users.csv"), google.service_account())

    assert fetch_source(asked).data == CSV
    assert google.seen.count("/token") == 1


def test_nobody_gets_in_without_a_token(google: GoogleServer) -> None:
    assert refused(request(google.url, "staff/users.csv")).code == "source-forbidden"


def test_a_key_that_google_does_not_know_is_final(google: GoogleServer) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    error = refused(with_key(request(google.url, "staff/users.csv"), google.service_account(other)))

    assert (type(error), error.code) == (SourceError, "source-forbidden")
    assert TOKEN not in error.message


def test_a_token_service_that_is_busy_is_asked_again_by_the_fetch_alone(google: GoogleServer) -> None:
    google.token_status = 503
    error = refused(with_key(request(google.url, "staff/users.csv"), google.service_account()))

    assert (type(error), error.code, google.seen) == (TransientSourceError, "http-503", ["/token"])


def test_a_token_service_inside_is_refused(google: GoogleServer) -> None:
    asked = with_key(request(google.url, "staff/users.csv"), google.service_account())

    assert refused(replace(asked, url_allow="")).code == "address-refused"


@pytest.mark.parametrize("text", ["", "ya29.x", "[]", "{}", '{"type": "service_account", "private_key": "x"}'])
def test_a_credential_that_is_no_key_is_wrong_use(url: str, text: str) -> None:
    error = refused(with_key(request(url), text))

    assert (type(error), error.code) == (WrongUseError, "token-unusable")


def test_the_environment_is_not_read(google: GoogleServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text(google.service_account())
    for name, value in {
        "STORAGE_EMULATOR_HOST": "http://127.0.0.1:9",
        "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "key.json"),
        "GOOGLE_CLOUD_PROJECT": "other",
        "GOOGLE_API_USE_CLIENT_CERTIFICATE": "true",
        "http_proxy": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "all_proxy": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    asked = request(google.url, "staff/users.csv")

    assert refused(asked).code == "source-forbidden"
    assert "/token" not in google.seen
    assert fetch_source(with_key(asked, google.service_account())).data == CSV


def local(url: str) -> str:
    return url.replace("localhost", "127.0.0.1")
