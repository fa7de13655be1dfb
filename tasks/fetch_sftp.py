"""Sources on sftp servers: at a checked address, from a server that shows the key which the profile names.

Neither the agent nor the keys of the home folder are tried, and `known_hosts` is not read: the profile says it all.
"""

import socket
from collections.abc import Generator
from contextlib import closing, contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tasks.address import address_rules, permitted_addresses
from tasks.errors import SourceError, WrongUseError
from tasks.watchdog import Watchdog

if TYPE_CHECKING:
    from tasks.fetch import FetchRequest

paramiko: Any = import_module("paramiko")
SFTPFileSystem: Any = import_module("fsspec.implementations.sftp").SFTPFileSystem


@contextmanager
def sftp_files(request: "FetchRequest", host: str, port: int) -> Generator[Any, None, None]:
    """The server's file system; the connection ends with the block, or before it when the server is too slow.

    Raises: SourceError for another host key, WrongUseError for a key that cannot be used, OSError for the network.
    """
    options = request.profile.fetch
    kind, key = _named_key(options.host_key)

    class OnlyTheNamedKey(paramiko.MissingHostKeyPolicy):
        def missing_host_key(self, client: Any, hostname: str, key_shown: Any) -> None:
            if [key_shown.get_name(), key_shown.get_base64()] != [kind, key]:
                message = f"{host} shows another key than `fetch.host_key`: ask its administrator before you go on."
                raise SourceError("host-key-wrong", message)

    who = _who(request)
    with (
        Watchdog(request.ends_at, options.read_timeout_seconds) as watchdog,
        closing(_socket(request, host, port, watchdog)) as connection,
        _ended_by(watchdog),
    ):
        try:
            files = SFTPFileSystem(
                host=host,
                port=port,
                **who,
                sock=connection,
                host_key_policy=OnlyTheNamedKey(),
                disabled_algorithms={"keys": _other_algorithms(kind)},
                allow_agent=False,
                look_for_keys=False,
                timeout=options.connect_timeout_seconds,
                skip_instance_cache=True,
            )
        except paramiko.AuthenticationException:
            raise PermissionError from None
        except paramiko.ssh_exception.IncompatiblePeer:
            message = f"{host} has no {kind} key, which `fetch.host_key` names: compare it with `ssh-keyscan {host}`."
            raise SourceError("host-key-wrong", message) from None
        with closing(files.client):
            yield files


@contextmanager
def _ended_by(watchdog: Watchdog) -> Generator[None, None, None]:
    """What paramiko raises over a connection as OSError, and as a timeout where the watchdog ended it."""
    try:
        yield
    except (OSError, EOFError, paramiko.SSHException, paramiko.SFTPError) as error:
        if watchdog.bit:
            raise TimeoutError from None
        raise error if isinstance(error, OSError) else OSError from None


class _HeardSocket(socket.socket):
    """Tells the watchdog whenever something comes: paramiko has no timeout of its own for most answers."""

    watchdog: Watchdog

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        data = super().recv(bufsize, flags)
        if data:
            self.watchdog.hear()
        return data


def _who(request: "FetchRequest") -> dict[str, Any]:
    """The user with a private key, a password, or both."""
    options = request.profile.fetch
    who: dict[str, Any] = {"username": request.credential(options.user)}
    if options.client_key:
        who["pkey"] = _private_key(request, options.client_key)
    if options.password or not options.client_key:
        who["password"] = request.credential(options.password)
    return who


def _private_key(request: "FetchRequest", file: str) -> Any:
    options = request.profile.fetch
    passphrase = request.credential(options.client_key_password).encode() if options.client_key_password else None
    try:
        return paramiko.PKey.from_path(file, passphrase)
    except OSError as error:
        reason = f"cannot be read ({error.strerror}); its path is looked up where the import runs"
    except TypeError:
        reason = "is locked: name the credential that holds its passphrase in `fetch.client_key_password`"
    except (paramiko.SSHException, paramiko.pkey.UnknownKeyType, ValueError):
        other = f", or not opened by the passphrase in {options.client_key_password}" if passphrase else ""
        reason = f"is no private key{other}"
    raise WrongUseError("client-key-unusable", f"The file that the profile names in `fetch.client_key` {reason}.")


def _named_key(text: str | None) -> tuple[str, str]:
    """Kind and key of a host key, written as in `known_hosts`, with its host before it or without."""
    words = iter((text or "").split())
    kind = next((word for word in words if word.startswith(("ssh-", "ecdsa-"))), "")
    key = next(words, "")
    if not key:
        raise WrongUseError(
            "host-key-missing",
            "sftp needs `fetch.host_key`, the server's public key (`ssh-ed25519 AAAA…`): `ssh-keyscan HOST` prints it, "
            "compare it first.",
        )
    return kind, key


def _other_algorithms(kind: str) -> list[str]:
    """The host key algorithms that would make a server show a key of another kind than the named one."""
    wanted = {"rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"} if kind == "ssh-rsa" else {kind}
    return [name for name in paramiko.Transport._preferred_keys if name not in wanted]


def _socket(request: "FetchRequest", host: str, port: int, watchdog: Watchdog) -> socket.socket:
    failure: OSError = OSError()
    for address in permitted_addresses(host, port, address_rules(request.url_allow, request.url_deny)):
        timeout_seconds = min(request.profile.fetch.connect_timeout_seconds, watchdog.seconds_left)
        try:
            made = socket.create_connection((str(address), port), timeout_seconds)
        except OSError as error:
            failure = error
            continue
        heard = _HeardSocket(fileno=watchdog.guard(made).detach())
        heard.watchdog = watchdog
        watchdog.hear()
        return heard
    raise failure
