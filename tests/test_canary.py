"""No secret anywhere: every byte that Rollcall and Prefect leave behind is searched for canaries."""

import gzip
import logging
import re
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path

import polars as pl
import pytest
from conftest import PrefectServer
from flow_runs import FlowRun, run

from tasks.errors import SourceError
from tasks.output import Source, SourceFacts, Table, Text
from tasks.profile import Profile
from tasks.step import step

CANARY = "CANARY-Kennwort-77"
PIN = "90817263"
PROFILE = Profile(
    title="Users",
    variables={"password": 'return $row["Kennwort"];', "job": 'return $row["Geheimzahl"];'},
    structure="""{"identity": [
        {"003use_name": "{{{username}}}", "003use_pw": "{{{password}}}", "011acc_pin": "{{{job}}}"}
    ]}""",
)
SOURCE = Source(
    data=f"username,Kennwort,Geheimzahl\nmmuster,{CANARY},{PIN}\n".encode(),
    facts=SourceFacts(name="users.csv", digest="d1", header=("username", "Kennwort", "Geheimzahl")),
)


def pass_bytes(source: Source, profile: Profile) -> Text:
    return Text(data=source.data, facts=source.facts)


def split_cells(text: Text, profile: Profile) -> Table:
    header, *lines = (line.split(",") for line in text.data.decode().splitlines())
    frame = pl.DataFrame(lines, schema=header, orient="row").with_columns(pl.lit(2).alias("#row"))
    return Table(frame=frame.with_columns(pl.col("Geheimzahl").alias("job")), facts=text.facts)


decode = step("decode", version=1)(pass_bytes)
parse = step("parse", version=1)(split_cells)


def succeed(table: Table, profile: Profile) -> Table:
    logging.getLogger("rollcall").warning("fetched https://hr:%s@example.org, password=%s", CANARY, PIN)
    return table


def crash(table: Table, profile: Profile) -> Table:
    raise ValueError(f"cannot read {table.frame.rows()!r}")


def crash_with_a_cause(table: Table, profile: Profile) -> Table:
    try:
        raise KeyError(CANARY)
    except KeyError as error:
        raise SourceError("source-broken", "The file is broken.") from error


def crash_in_polars(table: Table, profile: Profile) -> Table:
    return Table(frame=table.frame.with_columns(pl.col("Kennwort").cast(pl.Int64)), facts=table.facts)


def be_interrupted(table: Table, profile: Profile) -> Table:
    held_in_a_local = table.frame.rows()
    raise KeyboardInterrupt(repr(held_in_a_local))


def import_with(last: Callable[[Table, Profile], Table]) -> FlowRun:
    prefilter = step("prefilter", version=1)(last)
    return run(lambda: prefilter(parse(decode(SOURCE, PROFILE), PROFILE), PROFILE))


@pytest.mark.parametrize(
    ("last", "state"),
    [
        (succeed, "Completed"),
        (crash, "Failed"),
        (crash_with_a_cause, "Failed"),
        (crash_in_polars, "Failed"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_no_secret_is_left_anywhere(
    prefect_server: PrefectServer,
    rollcall_home: Path,
    capfd: pytest.CaptureFixture[str],
    last: Callable[[Table, Profile], Table],
    state: str,
) -> None:
    done = import_with(last)

    assert done.states()["prefilter"] == state
    assert done.output.frame["Kennwort"].item() == CANARY if state == "Completed" else CANARY not in str(done.output)
    assert "mmuster" in done.artifacts()["03-parse"].data
    assert_clean(prefect_server, rollcall_home, capfd)


def test_no_secret_is_left_by_an_interrupted_run(
    prefect_server: PrefectServer, rollcall_home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        import_with(be_interrupted)

    assert_clean(prefect_server, rollcall_home, capfd)


def test_a_log_of_ours_reaches_the_server_without_its_secrets(
    prefect_server: PrefectServer, rollcall_home: Path
) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId

    done = import_with(succeed)
    prefect_server.settle()

    with get_client(sync_client=True) as client:
        logs = client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[done.id])))
    assert "fetched https://•••@example.org, password=•••" in [log.message for log in logs]


def test_the_search_finds_a_secret_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(f"x{CANARY}x")
    (tmp_path / "b").write_bytes(gzip.compress(PIN.encode()))
    with sqlite3.connect(tmp_path / "c.db") as connection:
        connection.execute("create table log (message)")
        connection.execute("insert into log values (?)", (PIN,))
    connection.close()

    assert leaks_in([tmp_path]) == ["a", "b", "c.db"]


def assert_clean(server: PrefectServer, home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Waits until the server has written down what it was told, then searches everything."""
    server.settle()
    said = capfd.readouterr()
    assert not re.search(f"{CANARY}|{PIN}", said.out + said.err)
    assert leaks_in([server.home, home]) == []
    assert files_with([server.home], b"prefilter") != [], "nothing was recorded, so nothing was searched"


def leaks_in(folders: Iterable[Path]) -> list[str]:
    """The files in which a canary is found, in clear or compressed; a database's journal is a file beside it."""
    return sorted({*files_with(folders, CANARY.encode()), *files_with(folders, PIN.encode())})


def files_with(folders: Iterable[Path], content: bytes) -> list[str]:
    """The names of the files that hold these bytes."""
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return sorted(path.name for path in files if content in _content(path))


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
