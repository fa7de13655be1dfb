"""What fetching promises: the source whole, or a reason; nothing leaks, nothing inside is reached."""

import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from tasks.errors import SourceError, TransientSourceError, WrongUseError
from tasks.fetch import FetchRequest, Kept, fetch_source, fetch_with_retries
from tasks.profile import Profile
from tests.fault_server import CSV, FaultServer, fault_server


@pytest.fixture(scope="module")
def module_server() -> Iterator[FaultServer]:
    with fault_server() as server:
        yield server


@pytest.fixture
def server(module_server: FaultServer) -> FaultServer:
    module_server.seen.clear()
    return module_server


def request(
    url: str, *, credentials: dict[str, str] | None = None, kept: Kept | None = None, **fetch: object
) -> FetchRequest:
    profile = Profile.model_validate({"title": "Users", "structure": "{}", "type": "url", "url": url, "fetch": fetch})
    secrets = {name: SecretStr(value) for name, value in (credentials or {}).items()}
    return FetchRequest(profile=profile, credentials=secrets, url_allow="127.0.0.0/8, ::1", kept=kept)


def test_a_good_answer_is_the_source_with_its_facts(server: FaultServer) -> None:
    source = fetch_source(request(f"{server.url}/good"))

    assert (source.data, source.facts.size_bytes, source.facts.etag) == (CSV, len(CSV), '"v1"')
    assert source.facts.name == f"{server.url}/good"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520])
def test_a_status_that_may_pass_is_transient(server: FaultServer, status: int) -> None:
    with pytest.raises(TransientSourceError) as caught:
        fetch_source(request(f"{server.url}/status/{status}"))
    assert caught.value.code == f"http-{status}"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 407, 410, 418, 204, 206, 304])
def test_any_other_status_is_final(server: FaultServer, status: int) -> None:
    with pytest.raises(SourceError) as caught:
        fetch_source(request(f"{server.url}/status/{status}"))
    assert (type(caught.value), caught.value.code) == (SourceError, f"http-{status}")


def test_503_twice_then_200_gets_in_on_the_third_attempt(server: FaultServer) -> None:
    waits: list[float] = []

    source = fetch_with_retries(request(f"{server.url}/twice/503"), sleep=waits.append)

    assert source.data == CSV
    assert len(server.seen) == 3
    assert [round(wait) for wait in waits] in ([1, 2], [1, 3], [1, 1])


def test_nothing_but_a_transient_failure_is_tried_again(server: FaultServer) -> None:
    with pytest.raises(SourceError):
        fetch_with_retries(request(f"{server.url}/status/404"), sleep=lambda _: None)
    assert len(server.seen) == 1


def test_five_attempts_are_made_at_most(server: FaultServer) -> None:
    with pytest.raises(TransientSourceError):
        fetch_with_retries(request(f"{server.url}/status/503"), sleep=lambda _: None)
    assert len(server.seen) == 5


def test_retry_after_is_honoured(server: FaultServer) -> None:
    waits: list[float] = []

    fetch_with_retries(request(f"{server.url}/later/7"), sleep=waits.append)

    assert waits[0] > 7


def test_retry_after_may_be_a_date(server: FaultServer) -> None:
    with pytest.raises(TransientSourceError) as caught:
        fetch_source(request(f"{server.url}/later/Fri,_31_Dec_2100_23:59:59_GMT"))
    assert caught.value.retry_after_seconds is not None
    assert caught.value.retry_after_seconds > 10**9


@pytest.mark.parametrize("end", ["line", "word", "name", "colon"])
def test_a_redirect_whose_headers_are_cut_is_not_followed(server: FaultServer, end: str) -> None:
    with pytest.raises(TransientSourceError) as caught:
        fetch_source(request(f"{server.url}/cut_redirect/{end}"))

    assert caught.value.code == "body-truncated"
    assert server.paths() == [f"/cut_redirect/{end}"]


@pytest.mark.parametrize("fault", ["cut", "cut_header", "chunked/cut", "reset", "silent"])
def test_a_connection_that_breaks_is_transient(server: FaultServer, fault: str) -> None:
    with pytest.raises(TransientSourceError):
        fetch_source(request(f"{server.url}/{fault}", read_timeout_seconds=0.3))


def test_a_chunked_body_with_its_end_is_whole(server: FaultServer) -> None:
    assert fetch_source(request(f"{server.url}/chunked/whole")).data == CSV


@pytest.mark.parametrize("said", ["length", "chunked"])
def test_an_empty_answer_that_says_so_is_an_empty_source(server: FaultServer, said: str) -> None:
    assert fetch_source(request(f"{server.url}/empty/{said}")).data == b""


@pytest.mark.clock
@pytest.mark.parametrize("drips", ["drip", "dripping_header"])
def test_a_server_that_drips_runs_out_of_time(server: FaultServer, drips: str) -> None:
    late = request(f"{server.url}/{drips}")
    late = FetchRequest(profile=late.profile, url_allow=late.url_allow, started=time.monotonic() - 179.8)
    begin = time.monotonic()

    with pytest.raises(TransientSourceError, match="time for a fetch is used up"):
        fetch_source(late)
    assert time.monotonic() - begin < 2


def test_a_port_that_nobody_listens_on_is_transient() -> None:
    with pytest.raises(TransientSourceError, match="could not be reached"):
        fetch_source(request("http://127.0.0.1:9/users.csv"))


def test_a_name_that_does_not_resolve_is_transient() -> None:
    with pytest.raises(TransientSourceError, match="could not be reached"):
        fetch_source(request("http://nowhere.invalid/users.csv"))


def test_loopback_is_refused_by_default(server: FaultServer) -> None:
    closed = request(f"{server.url}/good")

    with pytest.raises(SourceError, match="ROLLCALL_URL_ALLOW") as caught:
        fetch_source(FetchRequest(profile=closed.profile))
    assert caught.value.code == "address-refused"
    assert server.seen == []


def test_a_redirect_to_the_metadata_address_is_refused(server: FaultServer) -> None:
    with pytest.raises(SourceError) as caught:
        fetch_source(request(f"{server.url}/metadata"))
    assert caught.value.code == "address-refused"


def test_a_redirect_loop_ends(server: FaultServer) -> None:
    with pytest.raises(SourceError, match="in a circle"):
        fetch_source(request(f"{server.url}/loop"))
    assert len(server.seen) == 6


def test_a_redirect_to_another_scheme_is_refused(server: FaultServer) -> None:
    with pytest.raises(SourceError, match="redirects from http to file"):
        fetch_source(request(f"{server.url}/redirect/file:///etc/passwd"))


@pytest.mark.parametrize("place", ["hr.example:99999/u.csv", "hr.example:x/", "[1/u.csv", "[x]/u.csv"])
def test_a_redirect_to_no_address_is_refused(server: FaultServer, place: str) -> None:
    with pytest.raises(SourceError) as caught:
        fetch_source(request(f"{server.url}/nowhere/{place}"))
    assert caught.value.code == "redirect-refused"


@pytest.mark.parametrize("scheme", ["http", "https", "sftp"])
def test_a_port_from_a_credential_that_is_none_is_refused(scheme: str) -> None:
    needed = {"user": "U", "password": "P", "host_key": "ssh-ed25519 AAAA"} if scheme == "sftp" else {}
    secrets = {"PORT": "99999", "U": "hr", "P": "s3cret"}
    asked = request(f"{scheme}://127.0.0.1:${{PORT}}/u.csv", credentials=secrets, **needed)
    with pytest.raises(SourceError) as caught:
        fetch_source(asked)
    assert (type(caught.value), caught.value.code) == (SourceError, "fetch-failed")


def test_credentials_stay_with_the_first_origin(server: FaultServer) -> None:
    with fault_server() as other:
        options = {"auth": "bearer", "token": "T", "headers": {"X-Tenant": "7", "X-Api-Key": "${K}"}}
        url = f"{server.url}/redirect/{other.url}/good"
        fetch_source(request(url, credentials={"T": "t0ken", "K": "k3y"}, **options))

    first, second = server.seen[0][1], other.seen[0][1]
    assert (first["authorization"], first["x-tenant"], first["x-api-key"]) == ("Bearer t0ken", "7", "k3y")
    assert not {"authorization", "x-tenant", "x-api-key"} & set(second)


def test_basic_authentication_is_utf_8_and_follows_within_the_origin(server: FaultServer) -> None:
    basic = {"auth": "basic", "user": "U", "password": "P"}

    source = fetch_source(request(f"{server.url}/redirect//basic", credentials={"U": "jürgen", "P": "pä:ss"}, **basic))

    assert source.data == CSV
    assert server.seen[1][1]["authorization"] == f"Basic {b64encode('jürgen:pä:ss'.encode()).decode()}"


def test_the_environment_is_not_read(server: FaultServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine localhost login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    fetch_source(request(f"{server.url}/good"))

    assert "authorization" not in server.seen[0][1]


def test_a_header_carries_a_token(server: FaultServer) -> None:
    fetch_source(request(f"{server.url}/good", credentials={"T": "t0ken"}, auth="header", header="X-Key", token="T"))
    assert server.seen[0][1]["x-key"] == "t0ken"


def test_a_credential_fills_the_url_and_is_never_shown(server: FaultServer) -> None:
    url = f"{server.url}/status/404?key=${{K}}&plain=1"

    with pytest.raises(SourceError) as caught:
        fetch_source(request(url, credentials={"K": "s3cr&t"}))
    assert server.paths() == ["/status/404?key=s3cr%26t&plain=1"]
    assert "s3cr" not in str(caught.value)
    assert "key=•••" in str(caught.value)


def test_a_missing_credential_is_named(server: FaultServer) -> None:
    with pytest.raises(WrongUseError, match="environment variable K"):
        fetch_source(request(f"{server.url}/good?key=${{K}}"))


def test_an_unchanged_source_comes_from_what_was_kept(server: FaultServer) -> None:
    kept = Kept(b"a\n1\n", f"{server.url}/good", etag='"v1"')

    source = fetch_source(request(f"{server.url}/good", kept=kept))

    assert (source.data, source.facts.unchanged, source.facts.etag) == (b"a\n1\n", True, '"v1"')
    assert server.seen[0][1]["if-none-match"] == '"v1"'


def test_what_was_kept_of_another_url_makes_no_condition(server: FaultServer) -> None:
    fetch_source(request(f"{server.url}/good", kept=Kept(b"x", "https://other/", etag='"v1"')))
    assert "if-none-match" not in server.seen[0][1]


def test_a_packed_answer_is_unpacked(server: FaultServer) -> None:
    assert fetch_source(request(f"{server.url}/gzip/whole")).data == CSV


def test_a_gzip_bomb_does_not_go_off(server: FaultServer) -> None:
    with pytest.raises(SourceError) as caught:
        fetch_source(request(f"{server.url}/gzip/bomb"))
    assert caught.value.code == "archive-too-large"


def test_a_cut_packed_answer_is_refused(server: FaultServer) -> None:
    with pytest.raises(SourceError, match="cut off"):
        fetch_source(request(f"{server.url}/gzip/cut"))


def test_an_answer_too_large_is_refused_before_it_is_read(server: FaultServer) -> None:
    with pytest.raises(SourceError) as caught:
        fetch_source(request(f"{server.url}/huge"))
    assert caught.value.code == "source-too-large"


def test_a_file_url_is_read_below_the_root_only(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "users.csv").write_bytes(CSV)
    (tmp_path / "secret.csv").write_bytes(CSV)
    (root / "link.csv").symlink_to(tmp_path / "secret.csv")

    def read(url: str, file_root: Path | None) -> bytes:
        return fetch_source(FetchRequest(profile=request(url).profile, file_root=file_root)).data

    assert read((root / "users.csv").as_uri(), root) == CSV
    for url, allowed in [
        ((root / "users.csv").as_uri(), None),
        ((root / "link.csv").as_uri(), root),
        (f"file://{root}/../secret.csv", root),
    ]:
        with pytest.raises(SourceError, match="ROLLCALL_FILE_ROOT"):
            read(url, allowed)


@pytest.mark.parametrize(
    "url",
    ["https://me:secret@hr.example/users.csv", "https://hr.example/u.csv?token=abc", "ftp://hr.example/u.csv",
     "hr.example/u.csv", "simplecache::https://hr.example/u.csv", "https:///u.csv", "http://10.0.0.1:99999/u.csv",
     "sftp://hr.example:0/u.csv", "http://hr.example:port/u.csv", "http://[::1/u.csv"],
)  # fmt: skip
def test_a_url_with_a_secret_or_a_strange_scheme_is_a_profile_error(url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        request(url)
    assert "secret@" not in str(caught.value)
    assert "=abc" not in str(caught.value)


@pytest.mark.parametrize(
    "fetch",
    [
        {"auth": "basic", "user": "U"},
        {"headers": {"Authorization": "Basic abc"}},
        {"headers": {"A": "b\r\nC: d"}},
        {"auth": "digest"},
        {"colour": 1},
    ],
)
def test_fetch_options_that_cannot_work_are_a_profile_error(fetch: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        request("https://hr.example/u.csv", **fetch)
