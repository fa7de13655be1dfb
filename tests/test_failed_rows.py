"""What the failed rows promise: mended, they get in; as they are, they do not."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.failed_rows import failed_rows_csv, masked_rows
from tasks.issue import Issue, issue_frame
from tasks.output import LINE, ROW, SourceFacts, Table, Text
from tasks.parse import parse_csv
from tasks.profile import Profile
from tasks.user import MASK


def profile(**settings: str) -> Profile:
    return Profile.model_validate({"title": "Users", "structure": "{}", **settings})


def parsed(data: bytes, **settings: str) -> Table:
    return parse_csv(Text(data=data, facts=SourceFacts()), profile(**settings))


def failed(table: Table, *issues: Issue, **settings: str) -> bytes:
    return failed_rows_csv(table, pl.concat([table.issues, issue_frame(issues)]), profile(**settings))


def rejected(row: int, message: str = "The row has no login.") -> Issue:
    return Issue(row, row, "login", "login-missing", message)


def test_a_failed_row_keeps_its_cells_and_tells_why() -> None:
    table = parsed(b'name;login\r\n"Muster; ""Max""";\r\n0049;mm\r\n', delimiter=";")

    file = failed(table, rejected(2))

    assert file == b'name;login;row;code;message\r\n"Muster; ""Max""";;2;login-missing;The row has no login.\r\n'


def test_errors_of_one_row_are_joined_and_warnings_left_out() -> None:
    table = parsed(b"name,login\nMax,\n")
    issues = [rejected(2), Issue(2, 2, "x", "pin-invalid", "No pin."), Issue(2, 2, "y", "role-created", "New.")]

    assert failed(table, *issues).splitlines()[1] == b"Max,,2,login-missing; pin-invalid,The row has no login.; No pin."


@pytest.mark.parametrize("start", ["=", "+", "-", "@", " =", "\t="])
def test_a_message_is_no_formula_and_data_is_never_altered(start: str) -> None:
    table = parsed(b"name,login\n=1+1,\n")

    cells = parsed(failed(table, rejected(2, f"{start}cmd()")), enclosure='"').frame
    line = failed(table, rejected(2, f"{start}cmd()")).splitlines()[1].decode()

    assert cells["name"].to_list() == ["=1+1"]
    assert line.split(",")[-1].startswith("'")


def test_a_file_of_failed_rows_is_known_as_mended() -> None:
    table = parsed(failed(parsed(b"name,login\nMax,\n"), rejected(2)))

    assert table.facts.mended
    assert table.facts.header == ("name", "login")
    assert table.issues.is_empty()


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("header", ["a,b,c", "a"])
def test_a_malformed_line_is_rejected_again_until_it_is_mended(header: str, separator: str) -> None:
    lines = [header, 'x"y', "1,2,3,4", '"5', "6,7", '8,"9', '"a"b,c', '"v\nw",x,y,z']
    table = parsed(separator.join(lines).encode())

    again = parsed(failed(table))

    assert again.facts.mended
    assert again.frame.is_empty()
    assert again.malformed.height == table.malformed.height >= 6


@pytest.mark.parametrize(
    ("file", "settings"),
    [
        ("a;b;c;\n1;2;3;\nx;y;\n4;5;6;\n", {}),
        ("a;b;c;\n1;2;3;\nx;y;z\n4;5;6;\n", {}),
        ("a;b;c\n" + "1;2;3;\n" * 200 + "x;y;\n4;5;6;\n", {}),
        ("a;b;c\n" + "1;2;3;\n" * 200 + "x;y;z\n4;5;6;\n", {"enclosure": "none"}),
        ("a;b;c;\n1;2;3;\nx;y;\n4;5;6;\n", {"enclosure": "none"}),
        ("a;b;c\n1;2;3\nx\\;y;z\n4;5;6\n", {"enclosure": "none", "escape": "\\"}),
        ("a;b;c\n1;2;3\nx\\\\;y\n4;5;6\n", {"escape": "\\"}),
    ],
)
def test_a_line_with_another_number_of_cells_stays_so(file: str, settings: dict[str, str]) -> None:
    table = parsed(file.encode(), delimiter=";", **settings)

    again = parsed(failed(table, delimiter=";", **settings), delimiter=";", **settings)

    assert (table.malformed.height, again.malformed.height, again.frame.height) == (1, 1, 0)


@pytest.mark.parametrize("delimiter", [";", " ", "-", ","])
def test_several_codes_stand_in_one_cell_without_enclosures(delimiter: str) -> None:
    table = parsed(delimiter.join(["name", "login"]).encode() + b"\nMax" + delimiter.encode() + b"\n",
                   enclosure="none", delimiter=delimiter)  # fmt: skip
    issues = [rejected(2), Issue(2, 2, "x", "pin-invalid", "No pin.")]

    again = parsed(failed(table, *issues, enclosure="none", delimiter=delimiter), enclosure="none", delimiter=delimiter)

    assert (again.frame["name"].to_list(), again.malformed.height) == (["Max"], 0)


def test_a_screen_shows_large_cells_and_no_cell_that_has_shifted() -> None:
    table = parsed(f"name;pin;note\n{'x' * 200_000};1234;\nsecret;1;2;3\n".encode(), delimiter=";")

    shown = masked_rows(failed(table, rejected(2), delimiter=";"), table.facts, {"pin"})

    assert f"{'x' * 200_000},{MASK},," in shown
    assert "1234" not in shown and "secret" not in shown


def test_the_encoding_of_the_profile_is_kept() -> None:
    table = parsed("name,login\nJürgen,\n".encode())
    file = failed(table, rejected(2, "Größe → „x“"), encoding="cp1252")
    assert file.decode("cp1252").splitlines()[1].startswith("Jürgen,,2")


CELL = st.text(st.sampled_from("a\"\\,;\r\n '=é"), max_size=6)


@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=5), st.sampled_from(["none", "\\"]))
@settings(max_examples=100, deadline=None)
def test_cells_read_back_equal(rows: list[tuple[str, str]], escape: str) -> None:
    lines = [
        ",".join(
            '"' + cell.replace("\\", "\\\\" if escape != "none" else "\\").replace('"', '""') + '"' for cell in row
        )
        for row in rows
    ]
    table = parsed("\n".join(["a,b", *lines, ""]).encode(), escape=escape, line_separator="unix")
    assert table.frame.drop(ROW, LINE).rows() == rows

    again = parsed(
        failed(table, *(rejected(row) for row in table.frame[ROW]), escape=escape), escape=escape, line_separator="unix"
    )

    assert again.frame.drop(ROW, LINE).rows() == rows


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty_threads")
def test_two_people_may_look_at_failed_rows_at_once() -> None:
    facts = SourceFacts(enclosure='"')
    row, header = b"2,login-missing,No", b"name,row,code,message\n"
    short, long = header + b"x," + row, header + b"\n".join(b"y" * 200 + b"," + row for _ in range(3000))

    with ThreadPoolExecutor(2) as people:
        shown = list(people.map(lambda file: masked_rows(file, facts, set()), [short, long] * 100))

    assert all(shown)
