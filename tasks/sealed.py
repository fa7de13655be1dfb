"""Outputs as sealed bytes: a JSON head that tells the shape, Parquet blocks for frames, each block under AES-256-GCM.

There is no pickle: what is read back are plain values, frames, and classes of this package. Every block is bound to
the key id, the name under which the whole is stored, the number of blocks and its place among them, so that a block of
another result, another installation or another position does not open, and none can be taken away.
"""

import importlib
import io
import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime
from typing import Any, Final, cast

import orjson
import polars as pl
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel

from tasks.errors import RollcallError
from tasks.keyring import NONCE_BYTES, Keyring, SealError
from tasks.redact import RedactedError

MAGIC: Final = b"RCSEAL1\0"
_KIND: Final = "$"
_PLAIN: Final = frozenset({str, int, bool, type(None)})
_START: Final = struct.Struct(">8s8sH")
_COUNT: Final = struct.Struct(">I")
_SIZE: Final = struct.Struct(">Q")


@dataclass(frozen=True)
class Label:
    """The clear part of a sealed result: which key closed it and under which name it is stored."""

    key_id: str
    name: str

    def __bytes__(self) -> bytes:
        name = self.name.encode()
        return _START.pack(MAGIC, bytes.fromhex(self.key_id), len(name)) + name


def read_label(sealed: bytes) -> Label:
    """The label of sealed bytes.

    Raises: SealError when they are not sealed bytes.
    """
    try:
        magic, key_id, length = _START.unpack_from(sealed)
        name = bytes(sealed[_START.size : _START.size + length]).decode()
    except (struct.error, UnicodeDecodeError):
        magic, key_id, name = b"", b"", ""
    if magic != MAGIC:
        raise SealError("result-foreign", "a stored result was not written by this version of Rollcall")
    return Label(key_id.hex(), name)


def seal_result(value: object, name: str, ring: Keyring) -> bytes:
    """A value as bytes that only this installation opens, and only under this name.

    Raises: TypeError for a value that is neither plain nor of this package.
    """
    packer = _Packer()
    head = orjson.dumps(packer.pack(value))
    blocks = [head, *packer.blocks]
    front = bytes(Label(ring.key_id, name)) + _COUNT.pack(len(blocks))
    cipher = AESGCM(ring.derive("results"))
    parts = [front]
    for at, block in enumerate(blocks):
        nonce = os.urandom(NONCE_BYTES)
        closed = cipher.encrypt(nonce, block, front + _COUNT.pack(at))
        parts += [_SIZE.pack(len(closed)), nonce, closed]
    return b"".join(parts)


def open_result(sealed: bytes, ring: Keyring) -> Any:
    """What `seal_result` closed.

    Raises: SealError when a key is missing or a byte was changed.
    """
    label = read_label(sealed)
    try:
        cipher = AESGCM(ring.at(label.key_id).derive("results"))
        head, *blocks = _open_blocks(memoryview(sealed), len(bytes(label)), cipher)
        return _Unpacker(blocks).unpack(orjson.loads(head))
    except (InvalidTag, struct.error, ValueError, OverflowError, pl.exceptions.PolarsError):
        raise SealError("result-damaged", f"the stored result {label.name} does not open") from None


def _open_blocks(sealed: memoryview, label_bytes: int, cipher: AESGCM) -> Iterable[bytes]:
    (count,) = _COUNT.unpack_from(sealed, label_bytes)
    start = label_bytes + _COUNT.size
    front = bytes(sealed[:start])
    for at in range(count):
        (size,) = _SIZE.unpack_from(sealed, start)
        body = start + _SIZE.size + NONCE_BYTES
        nonce = bytes(sealed[body - NONCE_BYTES : body])
        yield cipher.decrypt(nonce, sealed[body : body + size], front + _COUNT.pack(at))
        start = body + size
    if start != len(sealed):
        raise ValueError("bytes after the last block")


class _Packer:
    """Turns a value into JSON data and blocks; whatever JSON cannot say is an object with the key `$`."""

    def __init__(self) -> None:
        self.blocks: list[bytes | memoryview] = []

    def pack(self, value: object) -> object:
        if type(value) in _PLAIN:
            return value
        match value:
            case float():
                return {_KIND: "float", "text": repr(value)}
            case bytes():
                return self._block("bytes", value)
            case pl.DataFrame():
                return self._block("frame", _parquet(value))
            case list():
                return [self.pack(item) for item in cast("list[object]", value)]
            case tuple():
                return {_KIND: "tuple", "items": [self.pack(item) for item in cast("tuple[object, ...]", value)]}
            case dict():
                return self._mapping(cast("dict[object, object]", value))
            case datetime():
                return {_KIND: "datetime", "text": value.isoformat()}
            case date():
                return {_KIND: "date", "text": value.isoformat()}
            case _:
                return self._object(value)

    def _mapping(self, value: dict[object, object]) -> object:
        if _KIND not in value and all(type(name) is str for name in value):
            return {cast("str", name): self.pack(item) for name, item in value.items()}
        return {_KIND: "dict", "items": [[self.pack(name), self.pack(item)] for name, item in value.items()]}

    def _object(self, value: object) -> object:
        if isinstance(value, BaseException):
            error = (
                value
                if isinstance(value, RollcallError)
                else RedactedError(f"{type(value).__name__} (details withheld)")
            )
            kind, arguments = error.__reduce__()
            return {_KIND: "error", "class": _qualified(cast("type", kind)), "arguments": self.pack(list(arguments))}
        if isinstance(value, BaseModel):
            content = {name: self.pack(getattr(value, name)) for name in type(value).model_fields}
            return {_KIND: "model", "class": _qualified(type(value)), "fields": content}
        if is_dataclass(value) and not isinstance(value, type):
            content = {field.name: self.pack(getattr(value, field.name)) for field in fields(value) if field.init}
            return {_KIND: "record", "class": _qualified(type(value)), "fields": content}
        raise TypeError(f"a step returned a {type(value).__name__}, which cannot be sealed")

    def _block(self, kind: str, block: bytes | memoryview) -> object:
        self.blocks.append(block)
        return {_KIND: kind, "at": len(self.blocks) - 1}


class _Unpacker:
    def __init__(self, blocks: list[bytes]) -> None:
        self.blocks = blocks

    def unpack(self, value: Any) -> Any:
        if type(value) in _PLAIN:
            return value
        if isinstance(value, list):
            return [self.unpack(item) for item in cast("list[Any]", value)]
        fields_of: dict[str, Any] = value
        if _KIND not in fields_of:
            return {name: self.unpack(item) for name, item in fields_of.items()}
        return self._marked(fields_of)

    def _marked(self, value: dict[str, Any]) -> Any:
        match value[_KIND]:
            case "float":
                return float(value["text"])
            case "bytes":
                return self.blocks[int(value["at"])]
            case "frame":
                return pl.read_parquet(self.blocks[int(value["at"])])
            case "tuple":
                return tuple(self.unpack(value["items"]))
            case "dict":
                return {self.unpack(name): self.unpack(item) for name, item in value["items"]}
            case "datetime":
                return datetime.fromisoformat(value["text"])
            case "date":
                return date.fromisoformat(value["text"])
            case _:
                return self._object(value)

    def _object(self, value: dict[str, Any]) -> Any:
        kind = _class(value["class"])
        if value[_KIND] == "error":
            return kind(*self.unpack(value["arguments"]))
        content = {name: self.unpack(item) for name, item in value["fields"].items()}
        return kind.model_construct(**content) if issubclass(kind, BaseModel) else kind(**content)


def _parquet(frame: pl.DataFrame) -> memoryview:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", compression_level=1)
    return buffer.getbuffer()


def _qualified(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _class(qualified: str) -> Any:
    """The class that a head names; only this package's own, however the head came to be."""
    module, _, name = qualified.partition(":")
    if module.partition(".")[0] != "tasks":
        raise ValueError(f"{module} is not part of Rollcall")
    try:
        kind = getattr(importlib.import_module(module), name, None)
    except ImportError:
        raise ValueError(f"there is no module {module} any more") from None
    if not isinstance(kind, type):
        raise ValueError(f"{qualified} is not a class")
    if not (is_dataclass(kind) or issubclass(kind, (BaseModel, RollcallError))):
        raise ValueError(f"{qualified} is not a record")
    return kind
