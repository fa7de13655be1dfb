"""Proves a Structure that runs by row, as far as that can be done before the first row.

It is rendered with all names filled, with all empty, and with each name on its own turned round.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tasks.rendering.rows import RowError, RowTemplate
from tasks.rendering.template import Block, Template, walk
from tasks.rendering.tolerant_json import read_json

_MOST: Final = 64
_FILLED: Final = ["1", "1"]


def problems_of_samples(rows: RowTemplate, *, is_cut: bool) -> dict[int, str]:
    """By offset: what costs too much work in some sample, and, where blocks cut through the JSON, what is none."""
    problems: dict[int, str] = {}
    signatures: set[str] = set()
    for values in _samples(rows.template):
        try:
            signatures.add(rows.signature(values)[0])
        except RowError as error:
            if error.spent:
                return {error.offset: str(error)}
    for signature in signatures if is_cut else ():
        problems |= dict(read_json(rows.nodes_of(signature)).problems)
    return problems


def _samples(template: Template) -> Iterator[Mapping[str, Any]]:
    blocks = [node for node in walk(template.nodes) if isinstance(node, Block)]
    walked = frozenset[str]().union(
        *(b.branches[0].test.reads for b in blocks if b.kind == "for" and b.branches[0].test)
    )
    names = sorted(template.keys.values())
    filled = {key: _FILLED if name in walked else "1" for name, key in template.keys.items()}
    empty = dict.fromkeys(names, "")
    yield filled
    yield empty
    for name in names[:_MOST]:
        yield filled | {name: ""}
        yield empty | {name: filled[name]}
