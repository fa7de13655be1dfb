"""A Structure with everything but the login cut away.

Whoever is set aside must be known by login, or a run could remove the wrong person: so the login of a row that fails
elsewhere is rendered alone (decision 10).
"""

from collections.abc import Iterable
from typing import Final

from tasks.rendering.shape import Arr, ArrFork, Entry, Item, Member, Obj
from tasks.rendering.template import Assignment, Block, Template, walk

LOGIN: Final = "003use_name"


def login_source(template: Template, shape: Obj) -> str | None:
    """The text of that Structure; None where the login cannot be told from the rest."""
    if any(isinstance(node, Assignment) for node in walk(template.nodes)):
        return None
    return f"{{ {_members(template.text, shape.entries, 'identity')} }}"


def _members(text: str, entries: Iterable[Entry], key: str) -> str:
    parts: list[str] = []
    for entry in entries:
        if isinstance(entry, Member):
            parts.append(_member(text, entry) if entry.key == key else "")
        else:
            parts.append(_block(entry.block, [_members(text, branch, key) for branch in entry.branches]))
    return "".join(parts)


def _member(text: str, member: Member) -> str:
    if member.key == LOGIN:
        return f'"{LOGIN}": {text[member.start : member.end]},'
    items = member.value.items if isinstance(member.value, Arr) else ()
    return f'"identity": [{_items(text, items)}],'


def _items(text: str, items: Iterable[Item]) -> str:
    parts: list[str] = []
    for item in items:
        if isinstance(item, ArrFork):
            parts.append(_block(item.block, [_items(text, branch) for branch in item.branches]))
        elif isinstance(item, Obj):
            parts.append(f"{{ {_members(text, item.entries, LOGIN)} }},")
    return "".join(parts)


def _block(block: Block, branches: list[str]) -> str:
    if not any(branches):
        return ""
    taken = "".join(branch.tag + source for branch, source in zip(block.branches, branches, strict=True))
    return taken + block.closing
