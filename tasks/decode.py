"""Bytes of any encoding to UTF-8 without a byte order mark.

UTF-8, the common case, is proved and passed on as the same bytes: no text object of the whole file is ever made.
"""

import codecs
import re
from dataclasses import replace
from typing import Final

import polars as pl

from tasks.encoding import (
    LEAST_CONFIDENCE,
    Found,
    canonical_name,
    decoded_chunks,
    find_encoding,
    marked_encoding,
    utf8_fault,
)
from tasks.errors import SourceError
from tasks.issue import Issue, issue_frame
from tasks.output import Source, Text
from tasks.profile import Profile
from tasks.recognise import refuse_binary, refuse_markup, refuse_nul
from tasks.step import step

LINE_END: Final = re.compile(r"\r\n|\n|\r")
SHOWN_OTHERS: Final = 6


def decode_text(source: Source, profile: Profile) -> Text:
    """The source as UTF-8 bytes, whatever it was before.

    Raises: SourceError for a byte that does not decode, for a file that is no text, for an encoding too uncertain.
    """
    refuse_binary(source.data)
    found = _found(source.data) if profile.encoding == "auto" else _stated(source.data, profile.encoding)
    data = _as_utf8(source.data, found.encoding)
    refuse_nul(data)
    refuse_markup(data)
    ascii_only = data.isascii() and data == source.data
    return Text(
        data=data,
        facts=replace(source.facts, encoding=found.encoding, ascii_only=ascii_only, confidence=found.confidence),
        issues=pl.concat([source.issues, issue_frame(_ambiguity(found))]),
        aside=source.aside,
    )


def _found(data: bytes) -> Found:
    found = find_encoding(data)
    if found is None or found.confidence < LEAST_CONFIDENCE:
        refuse_nul(data)
        raise SourceError(
            "encoding-uncertain",
            "The encoding of the file could not be found out. Export it as UTF-8, or state its encoding in the profile "
            "(`encoding: windows-1252`, for example).",
        )
    return found


def _stated(data: bytes, encoding: str) -> Found:
    try:
        stated = canonical_name(encoding)
    except LookupError as error:
        raise SourceError("encoding-unknown", f"There is no text encoding {encoding!r}: use utf-8, or auto.") from error
    marked = marked_encoding(data)
    if marked and not stated.startswith(marked):
        raise SourceError(
            "encoding-contradicted",
            f"The file begins with the byte order mark of {marked}, the profile says {stated}: "
            f"set `encoding: {marked}` or `encoding: auto`.",
        )
    return Found(stated)


def _as_utf8(data: bytes, encoding: str) -> bytes:
    if encoding == "utf-8":
        fault = utf8_fault(data)
        if fault is not None:
            raise _undecodable(data, encoding, fault, fault + 1)
        return data.removeprefix(codecs.BOM_UTF8)
    try:
        return b"".join(chunk.encode() for chunk in decoded_chunks(data, encoding)).removeprefix(codecs.BOM_UTF8)
    except UnicodeDecodeError as error:
        raise _undecodable(data, encoding, error.start, error.end) from None
    except UnicodeError:
        raise _undecodable(data, encoding, 0, 0) from None


def _undecodable(data: bytes, encoding: str, start: int, end: int) -> SourceError:
    """The error for bytes that are not in the encoding: where, which, and what would work instead."""
    line = len(LINE_END.findall(data[:start].decode(encoding, "replace"))) + 1
    digits = data[start : min(end, start + 8)].hex(" ")
    place = f"at byte offset {start}, in line {line}, found the bytes {digits}" if digits else "somewhere in the file"
    advice = _what_would_work(data, encoding, start)
    return SourceError(
        "encoding-wrong",
        f"The file is not {encoding}: {place}{advice}",
    )


def _what_would_work(data: bytes, encoding: str, start: int) -> str:
    """What to do; no other encoding is named where the letters before the fault are UTF-8: it would spoil them."""
    if encoding == "utf-8" and not data[:start].removeprefix(codecs.BOM_UTF8).isascii():
        return ", though what stands before it is UTF-8. Mend that place, or export the file again as UTF-8."
    found = find_encoding(data)
    better = f"; {found.encoding} would decode it" if found and found.encoding != encoding else ""
    return f"{better}. State the encoding in the profile, or export it as UTF-8."


def _ambiguity(found: Found) -> list[Issue]:
    if not found.others:
        return []
    others = ", ".join(found.others[:SHOWN_OTHERS])
    message = (
        f"The file was read as {found.encoding}; {others} would fit as well. Look at the letters with accents, and "
        "state the encoding in the profile."
    )
    return [Issue(None, None, None, "encoding-ambiguous", message)]


decode = step("decode", version=4, reads=("encoding",))(decode_text)
