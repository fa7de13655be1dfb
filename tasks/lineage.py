"""Cache keys by descent: what an output was made from, never what it contains.

The key of a step's output covers the step, its version and the keys of what it was given. A frame is therefore never
hashed on its way: only an output that no cached step made is digested. Keys are keyed digests, because they are file
names and stand in Prefect's database: nobody can try small inputs against them.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Protocol, cast, runtime_checkable

import orjson
import polars as pl
from pydantic import BaseModel

from tasks.keyring import Keyring
from tasks.output import Output, Source
from tasks.profile import Profile

_DIGEST_BYTES: Final = 16


@runtime_checkable
class Cacheable(Protocol):
    """An argument that knows what of it a cache key covers."""

    def cache_facts(self) -> Mapping[str, object] | None:
        """Plain data that tells this argument from others; None when a call with it must not be cached."""
        ...


@dataclass(frozen=True)
class Recipe:
    """What a step is for its cache: a name, a version that changes with its code, the profile's settings it reads."""

    name: str
    version: int
    reads: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if unknown := set(self.reads) - set(Profile.model_fields):
            raise ValueError(f"step {self.name} reads {', '.join(sorted(unknown))}, which no profile has")


def cache_key(recipe: Recipe, arguments: Mapping[str, object], ring: Keyring) -> str | None:
    """The key of what a step makes of its arguments; None when one of them forbids caching.

    Raises: TypeError for an argument that is neither an output, nor a profile, nor plain data, nor `Cacheable`.
    """
    parts: dict[str, object] = {}
    for name, value in arguments.items():
        part = _part(value, recipe, ring)
        if part is None:
            return None
        parts[name] = part
    made_of = [recipe.name, recipe.version, pl.__version__, ring.key_id, parts]
    return f"{recipe.name}-{_digest(ring, _plain(made_of)).hexdigest()}"


def content_digest(output: Output, ring: Keyring) -> str:
    """A digest of everything in an output that no cached step made; of a source, its facts stand for its bytes."""
    digest = _digest(ring, type(output).__qualname__.encode())
    known = {"lineage", "data"} if isinstance(output, Source) and output.facts.digest else {"lineage"}
    for field in fields(output):
        if field.name not in known:
            digest.update(b"\0" + field.name.encode() + b"\0")
            _update(digest, getattr(output, field.name), ring)
    return digest.hexdigest()


def _part(value: object, recipe: Recipe, ring: Keyring) -> object | None:
    if isinstance(value, Profile):
        return {"profile": value.part(recipe.reads)}
    if isinstance(value, Cacheable):
        facts = value.cache_facts()
        return None if facts is None else {"facts": facts}
    if isinstance(value, Output):
        return {"lineage": value.lineage or content_digest(value, ring)}
    return {"value": value}


def _digest(ring: Keyring, start: bytes) -> "hashlib.blake2b":
    return hashlib.blake2b(start, key=ring.derive("cache"), digest_size=_DIGEST_BYTES)


def _update(digest: "hashlib.blake2b", value: object, ring: Keyring) -> None:
    match value:
        case pl.DataFrame():
            seed = int.from_bytes(ring.derive("cache/rows")[:8], "little")
            digest.update(f"{value.schema}{value.height}".encode())
            digest.update(value.hash_rows(seed).to_frame().write_ipc(None).getvalue())
        case bytes():
            digest.update(len(value).to_bytes(8, "big") + value)
        case dict():
            for name, item in sorted(cast("dict[str, object]", value).items()):
                digest.update(f"\0{name}\0".encode())
                _update(digest, item, ring)
        case _:
            digest.update(_plain(value))


def _plain(value: object) -> bytes:
    try:
        return orjson.dumps(value, default=_as_plain, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise TypeError(str(error.__cause__ or error)) from None


def _as_plain(value: Any) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"a step was given a {type(value).__name__}, which no cache key can cover")
