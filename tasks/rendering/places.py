"""Finds the phone system's records in a Structure's shape: which object makes which record, and when.

Every object of a module is a place. A row fills it when the blocks around it say so, and when no later member with
the same key takes over: a key twice in one object, the last wins (decision 16).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, TypeAlias

from tasks.modules import LIST_FIELDS, MODULES, POST, Module, find_module, module_keys, nearest
from tasks.rendering.shape import Arr, ArrFork, Bare, Member, Obj, ObjFork, Str, StrFork, Value, Word
from tasks.rendering.template import Block, Hole, Reads, Template

Path: TypeAlias = tuple[tuple[Block, int], ...]
"""The branches that lead to a place, outermost first."""

Finding: TypeAlias = tuple[int, str, str]
"""Offset, issue code, message."""

_NO_READS: Final[Reads] = frozenset()


@dataclass(frozen=True, slots=True)
class Case:
    """One way a field gets its value; of several that hold, the last wins."""

    path: Path
    member: Member


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """An object that makes a record. It is not made where one of `hidden` leads to a later member of its key.

    `before` are the places that come earlier in its array; `owner` is the place whose child it is.
    """

    module: Module
    path: Path
    hidden: tuple[Path, ...]
    owner: "Place | None"
    before: tuple["Place", ...]
    fields: dict[str, list[Case]] = field(default_factory=dict[str, list[Case]])


@dataclass
class Records:
    """All places of a shape, with what there is to say about it."""

    places: list[Place] = field(default_factory=list[Place])
    findings: list[Finding] = field(default_factory=list[Finding])
    problems: dict[int, str] = field(default_factory=dict[int, str])


def find_places(shape: Obj) -> Records:
    """The records that a shape makes."""
    records = Records()
    _read_object(shape, None, _Position((), ()), records)
    return records


def field_reads(records: Records) -> dict[str, Reads]:
    """By "module.field": the names that its value reads, and the names that decide whether it is there."""
    reads: dict[str, Reads] = {}
    for place in records.places:
        around = _reads_around(place)
        for name, cases in place.fields.items():
            key = f"{place.module.name}.{name}"
            inside = (value_reads(case.member.value) | _path_reads(case.path) for case in cases)
            reads[key] = reads.get(key, _NO_READS).union(around, *inside)
    return reads


def deciding_reads(records: Records) -> dict[str, tuple[Reads, ...]]:
    """By module, for each of its places: the names that decide whether it makes a record."""
    reads: dict[str, tuple[Reads, ...]] = {}
    for place in records.places:
        reads[place.module.name] = (*reads.get(place.module.name, ()), _reads_around(place))
    return reads


def printed_reads(records: Records) -> dict[str, Reads]:
    """By "module.field": the names that its value alone reads, without the blocks around it."""
    reads: dict[str, Reads] = {}
    for place in records.places:
        for name, cases in place.fields.items():
            key = f"{place.module.name}.{name}"
            reads[key] = reads.get(key, _NO_READS).union(*(value_reads(case.member.value) for case in cases))
    return reads


def fields_of_text(template: Template) -> tuple[frozenset[str], dict[str, Reads]]:
    """The modules that a text names, and for each of their fields that it names: all that the text reads.

    Where blocks cut through the JSON, reads cannot be told apart; a secret must never be taken for harmless.
    """
    named = [module for module in MODULES if any(key in template.text for key in module.keys)]
    reads = {
        f"{module.name}.{name}": template.reads for module in named for name in module.fields if name in template.text
    }
    return frozenset(module.name for module in named), reads


def value_reads(value: Value) -> Reads:
    """The names that a value reads, blocks in it included."""
    return frozenset[str]().union(*_reads_in(value))


def flat_items(array: Arr) -> list[tuple[Path, Value]]:
    """The items of an array with the branches that lead to each."""
    return list(_flat_items(array.items, ()))


@dataclass(frozen=True)
class _Position:
    path: Path
    hidden: tuple[Path, ...]

    def under(self, path: Path, hidden: Iterable[Path] = ()) -> "_Position":
        return _Position(self.path + path, self.hidden + tuple(self.path + other for other in hidden))


def _read_object(
    shape: Obj, place: Place | None, position: _Position, records: Records, *, in_post: bool = False
) -> None:
    members = list(_flat_members(shape.entries, ()))
    _warn_of_doubles(members, records)
    for at, (path, member) in enumerate(members):
        later = [other for other, double in members[at + 1 :] if double.key == member.key and not exclude(path, other)]
        if any(other == path[: len(other)] for other in later):
            continue
        inner = position.under(path, later)
        child = find_module(member.key, place.module if place else None)
        if child:
            _read_module(child, member, place, inner, records)
        elif member.key == POST and not in_post:
            _read_post(member, place, inner, records)
        elif place and not in_post and member.key in place.module.fields:
            _check_field(member, records)
            place.fields.setdefault(member.key, []).append(Case(path, member))
        elif not (place and member.key in place.module.ignored):
            _warn_of_unknown(member, place, in_post, records)


def _read_post(member: Member, place: Place | None, position: _Position, records: Records) -> None:
    if isinstance(member.value, Obj):
        _read_object(member.value, place, position, records, in_post=True)
    else:
        records.problems[member.start] = "post holds modules by name: write it as an object { … }"


def _read_module(module: Module, member: Member, owner: Place | None, position: _Position, records: Records) -> None:
    if not isinstance(member.value, Arr):
        records.problems[member.start] = f"{member.key} is a list of objects: write it as [{{ … }}]"
        return
    for path, item in flat_items(member.value):
        if not isinstance(item, Obj):
            records.problems[item.offset] = f"{member.key} is a list of objects: write {{ … }} here"
            continue
        inner = position.under(path)
        before = tuple(p for p in records.places if p.module is module and p.owner is owner)
        place = Place(module, inner.path, inner.hidden, owner, before)
        records.places.append(place)
        _read_object(item, place, inner, records)


def _check_field(member: Member, records: Records) -> None:
    value = member.value
    if isinstance(value, Arr) and member.key in LIST_FIELDS:
        for _, item in flat_items(value):
            if isinstance(item, (Arr, Obj)):
                records.problems[item.offset] = f"{member.key} is a list of texts: write a string here"
    elif isinstance(value, (Arr, Obj)):
        records.problems[value.offset] = f"{member.key} holds one text: write a string here"


def _warn_of_doubles(members: list[tuple[Path, Member]], records: Records) -> None:
    for at, (path, member) in enumerate(members):
        if any(m.key == member.key and not exclude(path, other) for other, m in members[:at]):
            message = f"{member.key} stands twice in one object: the last one wins; remove the other"
            records.findings.append((member.offset, "key-twice", message))


def _warn_of_unknown(member: Member, place: Place | None, in_post: bool, records: Records) -> None:
    owner = place.module if place else None
    is_module = owner is None or in_post or _holds_objects(member.value)
    known = module_keys(owner) if is_module or owner is None else [*owner.fields, POST]
    near = nearest(member.key, known)
    meant = f"; did you mean {near}?" if near else f"; known here: {', '.join(known)}"
    where = f"in {owner.keys[0]}" if owner else "at the top level"
    kind, code = ("module", "module-unknown") if is_module else ("field", "field-unknown")
    message = f"there is no {kind} {member.key[:40]} {where}, so it is not imported{meant}"
    records.findings.append((member.offset, code, message))


def _holds_objects(value: Value) -> bool:
    return isinstance(value, Obj) or (
        isinstance(value, Arr) and any(isinstance(item, Obj) for _, item in flat_items(value))
    )


def exclude(one: Path, other: Path) -> bool:
    """Whether two places can never be in one row: they part at one if block."""
    for (block, branch), (other_block, other_branch) in zip(one, other, strict=False):
        if block is not other_block:
            return False
        if branch != other_branch:
            return block.kind == "if"
    return False


def _flat_members(entries: Iterable[Member | ObjFork], path: Path) -> Iterator[tuple[Path, Member]]:
    for entry in entries:
        if isinstance(entry, Member):
            yield path, entry
        else:
            for number, branch in enumerate(entry.branches):
                yield from _flat_members(branch, (*path, (entry.block, number)))


def _flat_items(items: Iterable[Value | ArrFork], path: Path) -> Iterator[tuple[Path, Value]]:
    for item in items:
        if isinstance(item, ArrFork):
            for number, branch in enumerate(item.branches):
                yield from _flat_items(branch, (*path, (item.block, number)))
        else:
            yield path, item


def _reads_around(place: Place) -> Reads:
    return _path_reads(place.path).union(*(_path_reads(path) for path in place.hidden))


def _path_reads(path: Path) -> Reads:
    return frozenset[str]().union(*(_block_reads(block) for block, _ in path))


def _block_reads(block: Block) -> Reads:
    return frozenset[str]().union(*(branch.test.reads for branch in block.branches if branch.test))


def _reads_in(value: "Value | StrFork | ArrFork | ObjFork | Member | Hole | str") -> Iterator[Reads]:
    if isinstance(value, Hole):
        yield value.reads
    elif isinstance(value, (StrFork, ArrFork, ObjFork)):
        yield _block_reads(value.block)
    for part in _parts_of(value):
        yield from _reads_in(part)


def _parts_of(
    value: "Value | StrFork | ArrFork | ObjFork | Member | Hole | str",
) -> Iterable["Value | StrFork | ArrFork | ObjFork | Member | Hole | str"]:
    match value:
        case Bare():
            return (value.hole,)
        case Member():
            return (value.value,)
        case StrFork() | ArrFork() | ObjFork():
            return chain.from_iterable(value.branches)
        case Str():
            return value.parts
        case Arr():
            return value.items
        case Obj():
            return value.entries
        case Hole() | Word() | str():
            return ()
