"""Sources on OpenSSH, the server that people have: by key, and whichever of its host keys the profile names."""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import paramiko
import pytest
from pydantic import SecretStr

from tasks.errors import SourceError, WrongUseError
from tasks.fetch import FetchRequest, fetch_source
from tasks.profile import Profile
from tests.servers import free_port, needed, wait_until

CSV = b"displayname,username\nMax Muster,mmuster\n"


@dataclass(frozen=True)
class OpenSSH:
    """A server of this test's own, which lets this account in by one key."""

    port: int
    folder: Path

    def host_key(self, kind: str) -> str:
        return (self.folder / f"host_{kind}.pub").read_text()


@pytest.fixture(scope="module")
def openssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSSH]:
    sshd, keygen = needed("sshd", "ssh-keygen", package="openssh-server")
    folder = tmp_path_factory.mktemp("openssh")
    for name, kind, phrase in (("host_ed25519", "ed25519", ""), ("host_rsa", "rsa", ""), ("me", "ed25519", "s3cret")):
        subprocess.run([keygen, "-q", "-t", kind, "-N", phrase, "-f", folder / name], check=True)
    shutil.copy(folder / "me.pub", folder / "authorized_keys")
    (folder / "users.csv").write_bytes(CSV)
    lines = [
        f"AuthorizedKeysFile {folder}/authorized_keys",
        "StrictModes no",
        "UsePAM no",
        f"PidFile {folder}/pid",
        *(f"HostKey {folder}/host_{kind}" for kind in ("ed25519", "rsa")),
        "Subsystem sftp internal-sftp",
    ]
    (folder / "sshd_config").write_text("\n".join(lines) + "\n")
    found = OpenSSH(free_port(), folder)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    command = [sshd, "-D", "-e", "-f", folder / "sshd_config", "-o", f"ListenAddress=127.0.0.1:{found.port}"]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            wait_until(lambda: _answers(found), server, folder / "log")
            yield found
        finally:
            server.terminate()


def _answers(server: OpenSSH) -> bool:
    with suppress(SourceError):
        return fetch_source(request(server, "ed25519")).data == CSV
    return False


def request(server: OpenSSH, kind: str, *, name: str = "users.csv", passphrase: str = "s3cret") -> FetchRequest:
    fetch = {
        "user": "U",
        "client_key": str(server.folder / "me"),
        "client_key_password": "PHRASE",
        "host_key": f"127.0.0.1 {server.host_key(kind)}",
    }
    url = f"sftp://127.0.0.1:{server.port}{server.folder}/{name}"
    profile = Profile.model_validate({"title": "U", "structure": "{}", "type": "url", "url": url, "fetch": fetch})
    account = subprocess.run(["id", "-un"], check=True, capture_output=True, text=True).stdout.strip()
    credentials = {"U": SecretStr(account), "PHRASE": SecretStr(passphrase)}
    return FetchRequest(profile=profile, credentials=credentials, url_allow="127.0.0.1")


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_a_file_comes_whichever_host_key_is_named(openssh: OpenSSH, kind: str) -> None:
    assert fetch_source(request(openssh, kind)).data == CSV


def changed(asked: FetchRequest, **fetch: object) -> FetchRequest:
    profile = asked.profile.model_copy(update={"fetch": asked.profile.fetch.model_copy(update=fetch)})
    return FetchRequest(profile=profile, credentials=asked.credentials, url_allow="127.0.0.1")


def test_a_missing_file_is_named(openssh: OpenSSH) -> None:
    with pytest.raises(SourceError, match=r"nobody\.csv") as caught:
        fetch_source(request(openssh, "rsa", name="nobody.csv"))
    assert caught.value.code == "source-not-found"


def test_a_key_that_the_server_does_not_know_is_refused(openssh: OpenSSH) -> None:
    other = changed(request(openssh, "rsa"), client_key=str(openssh.folder / "host_ed25519"), client_key_password=None)
    with pytest.raises(SourceError) as caught:
        fetch_source(other)
    assert (type(caught.value), caught.value.code) == (SourceError, "source-forbidden")


@pytest.mark.parametrize(
    ("fetch", "words"),
    [
        ({"client_key_password": None}, "is locked"),
        ({"client_key": "/nowhere/me"}, "cannot be read"),
        ({"client_key": "/etc/passwd", "client_key_password": None}, "is no private key"),
    ],
)
def test_a_private_key_that_cannot_be_used_is_named(openssh: OpenSSH, fetch: dict[str, object], words: str) -> None:
    with pytest.raises(WrongUseError, match=f"`fetch.client_key` {words}"):
        fetch_source(changed(request(openssh, "rsa"), **fetch))


def test_a_wrong_passphrase_is_named_and_never_shown(openssh: OpenSSH) -> None:
    with pytest.raises(WrongUseError, match="the passphrase in PHRASE") as caught:
        fetch_source(request(openssh, "rsa", passphrase="wr0ng"))
    assert "wr0ng" not in str(caught.value)


def test_another_server_in_its_place_is_refused(openssh: OpenSSH) -> None:
    with pytest.raises(SourceError) as caught:
        fetch_source(changed(request(openssh, "rsa"), host_key=(openssh.folder / "me.pub").read_text()))
    assert caught.value.code == "host-key-wrong"


def test_no_connection_stays_open(openssh: OpenSSH) -> None:
    fetch_source(request(openssh, "rsa"))

    until = time.monotonic() + 5
    while _connections() and time.monotonic() < until:
        time.sleep(0.02)
    assert _connections() == []


def _connections() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if isinstance(thread, paramiko.Transport)]
