"""Where an installation's encryption key comes from: the environment, a file, or for SQLite a file made on first use.

ROLLCALL_KEY (separated by commas) and a key file (one a line) hold the current key first and older ones after it.
"""

import base64
import binascii
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tasks.errors import WrongUseError
from tasks.keyring import KEY_BYTES, Keyring
from tasks.settings import Settings

_HOW_TO_MAKE: Final = "make one with `openssl rand -base64 32`"
_URL_SAFE: Final = str.maketrans("-_", "+/")


def open_keyring(settings: Settings, *, may_create: bool) -> Keyring:
    """The keyring of an installation: ROLLCALL_KEY, ROLLCALL_KEY_FILE, or for SQLite the file `key` in its home.

    `may_create` allows to make that file when there is none. Pass False when the database already holds sealed
    values: a new key could open none of them.
    Raises: WrongUseError when there is no key or it is not 32 bytes.
    """
    if settings.key is not None:
        return _ring(settings.key.get_secret_value().split(","), "ROLLCALL_KEY")
    if settings.key_file is not None:
        return _ring(_lines(settings.key_file), "ROLLCALL_KEY_FILE")
    path = settings.home / "key"
    if not path.exists():
        _refuse_to_create(settings, path, may_create)
        _create(path)
    return _ring(_lines(path), str(path))


def add_key(settings: Settings) -> Keyring:
    """A new key before the others in the key file; what they sealed is sealed anew by `tasks.store.rotate_key`.

    Raises: WrongUseError when the key comes from ROLLCALL_KEY, which only its owner can change.
    """
    if settings.key is not None:
        raise WrongUseError(
            "key-in-environment",
            f"the key comes from ROLLCALL_KEY: {_HOW_TO_MAKE}, put it there before the present one and a comma",
        )
    open_keyring(settings, may_create=False)
    path = _path(settings)
    _replace(path, [_new_key(), *_lines(path)])
    return open_keyring(settings, may_create=False)


def forget_older_keys(settings: Settings) -> None:
    """Leaves only the first key in the key file; ROLLCALL_KEY is its owner's."""
    if settings.key is None:
        path = _path(settings)
        _replace(path, [line for line in _lines(path) if line.strip()][:1])


def _path(settings: Settings) -> Path:
    return settings.key_file or settings.home / "key"


def _ring(texts: Iterable[str], origin: str) -> Keyring:
    keys = [_parse(text.strip(), origin) for text in texts if text.strip()]
    if not keys:
        raise WrongUseError("key-missing", f"{origin} is empty, expected a key of {KEY_BYTES} bytes: {_HOW_TO_MAKE}")
    return Keyring(keys[0], keys[1:])


def _parse(text: str, origin: str) -> bytes:
    try:
        is_hex = len(text) == 2 * KEY_BYTES
        key = bytes.fromhex(text) if is_hex else base64.b64decode(text.translate(_URL_SAFE), validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != KEY_BYTES:
        raise WrongUseError(
            "key-invalid",
            f"{origin} holds {len(text)} characters that are no key, expected {KEY_BYTES} bytes as base64 or hex: "
            f"{_HOW_TO_MAKE}",
        )
    return key


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUseError(
            "key-file-unreadable", f"the key file {path} cannot be read ({type(error).__name__}): check path and rights"
        ) from None


def _refuse_to_create(settings: Settings, path: Path, may_create: bool) -> None:
    if not settings.store_url().startswith("sqlite"):
        raise WrongUseError(
            "key-missing",
            f"there is no key: with PostgreSQL set ROLLCALL_KEY or ROLLCALL_KEY_FILE; {_HOW_TO_MAKE}",
        )
    if not may_create:
        raise WrongUseError(
            "key-missing",
            f"the database holds sealed values, but the key file {path} is gone: put it back, or set ROLLCALL_KEY",
        )


def _new_key() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def _create(path: Path) -> None:
    """One key file, however many processes start at once: the first link wins, the others read it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = _draft(path, [_new_key()])
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _replace(path: Path, lines: list[str]) -> None:
    _draft(path, lines).replace(path)
    # The name must not be lost when the power fails: values may lie under the new key a moment later.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _draft(path: Path, lines: list[str]) -> Path:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:  # noqa: PTH123
        file.writelines(f"{line}\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())
    return draft
