"""The fast way through a CSV: polars, believed only when its answer adds up.

polars fails on a long row; but it pads a short one, and keeps an enclosure in the middle of a cell, without a word. The
lengths tell: bytes of the body = bytes of the cells + delimiters + line ends + enclosures that were taken away. What is
lacking is a delimiter of a short row, or an enclosure that was left in a cell. So no cell need be looked at.
"""

import re
from typing import Final

import polars as pl

from tasks.canonical import Canonical
from tasks.grammar import Grammar
from tasks.header import Header
from tasks.lines import plain_text
from tasks.output import LINE, ROW

SURPLUS: Final = "#surplus"
NO_BREAKS: Final = pl.Series([0], dtype=pl.Int64)
BLANK_LINE: Final = re.compile(rb"\n\r?(?=\n)")


def read_whole(text: Canonical, header: Header) -> pl.DataFrame | None:
    """All records after the header; None where one of them is malformed, or may be.

    Shape: `#row`, `#line`, one String column a name.
    """
    cells = read_cells(text, header, text.data, header.lines - text.lines_before)
    if cells is None or (header.trailing and (cells[SURPLUS] != "").any()) or not _ends_in_whole_record(text, header):
        return None
    enclosed = text.enclosure is not None and text.data.find(text.enclosure.encode(), header.end) >= 0
    breaks = _line_breaks_inside(text, header, cells) if enclosed else NO_BREAKS
    if breaks is None:
        return None
    lacking = _lacking_bytes(text, header, cells, breaks)
    empty = pl.all_horizontal(pl.all() == "") if lacking or header.width == 1 else pl.lit(False)
    blank_lines = cells.select(empty.sum()).item()
    if blank_lines and (breaks.sum() or _count_blank_lines(text.data, header.end) != blank_lines):
        return None
    lacking -= blank_lines * (header.width - 1)
    if lacking and not (text.enclosure and lacking == _doubled_enclosures(text, header, text.enclosure)):
        return None
    row = pl.int_range(2, pl.len() + 2, dtype=pl.Int64)
    before = pl.lit(breaks).cum_sum().shift(1, fill_value=0) if breaks.sum() else 0
    frame = cells.select(row.alias(ROW), (row + header.lines - 1 + before).alias(LINE), *header.names)
    return frame.filter(~cells.select(empty).to_series()) if blank_lines else frame


def read_cells(text: Canonical, header: Header, data: bytes, skip_lines: int) -> pl.DataFrame | None:
    """What polars makes of the data behind the skipped lines; None where it fails on a record."""
    names = (*header.names, SURPLUS) if header.trailing else header.names
    schema = dict.fromkeys(names, pl.String())
    data, before = plain_text(data)
    try:
        return pl.read_csv(
            data,
            has_header=False,
            skip_lines=before + skip_lines,
            separator=text.delimiter,
            quote_char=text.enclosure,
            schema=schema,
            empty_string_is_null=False,
            raise_if_empty=False,
        )
    except (pl.exceptions.ComputeError, pl.exceptions.SchemaError):
        return None


def _ends_in_whole_record(text: Canonical, header: Header) -> bool:
    """False where polars may have passed over a surplus delimiter, which it does at the very end of a text only."""
    if not text.data.endswith(text.delimiter.encode()):
        return True
    last_line = text.data[text.data.rfind(b"\n") + 1 :].decode()
    cells = Grammar(text.delimiter, text.enclosure).cells(last_line)
    return cells is not None and len(cells) == header.width


def _line_breaks_inside(text: Canonical, header: Header, cells: pl.DataFrame) -> pl.Series | None:
    """How many line breaks each row holds in its cells; None where rows and line breaks do not make the lines."""
    lines = text.data.count(b"\n", header.end) + (len(text.data) > header.end and not text.data.endswith(b"\n"))
    if lines == cells.height:
        return NO_BREAKS
    counts = pl.sum_horizontal(pl.all().str.count_matches("\n", literal=True).cast(pl.Int64))
    inside = cells.select(inside=counts)["inside"]
    return inside if inside.sum() + cells.height == lines else None


def _count_blank_lines(data: bytes, start: int) -> int:
    if b"\n\n" not in data and b"\n\r\n" not in data:
        return 0
    return len(BLANK_LINE.findall(data, max(start - 1, 0)))


def _lacking_bytes(text: Canonical, header: Header, cells: pl.DataFrame, breaks: pl.Series) -> int:
    """How many delimiters the rows lack, and enclosures the cells kept, taken together."""
    size = len(text.data) - header.end
    ends = cells.height - (size > 0 and not text.data.endswith(b"\n")) + _carriages_at_ends(text, header, cells, breaks)
    in_cells = _sum(cells, pl.all().str.len_bytes())
    enclosures = text.data.count(text.enclosure.encode(), header.end) if text.enclosure else 0
    return in_cells + cells.height * (header.width - 1) + ends + enclosures - size


def _carriages_at_ends(text: Canonical, header: Header, cells: pl.DataFrame, breaks: pl.Series) -> int:
    if b"\r" not in text.data:
        return 0
    inside = _sum(cells, pl.all().str.count_matches("\r\n", literal=True)) if breaks.sum() else 0
    return text.data.count(b"\r\n", header.end) - inside


def _sum(cells: pl.DataFrame, numbers: pl.Expr) -> int:
    return cells.select(pl.sum_horizontal(numbers.cast(pl.Int64).sum())).item()


def _doubled_enclosures(text: Canonical, header: Header, mark: str) -> int:
    """How many enclosures the cells rightly keep: the pairs, but for one of each cell that is nothing else.

    Each run of n enclosures has n // 2 pairs. A stray one is kept without being a pair, and a pair in a cell without
    enclosures is kept twice; so where this number is all that is lacking, there is no stray and no short row.
    """
    data, edges = text.data, f"{text.delimiter}\r\n".encode()
    kept = 0
    for run in re.compile(f"{re.escape(mark)}{re.escape(mark)}+".encode()).finditer(data, header.end):
        start, end = run.span()
        alone = (end - start) % 2 == 0 and data[start - 1] in edges and (end == len(data) or data[end] in edges)
        kept += (end - start) // 2 - alone
    return kept
