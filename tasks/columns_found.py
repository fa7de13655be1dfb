"""Which columns of a header may be named in a text: where a file has no header, its first person stands there.

Names are told by allow-list: a cell of letters that is a name of the profile or of the template, or a part of one
(`user` of `username`). All other columns are only counted.
"""

import re
from typing import Final

from tasks.harmless import HARMLESS_VARIABLES
from tasks.mapping import SECRET_NAMES, Mapping

COLUMNS_NAMED: Final = 20
_WORDS: Final = re.compile(r"[^\W\d_]+(?:[ _.-][^\W\d_]+)*")
_BETWEEN_WORDS: Final = re.compile(r"[\W_]")
_LEAST_PART: Final = 4


def columns_found(header: tuple[str, ...], mapping: Mapping) -> str:
    """What a person is told of a header in which a column is missed, as sentences."""
    known = _known_names(mapping)
    named = [name for name in header if _is_known(name, known)]
    if not named:
        return (
            f"None of its {len(header)} columns has a name that the profile knows: the first line may be a person, "
            "where the names of the columns must stand."
        )
    told = f"Columns found: {', '.join(named[:COLUMNS_NAMED])}."
    others = len(header) - len(named)
    return f"{told} Further columns, whose names the profile does not know: {others}." if others else told


def _known_names(mapping: Mapping) -> frozenset[str]:
    expressions = (mapping.prefilter, *mapping.variables.values())
    read = {name for expression in expressions for name in expression.reads or ()}
    names = HARMLESS_VARIABLES | SECRET_NAMES | mapping.variables.keys() | mapping.structure.reads | read
    return frozenset(map(_folded, names))


def _is_known(cell: str, known: frozenset[str]) -> bool:
    folded = _folded(cell)
    if folded in known:
        return True
    is_part = len(folded) >= _LEAST_PART and any(folded in name for name in known)
    return is_part and _WORDS.fullmatch(cell) is not None


def _folded(name: str) -> str:
    return _BETWEEN_WORDS.sub("", name.casefold())
