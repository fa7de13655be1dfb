"""Two stray enclosures far apart are one legal cell: its rows are missed, and ordinary notes are left in peace."""

from pathlib import Path

import pytest

from tasks.output import SourceFacts, Table, Text
from tasks.parse import parse_csv
from tasks.profile import Profile
from tests.world import World

HEADER = "name,login,pin,phone,note"
NARROW = "name,login,note"


def parsed(lines: list[str], separator: str = "\n", **settings: str) -> Table:
    profile = Profile.model_validate({"title": "Users", "structure": "{}", **settings})
    return parse_csv(Text(data=(separator.join(lines) + separator).encode(), facts=SourceFacts()), profile)


def people(count: int, header: str = HEADER) -> list[str]:
    cells = [[f"Max {number}", f"u{number}", "1234", f"{number + 200}"] for number in range(count)]
    return [header, *(",".join([*row[: header.count(",")], f"note {row[1]}"]) for row in cells)]


def warnings(table: Table) -> list[tuple[int, int, str]]:
    return table.issues.filter(code="rows-swallowed").select("row", "line", "column").rows()


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("header", [HEADER, NARROW])
@pytest.mark.parametrize("malformed", [False, True])
def test_rows_between_two_stray_enclosures_are_missed(separator: str, header: str, malformed: bool) -> None:
    lines = people(12, header)
    lines[3] = lines[3].replace("note", '"note')
    lines[8] += '"'
    lines += ["too,few"] if malformed and header == HEADER else []

    table = parsed(lines, separator)

    assert table.facts.rows_swallowed
    assert warnings(table) == [(4, 4, "note")]
    [message] = table.issues.filter(code="rows-swallowed")["message"]
    assert "goes on to line 9" in message
    assert "5 lines that look like rows" in message
    assert table.frame.height == 7


def test_rows_in_a_cell_in_the_middle_are_missed() -> None:
    lines = people(9)
    lines[2] = lines[2].replace("u1", '"u1', 1)
    lines[7] = lines[7].replace("u6", 'u6"', 1)

    assert warnings(parsed(lines)) == [(3, 3, "login")]


def test_one_row_in_a_cell_is_missed_where_the_header_is_wide() -> None:
    header = HEADER + ",mail,room"
    lines = [header, 'a,b,1,2,3,4,"5', 'c,d,1,2,3,4,5"', "e,f,1,2,3,4,5"]
    assert warnings(parsed(lines)) == [(2, 2, "room")]


def test_the_delimiter_of_the_file_counts_even_where_it_is_not_ascii() -> None:
    lines = [line.replace(",", "§") for line in people(9)]
    lines[2] = lines[2].replace("note", '"note')
    lines[7] += '"'
    assert warnings(parsed(lines, delimiter="§")) == [(3, 3, "note")]


@pytest.mark.parametrize(
    "note",
    [
        "Works on Mondays, Tuesdays, and Fridays\nback in May, June, or later",
        "one\ntwo\nthree",
        "Desk 4,Floor 2\nDesk 5,Floor 3",
        "Main St. 1\r\n10115 Berlin\r\n\r\nring twice, please",
        "a,b,c,d,e,f,g\nh,i,j,k,l,m,n",
        "\n\n,\n,\n",
        "Bus 1, 2, 3, 4\nTram 5, 6, 7, 8",
    ],
)
def test_ordinary_notes_are_left_in_peace(note: str) -> None:
    for header in (HEADER, HEADER + ",mail"):
        width = header.count(",")
        lines = [header, ",".join(["x"] * width + [f'"{note}"']), ",".join(["y"] * (width + 1))]
        assert warnings(parsed(lines)) == []


def test_a_column_alone_is_never_suspect() -> None:
    assert warnings(parsed(["note", '"a\nb\nc"', "d"])) == []


def test_nobody_is_removed_while_rows_may_be_swallowed(tmp_path: Path) -> None:
    world = World(tmp_path)
    lines = ["username,displayname,givenname,surname,job"] + [f"u{n},U {n},G,S,job {n}" for n in range(30)]
    world.imports("\n".join(lines) + "\n")
    lines[3], lines[7] = lines[3].replace("job", '"job'), lines[7] + '"'

    report = world.imports("\n".join(lines) + "\n")

    assert len(world.users()) == 30
    assert report.plan.held is not None
    assert report.plan.held.startswith("4 of 30 records would be removed, and a cell")


def test_a_file_that_removes_nobody_is_only_warned_of(tmp_path: Path) -> None:
    world = World(tmp_path)
    lines = ["username,displayname,job", "a,A,x", 'b,B,"y', "c,C,z", 'd,D,z"']

    report = world.imports("\n".join(lines) + "\n")

    assert (report.plan.held, sorted(world.users())) == (None, ["a", "b"])
    assert "rows-swallowed" in report.issues["code"].to_list()
