"""Whatever the bytes: rows are conserved, what Python's csv writes reads back equal, both ways through a file agree."""

import csv
import io

import polars as pl
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tasks.canonical import canonicalise
from tasks.dialect import Dialect
from tasks.errors import RollcallError
from tasks.header import read_header
from tasks.output import LINE, ROW, SourceFacts, Text
from tasks.parse import parse_csv
from tasks.parse_fast import read_whole
from tasks.parse_tolerant import read_lines
from tasks.profile import Profile

CELLS = st.text(
    st.one_of(st.sampled_from("\"',;\t\r\n \\#=a1ä€😀"), st.characters(codec="utf-8", exclude_characters="\0")),
    max_size=8,
)
MARKS = st.characters(codec="utf-8", exclude_characters="\0\r\n")


def profile(**dialect: str) -> Profile:
    return Profile.model_validate({"title": "Users", "structure": "{}", **dialect})


def parsed(data: bytes, **dialect: str):
    return parse_csv(Text(data=data, facts=SourceFacts()), profile(**dialect))


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_what_the_csv_module_writes_reads_back_equal(data: st.DataObject) -> None:
    delimiter, enclosure = data.draw(
        st.lists(st.one_of(st.sampled_from(",;\t|\"'"), MARKS), min_size=2, max_size=2, unique=True)
    )
    separator, end = data.draw(st.sampled_from([("windows", "\r\n"), ("unix", "\n"), ("mac", "\r")]))
    quoting = data.draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]))
    header = ["login", "name", "phone"][: data.draw(st.integers(1, 3))]
    assume(not set(delimiter + enclosure) & set("loginamephe "))
    rows = data.draw(st.lists(st.lists(CELLS, min_size=len(header), max_size=len(header)), max_size=6))
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter, quotechar=enclosure, quoting=quoting, lineterminator=end).writerows(
        [header, *rows]
    )

    table = parsed(file.getvalue().encode(), delimiter=delimiter, enclosure=enclosure, line_separator=separator)

    assert table.frame.drop(ROW, LINE).rows() == [tuple(row) for row in rows]
    assert table.issues.filter(pl.col("severity") == "error").is_empty()


LINES = st.lists(
    st.sampled_from(
        [
            "1,2,3",
            '"1","2","3"',
            '1,"2\n',
            '2",3',
            '"',
            '""',
            'x"y,2,3',
            "1,2",
            "1,2,3,4",
            "",
            " ",
            ",,",
            '"a""b",2,3',
            '1,"a,b",3',
            '1,"x\ny",3',
            '1, "2",3',
            'é,"ü","",',
            '""""',
            '"","",""',
            'x""y,2,3',
            '"""","a""","""b"',
            '"a"",b","",3',
            'x"y"z,2,3',
        ]
    ),
    max_size=12,
)


@given(
    st.sampled_from(["a,b,c", "a,b,c,", '"a" , b,c', "a"]), LINES, st.sampled_from(["\n", "\r\n", "\r"]), st.booleans()
)
@settings(max_examples=200, deadline=None)
@example("a,b,c", ['"a"",b","",3', 'é,"ü","",'], "\n", False)
def test_the_fast_way_and_the_tolerant_way_agree(header: str, lines: list[str], end: str, ended: bool) -> None:
    text = canonicalise((end.join([header, *lines]) + end * ended).encode(), Dialect(",", '"'))
    head = read_header(text)
    fast = read_whole(text, head)
    tolerant = read_lines(text, head)

    if fast is not None:
        assert tolerant.frame.equals(fast)
        assert tolerant.malformed.is_empty()


@given(st.sampled_from(["a,b,c", "a;b", "a"]), LINES, st.sampled_from(["\n", "\r\n", "\r"]))
@settings(max_examples=100, deadline=None)
def test_each_record_is_a_row_or_an_error(header: str, lines: list[str], end: str) -> None:
    table = parsed(end.join([header, *lines]).encode(), delimiter="auto", enclosure="auto")

    errors = table.issues.filter(pl.col("severity") == "error")
    assert table.facts.rows == table.frame.height + table.malformed.height
    assert errors["row"].to_list() == table.malformed[ROW].to_list() == table.aside[ROW].to_list()
    numbers = sorted([*table.frame[ROW], *table.malformed[ROW]])
    assert len(numbers) == len(set(numbers))
    assert all(row >= 2 for row in numbers)


@given(st.binary(max_size=200), st.sampled_from(["auto", ","]), st.sampled_from(["auto", '"', "none"]))
@example(b"\xef\xbb\xbf", "auto", "auto")
@settings(max_examples=150, deadline=None)
def test_any_text_parses_or_raises_our_error(data: bytes, delimiter: str, enclosure: str) -> None:
    text = data.decode("utf-8", "replace").replace("\0", "")
    try:
        table = parsed(text.encode(), delimiter=delimiter, enclosure=enclosure)
    except RollcallError:
        return
    assert table.facts.rows == table.frame.height + table.malformed.height
