"""What PCRE has and the `regex` package has not, written in what it has: `\\Q…\\E`, and `\\p` beside ASCII classes.

The package's flag ASCII makes \\w, \\d, \\s and case ASCII, as they are in PHP without the flag `u`, but takes all
letters beyond ASCII from \\p{L} too. So \\p becomes a class of ranges.
"""

import functools
import sys
from typing import Any, Final

import regex

_QUOTED: Final = regex.compile(r"\\Q(.*?)(?:\\E|\Z)|\\E|\\.", regex.S)
_PIECES: Final = regex.compile(
    r"(?P<property>\\[pP](?:\{\^?[\w ]+\}|[A-Za-z]))|\\.|(?P<class>\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*+\]?)", regex.S
)
_IN_CLASS: Final = regex.compile(r"(?P<property>\\[pP](?:\{\^?[\w ]+\}|[A-Za-z]))|\\.", regex.S)


def without_quotes(body: str) -> str:
    """The pattern with each character between `\\Q` and `\\E` escaped; `\\E` alone means nothing."""
    return _QUOTED.sub(lambda found: "".join(map(_escaped, found[1] or "")) if found[0][1] in "QE" else found[0], body)


def _escaped(character: str) -> str:
    return character if character.isalnum() or character == "_" else f"\\{character}"


def with_all_characters(body: str) -> str:
    """The pattern with each `\\p{…}` and `\\P{…}` as a class that the flag ASCII leaves alone.

    Raises: regex.error for a property that does not exist.
    """
    if "\\p" not in body and "\\P" not in body:
        return body
    return _PIECES.sub(_written, body)


def _written(found: Any) -> str:
    if found["property"]:
        return f"[{_ranges(found[0])}]"
    return _IN_CLASS.sub(lambda inner: _ranges(inner[0]) if inner["property"] else inner[0], found[0])


@functools.lru_cache(maxsize=64)
def _ranges(written: str) -> str:
    """The characters of a property as the ranges of a class."""
    runs = regex.finditer(f"{written}+", _every_character(), regex.V0 | regex.UNICODE)
    return "".join(f"\\U{run.start():08x}-\\U{run.end() - 1:08x}" for run in runs) or _NO_CHARACTER


_NO_CHARACTER: Final = r"\U0010ffff"
"""For a property without a character, which no text holds either."""


def _every_character() -> str:
    return "".join(map(chr, range(sys.maxunicode + 1)))
