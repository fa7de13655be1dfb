"""The fast way through a CSV: polars, believed only when its answer adds up.

polars pads a short row, and keeps an enclosure in the middle of a cell, without a word. But it fails on a long row, so
when delimiters outside cells = rows x (columns - 1), no row was short; and an enclosure out of place shows in a cell.
"""

import re
from typing import Final

import polars as pl

from tasks.canonical import Canonical
from tasks.grammar import Grammar
from tasks.header import Header
from tasks.lines import body_lines
from tasks.output import LINE, ROW

SURPLUS: Final = "#surplus"
BLANK_LINE: Final = re.compile(rb"\n\r?(?=\n)")


def read_whole(text: Canonical, header: Header) -> pl.DataFrame | None:
    """All records after the header; None where one of them is malformed, or may be.

    Shape: `#row`, `#line`, one String column a name.
    """
    cells = read_cells(text, header, text.data, header.lines - text.lines_before)
    if cells is None:
        return None
    inner = _line_breaks_inside(text, header, cells)
    empty = cells.select(pl.all_horizontal(pl.all() == "")).to_series()
    blank = _count_blank_lines(text.data, header.end) if empty.any() else 0
    if inner is None or blank not in {0, empty.sum()} or (blank and inner.sum()):
        return None
    if not _adds_up(text, header, cells, records=cells.height - blank):
        return None
    row = pl.int_range(2, pl.len() + 2, dtype=pl.Int64)
    before = pl.lit(inner).cum_sum().shift(1, fill_value=0) if inner.sum() else 0
    frame = cells.select(row.alias(ROW), (row + header.lines - 1 + before).alias(LINE), *header.names)
    return frame.filter(~empty) if blank else frame


def read_cells(text: Canonical, header: Header, data: bytes, skip_lines: int) -> pl.DataFrame | None:
    """What polars makes of the data behind the skipped lines; None where it fails on a record."""
    names = (*header.names, SURPLUS) if header.trailing else header.names
    schema = dict.fromkeys(names, pl.String())
    try:
        return pl.read_csv(
            data,
            has_header=False,
            skip_lines=skip_lines,
            separator=text.delimiter,
            quote_char=text.enclosure,
            schema=schema,
            empty_string_is_null=False,
            raise_if_empty=False,
        )
    except (pl.exceptions.ComputeError, pl.exceptions.SchemaError):
        return None


def _line_breaks_inside(text: Canonical, header: Header, cells: pl.DataFrame) -> pl.Series | None:
    """How many line breaks each row holds in its cells; None where rows and line breaks do not make the lines."""
    lines = text.data.count(b"\n", header.end) + (len(text.data) > header.end and not text.data.endswith(b"\n"))
    if lines == cells.height:
        return pl.Series([0], dtype=pl.Int64)
    counts = pl.sum_horizontal(pl.all().str.count_matches("\n", literal=True).cast(pl.Int64))
    inside = cells.select(inside=counts)["inside"]
    return inside if inside.sum() + cells.height == lines else None


def _count_blank_lines(data: bytes, start: int) -> int:
    if b"\n\n" not in data and b"\n\r\n" not in data:
        return 0
    return len(BLANK_LINE.findall(data, max(start - 1, 0)))


def _adds_up(text: Canonical, header: Header, cells: pl.DataFrame, records: int) -> bool:
    """True where every delimiter and every enclosure of the text is accounted for."""
    mark = text.enclosure
    delimiters = text.data.count(text.delimiter.encode(), header.end)
    if mark and text.data.find(mark.encode(), header.end) >= 0:
        delimiters -= _count_in_cells(cells, text.delimiter)
        if _count_in_cells(cells, mark) and not _enclosures_are_doubled(text, header, cells, mark):
            return False
    surplus = header.trailing and (cells[SURPLUS] != "").any()
    return not surplus and delimiters == records * (header.width - 1)


def _count_in_cells(cells: pl.DataFrame, character: str) -> int:
    counts = pl.all().str.count_matches(character, literal=True).cast(pl.Int64).sum()
    return cells.select(pl.sum_horizontal(counts)).item()


def _enclosures_are_doubled(text: Canonical, header: Header, cells: pl.DataFrame, mark: str) -> bool:
    """True where each row with an enclosure in a cell stands on one line and is written as it must be."""
    pattern = Grammar(text.delimiter, mark).line_pattern(header.width, header.trailing)
    lines = body_lines(text, header)
    if pattern is None or len(lines) != cells.height:
        return False
    suspect = cells.select(pl.any_horizontal(pl.all().str.contains(mark, literal=True))).to_series()
    return lines.filter(suspect).str.strip_suffix(text.spares[1]).str.contains(pattern).all()
