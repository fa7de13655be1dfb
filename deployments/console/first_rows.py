"""What the first rows of the last file become at one stage of a profile, so that an edit is seen before it is saved.

The first 64 KiB of the last upload are kept sealed for that. Whatever flows into a password or a pin is masked.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl

from deployments.console.shown import CELL_CHARACTERS
from tasks.decode import decode_text
from tasks.errors import RollcallError
from tasks.keyring import Keyring
from tasks.mapping import SECRET_KEYS, Mapping, mapping_of
from tasks.names import Names
from tasks.output import ROW, Source, SourceFacts, Table
from tasks.parse import parse_csv
from tasks.prefilter import prefilter_rows
from tasks.profile import Profile
from tasks.redact import safe
from tasks.structure import render_structure_rows
from tasks.user import MASK
from tasks.variables import map_variables_of_rows

ROWS: Final = 8


@dataclass(frozen=True)
class FirstRows:
    """A small table, or the sentence that says why there is none.

    `dropped` are the rows of the table that the stage leaves out.
    """

    columns: list[str] = field(default_factory=list[str])
    rows: list[list[str | None]] = field(default_factory=list[list[str | None]])
    dropped: frozenset[int] = frozenset()
    records: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    notes: list[str] = field(default_factory=list[str])
    error: str = ""


class Samples:
    """The sealed beginnings of the last files, by profile."""

    def __init__(self, folder: Path, keyring: Keyring) -> None:
        self._folder = folder
        self._keyring = keyring

    def keep(self, profile: str, head: bytes, *, whole: bool) -> None:
        """Keeps the beginning of a file, up to its last whole line."""
        if not whole:
            head = head[: max(head.rfind(b"\n"), head.rfind(b"\r")) + 1] or head
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / profile
        path.write_bytes(self._keyring.seal(head, table="samples", row=profile, column="head"))

    def of(self, profile: str) -> bytes | None:
        """The beginning of the profile's last file; None where none was uploaded here."""
        path = self._folder / profile
        if not path.is_file():
            return None
        return self._keyring.open(path.read_bytes(), table="samples", row=profile, column="head")


def first_rows(head: bytes, profile: Profile, stage: str) -> FirstRows:
    """The first rows at a stage: `basic`, `prefilter`, `variables` or `structure`."""
    try:
        return safe(_STAGES[stage])(_parsed(head, profile), profile)
    except RollcallError as error:
        return FirstRows(error=error.message)


def _parsed(head: bytes, profile: Profile) -> Table:
    source = Source(data=head, facts=SourceFacts(name="", size_bytes=len(head)))
    table = parse_csv(decode_text(source, profile), profile)
    return Table(
        frame=table.frame.head(ROWS), facts=table.facts, issues=table.issues.clear(), aside=table.aside.clear()
    )


def _basic(table: Table, profile: Profile) -> FirstRows:
    return _shown(table, list(table.facts.header), profile)


def _prefilter(table: Table, profile: Profile) -> FirstRows:
    kept = set(prefilter_rows(table, profile).frame[ROW].to_list())
    numbers = table.frame[ROW].to_list()
    shown = _shown(table, list(table.facts.header), profile)
    dropped = frozenset(at for at, number in enumerate(numbers) if number not in kept)
    return FirstRows(shown.columns, shown.rows, dropped)


def _variables(table: Table, profile: Profile) -> FirstRows:
    mapped = map_variables_of_rows(prefilter_rows(table, profile), profile)
    shown = _shown(mapped, list(profile.variables), profile)
    return FirstRows(shown.columns, shown.rows, notes=mapped.issues["message"].to_list())


def _structure(table: Table, profile: Profile) -> FirstRows:
    mapped = map_variables_of_rows(prefilter_rows(table, profile), profile)
    modules = render_structure_rows(mapped, profile)
    mapping = mapping_of(profile)
    secret = mapping.secret_names(Names(modules.facts.header))
    records: dict[int, dict[str, Any]] = {}
    for module, frame in modules.frames.items():
        for row in frame.to_dicts():
            fields = {
                name: _cut(value) for name, value in row.items() if not name.startswith("#") and value is not None
            }
            shown = _without_secrets(fields, module, mapping, secret)
            records.setdefault(row[ROW], {}).setdefault(module, []).append(shown)
    rendered = [(row, json.dumps(found, ensure_ascii=False, indent=2)) for row, found in sorted(records.items())]
    return FirstRows(records=rendered, notes=modules.issues["message"].unique(maintain_order=True).to_list())


_STAGES: Final[dict[str, Callable[[Table, Profile], FirstRows]]] = {
    "basic": _basic,
    "prefilter": _prefilter,
    "variables": _variables,
    "structure": _structure,
}


def _without_secrets(fields: dict[str, Any], module: str, mapping: Mapping, secret: frozenset[str]) -> dict[str, Any]:
    """The record with every field masked that is a secret, or that a secret column flows into."""
    reads = mapping.structure.field_reads

    def is_secret(name: str) -> bool:
        key = f"{module}.{name}"
        return key in SECRET_KEYS or bool(reads.get(key, frozenset[str]()) & secret)

    return {name: MASK if value and is_secret(name) else value for name, value in fields.items()}


def _cut(value: Any) -> Any:
    return f"{value[:CELL_CHARACTERS]}…" if isinstance(value, str) and len(value) > CELL_CHARACTERS else value


def _shown(table: Table, columns: list[str], profile: Profile) -> FirstRows:
    secret = mapping_of(profile).secret_names(Names(table.facts.header))
    present = [name for name in columns if name in table.frame.columns]
    rows = table.frame.select(pl.col(name).cast(pl.String) for name in present).rows()
    masked = [
        [MASK if value and name in secret else value for name, value in zip(present, row, strict=True)] for row in rows
    ]
    return FirstRows(present, masked)
