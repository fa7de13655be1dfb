"""What the earlier imports of a profile say of its next file: which one it is compared with, which ones stay out."""

from dataclasses import replace
from typing import Any, Final

import polars as pl
import sqlalchemy as sa

from tasks.output import SourceFacts
from tasks.store.connection import Connection
from tasks.store.runs import facts_from_json
from tasks.store.tables import runs

_LET_IN: Final = ("applied", "nothing")


def last_applied_facts(connection: Connection, profile: str) -> SourceFacts | None:
    """The facts of the file that this profile applied last; a mended file of failed rows does not count.

    Where that one was ASCII only, the encoding is that of the last one that was not, if there was one.
    """
    last, other = (
        [facts_from_json(text) for text in connection.read(files.where(runs.c.profile == profile).limit(1))["source"]]
        for files in (_whole_files(), _files_that_tell_their_encoding())
    )
    return replace(last[0], encoding=(other or last)[0].encoding) if last else None


def compared_runs(connection: Connection) -> pl.DataFrame:
    """The runs whose facts `last_applied_facts` gives, of every profile. Shape: `id`."""
    found = [
        connection.read(files.with_only_columns(runs.c.id, runs.c.profile)).unique("profile", keep="first")
        for files in (_whole_files(), _files_that_tell_their_encoding())
    ]
    return pl.concat(found).select("id")


def _whole_files() -> sa.Select[*tuple[Any, ...]]:
    """The imports that were let in, newest first, but those of mended rows."""
    imports = sa.select(runs.c.source).where(runs.c.kind == "import", runs.c.status.in_(_LET_IN), ~_says("mended"))
    return imports.order_by(runs.c.started.desc(), runs.c.id.desc())


def _files_that_tell_their_encoding() -> sa.Select[*tuple[Any, ...]]:
    return _whole_files().where(~_says("ascii_only"))


def _says(fact: str) -> sa.ColumnElement[bool]:
    """Whether a fact holds, as `facts_json` writes it; in a text of the file its quotes would be escaped.

    The database looks, so that a profile's whole history is never read.
    """
    return runs.c.source.contains(f'"{fact}": true', autoescape=True)


def undone_digests(connection: Connection, profile: str) -> tuple[str, ...]:
    """The files whose latest import that wrote was undone, unless one was let in since: each is held until approved."""
    undone = sa.select(sa.func.min(runs.c.started).label("since")).where(*_imports(profile, ("undone",)))
    since = connection.read(undone)["since"][0]
    if since is None:
        return ()
    imports = connection.read(
        sa.select(runs.c.id, runs.c.source, runs.c.status, runs.c.started)
        .where(*_imports(profile, ("applied", "nothing", "undone")), runs.c.started >= since)
        .order_by(runs.c.started, runs.c.id)
    ).with_columns(digest=pl.col("source").str.json_path_match("$.digest"))
    wrote_nothing = imports.filter(pl.col("status") == "nothing").group_by("digest").agg(again=pl.max("started"))
    latest = imports.filter(pl.col("status") != "nothing").unique("digest", keep="last")
    held = latest.filter(pl.col("status") == "undone").join(wrote_nothing, on="digest", how="left")
    taken_back = held["id"].replace_strict(_last_undos(connection, profile), default="", return_dtype=pl.String)
    return tuple(sorted(held.filter(pl.col("again").is_null() | (pl.col("again") < taken_back))["digest"]))


def _last_undos(connection: Connection, profile: str) -> dict[str, str]:
    """By run: when it was taken back last, or an undo of it was."""
    undos = sa.select(runs.c.id, runs.c.undoes, runs.c.started).where(
        runs.c.profile == profile, runs.c.kind == "undo", runs.c.status.in_(("applied", "undone"))
    )
    last: dict[str, str] = {}
    for run, undone, started in connection.read(undos.order_by(runs.c.started.desc(), runs.c.id.desc())).iter_rows():
        last[undone] = max(last.get(undone, ""), last.get(run, ""), started)
    return last


def _imports(profile: str, statuses: tuple[str, ...]) -> tuple[sa.ColumnElement[bool], ...]:
    return runs.c.profile == profile, runs.c.kind == "import", runs.c.status.in_(statuses)
