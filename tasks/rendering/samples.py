"""Proves a Structure whose blocks cut through its JSON, as far as that can be done before the first row.

It is rendered with all names filled, with all empty, and with each name on its own turned round.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tasks.rendering.rows import RowError, RowTemplate
from tasks.rendering.template import Block, Template, walk
from tasks.rendering.tolerant_json import read_json

_MOST: Final = 64
_FILLED: Final = ["1", "1"]


def problems_of_samples(template: Template) -> dict[int, str]:
    """By offset: what is no JSON in some sample."""
    rows = RowTemplate(template, {})
    problems: dict[int, str] = {}
    for signature in {signature for values in _samples(template) if (signature := _signature(rows, values))}:
        reading = read_json(rows.nodes_of(signature))
        problems |= dict(reading.problems)
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


def _signature(rows: RowTemplate, values: Mapping[str, Any]) -> str:
    try:
        return rows.signature(values)[0]
    except RowError:
        return ""
