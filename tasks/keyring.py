"""The installation's encryption key and everything that is derived from it: sub-keys, sealed values, fingerprints.

One key of 32 bytes, sub-keys by purpose (HKDF-SHA256), AES-256-GCM for values. A sealed value names its key, so that
older keys still open what they closed. No key, and no value, ever appears in a `repr` or in an error.
`tasks.key_file` finds or makes the key of an installation.
"""

import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import polars as pl

from tasks.errors import WrongUseError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
KEY_ID_BYTES: Final = 8
SEALED_VERSION: Final = b"\x01"
_HEAD_BYTES: Final = len(SEALED_VERSION) + KEY_ID_BYTES
_BODY_AT: Final = _HEAD_BYTES + NONCE_BYTES


class SealError(WrongUseError):
    """A sealed value that no key of the ring opens: another key, another place, or damaged bytes."""


class Keyring:
    """The current key, and the older ones that still open what they sealed."""

    def __init__(self, current: bytes, older: Sequence[bytes] = ()) -> None:
        self._keys = {key.id: key for key in (_Key(secret) for secret in (current, *older))}
        self._current = next(iter(self._keys.values()))

    def __repr__(self) -> str:
        return f"Keyring({self.key_id}, {len(self._keys) - 1} older)"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a keyring is never pickled: make it from the settings where it is needed")

    @property
    def key_id(self) -> str:
        """The name of the current key; tells nothing about the key itself."""
        return self._current.id.hex()

    @property
    def older_key_ids(self) -> tuple[str, ...]:
        """The names of the keys that still open values and never seal new ones."""
        return tuple(key.id.hex() for key in self._keys.values() if key is not self._current)

    def at(self, key_id: str) -> "Keyring":
        """A ring on which an older key is the current one: for fingerprints and checksums made before a rotation.

        Raises: SealError when the ring has no such key.
        """
        return Keyring(self._key(bytes.fromhex(key_id)).secret)

    def led_by(self, key_check: str) -> "Keyring":
        """The ring on which the key that made this check is the current one: the database says which key is in force.

        Raises: SealError when no key of the ring made it.
        """
        for key in self._keys.values():
            if hmac.compare_digest(key.check(), key_check):
                others = [other.secret for other in self._keys.values() if other is not key]
                return Keyring(key.secret, others)
        raise SealError("key-wrong", "no key of the ring is the one that this database was sealed with")

    def cache_facts(self) -> Mapping[str, object]:
        """What a cache key covers of a keyring that a step is given: which key it seals and fingerprints with."""
        return {"key": self.key_id}

    def derive(self, purpose: str) -> bytes:
        """The sub-key of 32 bytes for a purpose."""
        return self._current.derive(purpose)

    def key_check(self) -> str:
        """What a database keeps to recognise the key of its sealed values; see `holds`."""
        return self._current.check()

    def holds(self, key_check: str) -> bool:
        """Whether a key of the ring, current or older, made this key check."""
        return any(hmac.compare_digest(key.check(), key_check) for key in self._keys.values())

    def seal(self, value: str | bytes, *, table: str, row: str, column: str) -> bytes:
        """A value closed with the current key, to be opened at the same table, row and column only."""
        head = SEALED_VERSION + self._current.id
        nonce = os.urandom(NONCE_BYTES)
        plain = value.encode() if isinstance(value, str) else value
        cipher = self._current.cipher(_value_purpose(table, column))
        return head + nonce + cipher.encrypt(nonce, plain, _place(head, table, column) + row.encode())

    def open(self, sealed: bytes, *, table: str, row: str, column: str) -> bytes:
        """What `seal` closed.

        Raises: SealError, without the value, when no key of the ring opens it at this place.
        """
        from cryptography.exceptions import InvalidTag

        head, nonce, closed = sealed[:_HEAD_BYTES], sealed[_HEAD_BYTES:_BODY_AT], sealed[_BODY_AT:]
        cipher = self._key(head[len(SEALED_VERSION) :]).cipher(_value_purpose(table, column))
        try:
            return cipher.decrypt(nonce, closed, _place(head, table, column) + row.encode())
        except (InvalidTag, ValueError):
            raise _not_opened(f"{table}.{column}") from None

    def seal_series(self, values: pl.Series, rows: pl.Series, *, table: str, column: str) -> pl.Series:
        """`seal` for a whole column; null stays null. `rows` are the rows' keys, as strings.

        Shape: a Binary series with the name of `values`.
        """
        head = SEALED_VERSION + self._current.id
        place = _place(head, table, column)
        encrypt = self._current.cipher(_value_purpose(table, column)).encrypt
        nonces = os.urandom(NONCE_BYTES * len(values))
        sealed: list[bytes | None] = []
        for at, (value, row) in enumerate(zip(_bytes_of(values), rows.to_list(), strict=True)):
            nonce = nonces[at * NONCE_BYTES : (at + 1) * NONCE_BYTES]
            sealed.append(None if value is None else head + nonce + encrypt(nonce, value, place + row.encode()))
        return pl.Series(values.name, sealed, dtype=pl.Binary)

    def open_series(self, sealed: pl.Series, rows: pl.Series, *, table: str, column: str) -> pl.Series:
        """`open` for a whole column of text; null stays null. Shape: a String series."""
        plain = [
            None if value is None else self.open(value, table=table, row=row, column=column).decode()
            for value, row in zip(sealed.to_list(), rows.to_list(), strict=True)
        ]
        return pl.Series(sealed.name, plain, dtype=pl.String)

    def fingerprint(self, login: str, field: str, value: str) -> bytes:
        """16 bytes that change with the value; keyed per login and field, so that equal pins do not look equal."""
        digest = self._fingerprint_start(field)
        digest.update(f"{len(login)}:{login}{value}".encode())
        return digest.digest()

    def fingerprint_series(self, logins: pl.Series, field: str, values: pl.Series) -> pl.Series:
        """`fingerprint` for a whole column; null stays null. Shape: a Binary series with the name of `values`."""
        # Rows are joined by polars, so that Python is left with one hash a row.
        length = logins.str.len_chars().cast(pl.String)
        messages = (length + ":" + logins + values).to_list()
        start = self._fingerprint_start(field).copy
        prints: list[bytes | None] = []
        for message in messages:
            if message is None:
                prints.append(None)
                continue
            digest = start()
            digest.update(message.encode())
            prints.append(digest.digest())
        return pl.Series(values.name, prints, dtype=pl.Binary)

    def _fingerprint_start(self, field: str) -> "hashlib.blake2b":
        return hashlib.blake2b(key=self._current.derive(f"fingerprint/{field}"), digest_size=16)

    def _key(self, key_id: bytes) -> "_Key":
        key = self._keys.get(key_id)
        if key is None:
            raise SealError(
                "key-unknown",
                f"a sealed value names the key {key_id.hex()}, the ring has {', '.join(k.hex() for k in self._keys)}: "
                "add the key that sealed it after the current one in ROLLCALL_KEY or in the key file",
            )
        return key


class _Key:
    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        self._derived: dict[str, bytes] = {}
        self._ciphers: dict[str, AESGCM] = {}
        self.id = self.derive("key id")[:KEY_ID_BYTES]

    def __repr__(self) -> str:
        return f"_Key({self.id.hex()})"

    def derive(self, purpose: str) -> bytes:
        if purpose not in self._derived:
            self._derived[purpose] = _hkdf_sha256(self.secret, f"rollcall/1/{purpose}".encode())
        return self._derived[purpose]

    def cipher(self, purpose: str) -> "AESGCM":
        if purpose not in self._ciphers:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            self._ciphers[purpose] = AESGCM(self.derive(purpose))
        return self._ciphers[purpose]

    def check(self) -> str:
        return self.derive("key check").hex()


def _hkdf_sha256(secret: bytes, info: bytes) -> bytes:
    """One block of output with an empty salt; cryptography's own would cost every command 40 ms of import.

    Source: RFC 5869, sections 2.2 and 2.3.
    """
    extracted = hmac.digest(bytes(hashlib.sha256().digest_size), secret, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


def _value_purpose(table: str, column: str) -> str:
    # A sub-key a column: random nonces of 96 bits are good for 2**32 values a key.
    return f"value/{table}/{column}"


def _place(head: bytes, *names: str) -> bytes:
    return head + b"".join(len(name.encode()).to_bytes(4, "big") + name.encode() for name in names)


def _bytes_of(values: pl.Series) -> Iterable[bytes | None]:
    return (values if values.dtype == pl.Binary else values.cast(pl.String).cast(pl.Binary)).to_list()


def _not_opened(place: str) -> SealError:
    return SealError(
        "sealed-value-not-opened",
        f"a sealed value of {place} does not open: its bytes are damaged or it was moved to another row",
    )
