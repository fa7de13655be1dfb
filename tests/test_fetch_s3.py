"""Sources in an object store: a real S3 server on loopback (moto), which checks keys, signatures and rights."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import boto3
import pytest
from pydantic import SecretStr, ValidationError

from tasks.address import AddressRules
from tasks.errors import SourceError, TransientSourceError
from tasks.fetch import FetchRequest, fetch_source
from tasks.profile import Profile
from tasks.store_connection import CheckedResolver
from tests.fault_server import fault_server
from tests.servers import free_port, wait_until

CSV = b"displayname,username\nMax Muster,mmuster\n"
SET_UP_CALLS = 6
"""After so many requests, those of `furnished`, the server checks each one."""
READ_STAFF = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:ListBucket"],
            "Resource": ["arn:aws:s3:::staff", "arn:aws:s3:::staff/*"],
        }
    ],
}


@dataclass(frozen=True)
class ObjectStore:
    """A server with the buckets `staff`, which its one user may read, and `closed`."""

    url: str
    key: str
    secret: str


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    port, log_file = free_port(), tmp_path_factory.mktemp("moto") / "log"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    environment = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": str(SET_UP_CALLS)}
    with log_file.open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log, env=environment) as server:
        try:
            wait_until(lambda: "Running on" in log_file.read_text(), server, log_file)
            yield furnished(f"http://127.0.0.1:{port}")
        finally:
            server.terminate()


def furnished(url: str) -> ObjectStore:
    options = {"endpoint_url": url, "region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "y"}
    iam, s3 = boto3.client("iam", **options), boto3.client("s3", **options)
    iam.create_user(UserName="hr")
    key = iam.create_access_key(UserName="hr")["AccessKey"]
    iam.put_user_policy(UserName="hr", PolicyName="read", PolicyDocument=json.dumps(READ_STAFF))
    for bucket in ("staff", "closed"):
        s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket="staff", Key="export/all users.csv", Body=CSV)
    return ObjectStore(url, key["AccessKeyId"], key["SecretAccessKey"])


def request(
    store: ObjectStore, path: str = "staff/export/all%20users.csv", *, secret: str = "", **fetch: object
) -> FetchRequest:
    options = {"endpoint": store.url, "user": "ID", "password": "SECRET", **fetch}
    url = f"s3://{path}"
    profile = Profile.model_validate({"title": "U", "structure": "{}", "type": "url", "url": url, "fetch": options})
    credentials = {"ID": SecretStr(store.key), "SECRET": SecretStr(secret or store.secret)}
    return FetchRequest(profile=profile, credentials=credentials, url_allow="127.0.0.1")


def refused(asked: FetchRequest) -> SourceError:
    with pytest.raises(SourceError) as caught:
        fetch_source(asked)
    return caught.value


def test_an_object_comes_whole(store: ObjectStore) -> None:
    source = fetch_source(request(store))

    assert (source.data, source.facts.name) == (CSV, "s3://staff/export/all%20users.csv")


def test_a_download_tells_how_far_it_is(store: ObjectStore, heard: list[tuple[str, float]]) -> None:
    fetch_source(request(store))

    assert heard[-1] == ("bytes", 100.0)


@pytest.mark.parametrize(
    ("path", "secret", "code"),
    [
        ("staff/nobody.csv", "", "source-not-found"),
        ("nobody/users.csv", "", "source-forbidden"),
        ("closed/users.csv", "", "source-forbidden"),
        ("staff/export/all%20users.csv", "wr0ng", "source-forbidden"),
    ],
)
def test_what_is_wrong_is_final_and_shows_no_secret(store: ObjectStore, path: str, secret: str, code: str) -> None:
    error = refused(request(store, path, secret=secret))

    assert (type(error), error.code) == (SourceError, code)
    assert store.key not in error.message


@pytest.mark.parametrize("missing", ["user", "password"])
def test_one_of_two_credentials_is_a_profile_error(store: ObjectStore, missing: str) -> None:
    with pytest.raises(ValidationError, match="s3 needs both"):
        request(store, **{missing: None})


def test_nobody_gets_in_without_credentials(store: ObjectStore) -> None:
    assert refused(request(store, user=None, password=None)).code == "source-forbidden"


def test_a_bucket_that_is_too_large_for_the_limit_is_refused(store: ObjectStore) -> None:
    assert refused(request(store, size_limit_mib=0.00001)).code == "source-too-large"


def test_a_server_that_is_away_may_come_back(store: ObjectStore) -> None:
    error = refused(request(store, endpoint="http://127.0.0.1:9"))

    assert (type(error), error.code) == (TransientSourceError, "connection-failed")


@pytest.mark.clock
def test_a_store_that_drips_runs_out_of_time(store: ObjectStore) -> None:
    with fault_server() as server:
        late = request(store, "dripping_header/users.csv", endpoint=server.url)
        begin = time.monotonic()

        error = refused(replace(late, url_allow="127.0.0.1, ::1", started=begin - 179))

    assert error.code == "fetch-timeout"
    assert time.monotonic() - begin < 3


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254"])
def test_an_address_inside_is_refused(store: ObjectStore, host: str) -> None:
    asked = request(store, endpoint=f"http://{host}:{store.url.rpartition(':')[2]}")

    error = refused(FetchRequest(profile=asked.profile, credentials=asked.credentials))

    assert error.code == "address-refused"


def test_a_server_is_found_by_its_name(store: ObjectStore) -> None:
    asked = request(store, endpoint=store.url.replace("127.0.0.1", "localhost"))

    source = fetch_source(FetchRequest(profile=asked.profile, credentials=asked.credentials, url_allow="localhost"))

    assert source.data == CSV


def test_each_name_is_judged_when_it_is_resolved() -> None:
    resolver = CheckedResolver(AddressRules())

    with pytest.raises(OSError, match=r"^$"):
        asyncio.run(resolver.resolve("localhost", 443))
    assert resolver.refusal is not None
    assert resolver.refusal.code == "address-refused"


def test_the_environment_is_not_read(store: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[default]\nendpoint_url = http://127.0.0.1:9\n")
    for name, value in {
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_PROFILE": "nobody",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_CA_BUNDLE": "/nowhere",
        "http_proxy": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)

    assert fetch_source(request(store)).data == CSV


@pytest.mark.parametrize(
    "endpoint",
    ["minio.example", "ftp://minio.example", "https://me:secret@minio.example", "https://minio.example:99999"],
)
def test_an_endpoint_that_is_no_server_is_a_profile_error(store: ObjectStore, endpoint: str) -> None:
    with pytest.raises(ValidationError) as caught:
        request(store, endpoint=endpoint)
    assert "me:secret" not in str(caught.value)
