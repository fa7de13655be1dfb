"""What fetching over TLS promises: whom it trusts, to whom it shows its certificate, and which file is at fault."""

import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from tasks.errors import RollcallError, SourceError, WrongUseError
from tasks.fetch import FetchRequest, fetch_source
from tasks.profile import Profile
from tests.certificates import Authority, Signed, server_context
from tests.fault_server import CSV, FaultServer, fault_server


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def server(authority: Authority) -> Iterator[FaultServer]:
    """A server that lets nobody in without a certificate of the authority."""
    with fault_server(server_context(authority.signs("server", host="localhost"), authority)) as server:
        yield server


def request(url: str, *, passphrase: str | None = None, **fetch: object) -> FetchRequest:
    settings = {name: str(value) if isinstance(value, Path) else value for name, value in fetch.items()}
    profile = Profile.model_validate({"title": "U", "structure": "{}", "type": "url", "url": url, "fetch": settings})
    credentials = {"PHRASE": SecretStr(passphrase)} if passphrase is not None else {}
    return FetchRequest(profile=profile, credentials=credentials, url_allow="127.0.0.0/8, ::1")


def shown(authority: Authority, client: Signed) -> dict[str, object]:
    return {"ca_file": authority.file, "client_certificate": client.certificate, "client_key": client.key}


def refused(asked: FetchRequest) -> RollcallError:
    with pytest.raises(RollcallError) as caught:
        fetch_source(asked)
    assert type(caught.value) in (SourceError, WrongUseError), "it would be tried again"
    return caught.value


def test_an_authority_of_its_own_must_be_named(authority: Authority) -> None:
    with fault_server(server_context(authority.signs("server", host="localhost"))) as server:
        distrust = refused(request(f"{server.url}/good"))
        trusted = fetch_source(request(f"{server.url}/good", ca_file=authority.file))

    assert (distrust.code, "`fetch.ca_file`" in distrust.message) == ("tls-failed", True)
    assert (trusted.data, trusted.issues.height) == (CSV, 0)


def test_an_authority_of_its_own_replaces_all_others(authority: Authority, tmp_path: Path) -> None:
    with fault_server(server_context(authority.signs("server", host="localhost"))) as server:
        other = refused(request(f"{server.url}/good", ca_file=Authority(tmp_path, "other").file))

    assert other.code == "tls-failed"


def test_an_unchecked_certificate_is_warned_of_by_our_issue_alone(authority: Authority) -> None:
    context = server_context(authority.signs("server", host="elsewhere"))
    with fault_server(context) as server, warnings.catch_warnings(record=True) as others:
        source = fetch_source(request(f"{server.url}/good", verify=False))

    assert (source.data, source.issues["code"].to_list()) == (CSV, ["tls-not-verified"])
    assert others == []


@pytest.mark.parametrize(
    ("host", "days", "words"), [("localhost", -2, "has expired"), ("elsewhere", 1, "is for another host")]
)
def test_a_certificate_that_does_not_hold_says_why(authority: Authority, host: str, days: int, words: str) -> None:
    with fault_server(server_context(authority.signs("server", host=host, days=days))) as server:
        error = refused(request(f"{server.url}/good", ca_file=authority.file))

    assert (error.code, words in error.message) == ("tls-failed", True)


def test_a_port_without_tls_is_named(authority: Authority) -> None:
    with fault_server() as server:
        error = refused(request(f"{server.url.replace('http:', 'https:')}/good", ca_file=authority.file))

    assert (error.code, "speaks TLS" in error.message) == ("tls-failed", True)


def test_a_client_certificate_opens_the_server(server: FaultServer, authority: Authority) -> None:
    source = fetch_source(request(f"{server.url}/good", **shown(authority, authority.signs("rollcall"))))

    assert (source.data, server.clients) == (CSV, ["rollcall"])


def test_a_client_certificate_may_stand_in_one_file_with_its_key(
    server: FaultServer, authority: Authority, tmp_path: Path
) -> None:
    client = authority.signs("rollcall")
    both = tmp_path / "both.pem"
    both.write_bytes(client.certificate.read_bytes() + client.key.read_bytes())

    asked = request(f"{server.url}/good", ca_file=authority.file, client_certificate=both)

    assert fetch_source(asked).data == CSV


def test_a_locked_key_opens_by_a_named_passphrase(server: FaultServer, authority: Authority) -> None:
    client = authority.signs("rollcall", passphrase="s3cret phrase")
    named = {**shown(authority, client), "client_key_password": "PHRASE"}

    assert fetch_source(request(f"{server.url}/good", passphrase="s3cret phrase", **named)).data == CSV


@pytest.mark.parametrize(
    ("passphrase", "words"), [(None, "credential PHRASE, which is not there"), ("wr0ng", "credential PHRASE.")]
)
def test_a_passphrase_that_does_not_open_is_named_and_never_shown(
    server: FaultServer, authority: Authority, passphrase: str | None, words: str
) -> None:
    client = authority.signs("rollcall", passphrase="s3cret phrase")
    named = {**shown(authority, client), "client_key_password": "PHRASE"}

    error = refused(request(f"{server.url}/good", passphrase=passphrase, **named))

    assert (error.exit_code, words in error.message, "wr0ng" in error.message) == (2, True, False)
    assert server.seen == []


def test_nobody_is_asked_for_a_passphrase_at_the_terminal(
    server: FaultServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("s3cret phrase\n"))
    client = authority.signs("rollcall", passphrase="s3cret phrase")

    error = refused(request(f"{server.url}/good", **shown(authority, client)))

    assert (error.code, "`fetch.client_key_password`" in error.message) == ("tls-file-unusable", True)


def test_a_server_that_wants_a_certificate_says_so(server: FaultServer, authority: Authority) -> None:
    error = refused(request(f"{server.url}/good", ca_file=authority.file))

    assert (error.code, error.exit_code) == ("client-certificate-wanted", 3)
    assert "`fetch.client_certificate`" in error.message


def test_a_client_certificate_of_another_authority_is_refused(
    server: FaultServer, authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger").signs("rollcall")

    assert refused(request(f"{server.url}/good", **shown(authority, stranger))).code == "client-certificate-refused"


@pytest.mark.parametrize("setting", ["client_certificate", "client_key", "ca_file"])
@pytest.mark.parametrize("content", [None, b"", b"displayname,username\n"])
def test_a_file_that_cannot_be_used_is_named_by_its_setting(
    server: FaultServer, authority: Authority, tmp_path: Path, setting: str, content: bytes | None
) -> None:
    wrong = tmp_path / "wrong.pem"
    if content is not None:
        wrong.write_bytes(content)

    error = refused(request(f"{server.url}/good", **{**shown(authority, authority.signs("me")), setting: wrong}))

    assert (error.code, error.exit_code, f"fetch.{setting}" in error.message) == ("tls-file-unusable", 2, True)
    assert server.seen == []


def test_a_key_of_another_certificate_is_named(server: FaultServer, authority: Authority) -> None:
    files = shown(authority, authority.signs("rollcall")) | {"client_key": authority.signs("other").key}

    error = refused(request(f"{server.url}/good", **files))

    assert (error.code, "another certificate" in error.message) == ("tls-file-unusable", True)


def test_a_key_without_its_certificate_is_named(server: FaultServer, authority: Authority) -> None:
    error = refused(request(f"{server.url}/good", ca_file=authority.file, client_key=authority.signs("me").key))

    assert (error.code, "fetch.client_certificate" in error.message) == ("tls-file-unusable", True)


def test_the_client_certificate_stays_with_the_first_origin(server: FaultServer, authority: Authority) -> None:
    curious = server_context(authority.signs("server", host="localhost"), authority, required=False)
    with fault_server(curious) as other:
        url = f"{server.url}/redirect/{other.url}/good"
        source = fetch_source(request(url, **shown(authority, authority.signs("rollcall"))))

    assert source.data == CSV
    assert (server.clients, other.clients) == (["rollcall"], [""])
