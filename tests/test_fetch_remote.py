"""Sources on file servers: a real sftp server on loopback, its key checked."""

import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest
from pydantic import SecretStr, ValidationError

from tasks.errors import SourceError, TransientSourceError, WrongUseError
from tasks.fetch import FetchRequest, fetch_source
from tasks.profile import Profile

CSV = b"displayname,username\nMax Muster,mmuster\n"
KEY = paramiko.ECDSAKey.generate()
OTHER_KEY = paramiko.ECDSAKey.generate()


class Door(paramiko.ServerInterface):
    """Lets one person in."""

    def check_auth_password(self, username: str, password: str) -> int:
        right = (username, password) == ("hr", "s3cret")
        return paramiko.common.AUTH_SUCCESSFUL if right else paramiko.common.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.common.OPEN_SUCCEEDED


class Files(paramiko.SFTPServerInterface):
    """One folder, to read."""

    folder: Path

    def _path(self, path: str) -> Path:
        return self.folder / path.lstrip("/")

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        try:
            attributes = paramiko.SFTPAttributes.from_stat(self._path(path).stat())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        if path == "/cut.csv":
            attributes.st_size += 100
        return attributes

    lstat = stat

    def open(self, path: str, flags: int, attr: object) -> paramiko.SFTPHandle | int:
        if path == "/silent.csv":
            time.sleep(1)
        try:
            handle = paramiko.SFTPHandle(flags)
            handle.readfile = self._path(path).open("rb")
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        return handle


@contextmanager
def sftp_server(folder: Path) -> Iterator[int]:
    """The port of a server that offers the folder to one connection after the other."""
    listener = socket.create_server(("127.0.0.1", 0))
    transports: list[paramiko.Transport] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transports.append(transport)
            transport.add_server_key(KEY)
            files = type("FilesHere", (Files,), {"folder": folder})
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, files)
            try:
                transport.start_server(server=Door())
            except (paramiko.SSHException, EOFError):
                continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for transport in transports:
            transport.close()
        thread.join()


def request(
    port: int, path: str, *, password: str = "s3cret", key: paramiko.PKey = KEY, **options: object
) -> FetchRequest:
    host_key = f"{key.get_name()} {key.get_base64()} hr"
    fetch = {"user": "U", "password": "P", "host_key": host_key, **options}
    url = f"sftp://127.0.0.1:{port}{path}"
    profile = Profile.model_validate({"title": "Users", "structure": "{}", "type": "url", "url": url, "fetch": fetch})
    secrets = {"U": SecretStr("hr"), "P": SecretStr(password)}
    return FetchRequest(profile=profile, credentials=secrets, url_allow="127.0.0.1")


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    for name in ("users", "cut", "silent"):
        (tmp_path / f"{name}.csv").write_bytes(CSV)
    with sftp_server(tmp_path) as port:
        yield port


def test_a_file_comes_over_sftp(port: int) -> None:
    assert fetch_source(request(port, "/users.csv")).data == CSV


def test_a_missing_file_is_named(port: int) -> None:
    with pytest.raises(SourceError) as caught:
        fetch_source(request(port, "/nobody.csv"))
    assert caught.value.code == "source-not-found"


def test_a_wrong_password_is_final(port: int) -> None:
    with pytest.raises(SourceError) as caught:
        fetch_source(request(port, "/users.csv", password="wrong"))
    assert (type(caught.value), caught.value.code) == (SourceError, "source-forbidden")


def test_another_host_key_is_refused(port: int) -> None:
    with pytest.raises(SourceError) as caught:
        fetch_source(request(port, "/users.csv", key=OTHER_KEY))
    assert caught.value.code == "host-key-wrong"


@pytest.mark.parametrize(
    ("missing", "words"),
    [("host_key", "ssh-keyscan"), ("user", "sftp needs `fetch.user`")],
)
def test_what_sftp_needs_is_proved_before_a_server_is_asked(missing: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        request(22, "/users.csv", **{missing: None})


def test_loopback_is_refused_by_default(port: int) -> None:
    closed = request(port, "/users.csv")
    with pytest.raises(SourceError) as caught:
        fetch_source(FetchRequest(profile=closed.profile, credentials=closed.credentials))
    assert caught.value.code == "address-refused"


def test_a_server_that_is_away_may_come_back() -> None:
    with pytest.raises(TransientSourceError):
        fetch_source(request(9, "/users.csv"))


def test_a_file_of_which_less_came_than_was_stated_is_cut(port: int) -> None:
    with pytest.raises(TransientSourceError) as caught:
        fetch_source(request(port, "/cut.csv"))
    assert caught.value.code == "body-truncated"


@pytest.mark.clock
def test_a_server_that_says_nothing_more_is_not_waited_for(port: int) -> None:
    begin = time.monotonic()

    with pytest.raises(TransientSourceError) as caught:
        fetch_source(request(port, "/silent.csv", read_timeout_seconds=0.3))
    assert caught.value.code == "fetch-timeout"
    assert time.monotonic() - begin < 0.9


@pytest.mark.clock
def test_a_server_that_never_says_a_word_is_not_waited_for() -> None:
    begin = time.monotonic()

    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(TransientSourceError) as caught:
        fetch_source(request(listener.getsockname()[1], "/users.csv", read_timeout_seconds=0.3))
    assert caught.value.code == "fetch-timeout"
    assert time.monotonic() - begin < 2


@pytest.mark.clock
def test_the_time_for_a_fetch_ends_it(port: int) -> None:
    late = request(port, "/silent.csv")
    begin = time.monotonic()

    with pytest.raises(TransientSourceError) as caught:
        fetch_source(replace(late, started=begin - 179.5))
    assert caught.value.code == "fetch-timeout"
    assert time.monotonic() - begin < 1


def test_a_scheme_whose_extra_is_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs.core", None)
    monkeypatch.delitem(sys.modules, "tasks.fetch_gs", raising=False)
    profile = Profile(title="U", structure="{}", type="url", url="gs://bucket/users.csv")
    with pytest.raises(WrongUseError, match=r"pip install 'rollcall\[gs\]'"):
        fetch_source(FetchRequest(profile=profile))
