"""Reads JSON as published Structures spell it, with the template's nodes still in it.

Tolerated: commas doubled, leading and trailing; `//` and `/* */` comments; typographic quotes around keys and values;
the odd spaces that come along when a web page is pasted. A placeholder is one piece for this reader, whatever a row
puts into it, so no cell can end its string.

Source: RFC 8259; phone-system.md section 3 for what is tolerated.
"""

import json
import re
from collections.abc import Callable
from typing import Final, TypeAlias, TypeVar

from tasks.rendering.cursor import Cursor
from tasks.rendering.shape import (
    Arr,
    ArrFork,
    Bare,
    Entry,
    Item,
    Member,
    Obj,
    ObjFork,
    Reading,
    Str,
    StrFork,
    StrPart,
    Value,
    Word,
)
from tasks.rendering.template import Assignment, Block, Hole, Node, Text, walk

T = TypeVar("T")
Comma: TypeAlias = frozenset[bool]
"""Whether a comma must come before the next entry; both where that depends on the row."""

_SPACE = re.compile(r"[\s\ufeff\u200b\u2060]+")
_REST_OF_LINE = re.compile(r"[^\r\n]+")
_ESCAPES = re.compile(r'(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))+')
_WORD = re.compile(r"[^\s,:\[\]{}\"“”„‟\ufeff\u200b\u2060]+")
_JSON_WORD = re.compile(r"true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_PLAIN = re.compile(r"[^\\\r\n\"“”„‟]+")
_TYPOGRAPHIC: Final = "“”„‟"
_CLOSERS: Final = {'"': frozenset('"')} | dict.fromkeys(_TYPOGRAPHIC, frozenset('“”‟"'))
_COMMA_MISSING: Final = "a comma is missing before this"
_NOT_NEEDED: Final[Comma] = frozenset({False})
_NEEDED: Final[Comma] = frozenset({True})


def read_json(nodes: tuple[Node, ...]) -> Reading:
    """The shape of a template's text."""
    reader = _Reader()
    shape, cut = None, None
    try:
        shape = reader.root(Cursor(nodes, nested=False))
    except _StopError as stop:
        if stop.cut or any(isinstance(node, Block) for node in walk(nodes)):
            cut = (stop.offset, stop.message)
        else:
            reader.problems[stop.offset] = stop.message
    except RecursionError:
        reader.problems[0] = "the Structure is nested too deeply"
    return Reading(shape, tuple(reader.problems.items()), tuple(reader.doubts.items()), cut, reader.typographic)


class _StopError(Exception):
    """Reading cannot go on; `cut` where a block is the reason."""

    def __init__(self, offset: int, message: str, *, cut: bool = False) -> None:
        super().__init__(message)
        self.offset, self.message, self.cut = offset, message, cut


class _Reader:
    def __init__(self) -> None:
        self.problems: dict[int, str] = {}
        self.doubts: dict[int, str] = {}
        self.typographic: int | None = None

    def root(self, cursor: Cursor) -> Obj:
        self._space(cursor)
        while isinstance(cursor.peek(), Assignment):
            cursor.skip()
            self._space(cursor)
        if cursor.peek() != "{":
            raise _StopError(cursor.offset, f"found {_found(cursor)}, expected {{ at the start of the Structure")
        shape = self._object(cursor)
        self._space(cursor)
        if cursor.peek() is not None and not isinstance(cursor.peek(), Assignment):
            raise _StopError(
                cursor.offset, f"found {_found(cursor)}, expected the end of the Structure: remove what follows"
            )
        return shape

    def _value(self, cursor: Cursor) -> Value:
        piece, offset = cursor.peek(), cursor.offset
        match piece:
            case Hole():
                cursor.skip()
                return Bare(offset, piece)
            case "{":
                return self._object(cursor)
            case "[":
                cursor.skip()
                items, _ = self._entries(cursor, self._value_item, ArrFork, ("]", offset), _NOT_NEEDED)
                return Arr(offset, tuple(items))
            case str() if piece in _CLOSERS:
                return self._string(cursor)
            case str():
                return self._word(cursor)
            case _:
                raise _StopError(offset, "a value is missing here, or a block cuts through it", cut=True)

    def _value_item(self, cursor: Cursor) -> Item:
        return self._value(cursor)

    def _object(self, cursor: Cursor) -> Obj:
        offset = cursor.offset
        cursor.skip()
        entries, _ = self._entries(cursor, self._member, ObjFork, ("}", offset), _NOT_NEEDED)
        return Obj(offset, tuple(entries))

    def _entries(
        self,
        cursor: Cursor,
        read: Callable[[Cursor], T],
        fork: Callable[[Block, tuple[tuple[T, ...], ...]], T],
        closing: tuple[str, int],
        comma: Comma,
    ) -> tuple[list[T], Comma]:
        """Members or items up to the closing sign, or, with none, to the end of a block's branch."""
        sign, start = closing
        found: list[T] = []
        while True:
            self._space(cursor)
            piece = cursor.peek()
            if piece is None and not sign:
                return found, comma
            if piece is None:
                raise _StopError(start, f"this is never closed: add {sign}", cut=cursor.nested)
            if piece == sign:
                cursor.skip()
                return found, comma
            if piece == ",":
                cursor.skip()
                comma = _NOT_NEEDED
            elif isinstance(piece, Assignment):
                cursor.skip()
            elif isinstance(piece, Block):
                cursor.skip()
                branches = [
                    self._entries(Cursor(b.body, nested=True), read, fork, ("", piece.offset), comma)
                    for b in piece.branches
                ]
                found.append(fork(piece, tuple(tuple(entries) for entries, _ in branches)))
                after = frozenset[bool]().union(*(state for _, state in branches))
                comma = after if piece.has_else and piece.kind == "if" else after | comma
            else:
                self._check_comma(cursor, comma)
                found.append(read(cursor))
                comma = _NEEDED

    def _check_comma(self, cursor: Cursor, comma: Comma) -> None:
        piece = cursor.peek()
        if isinstance(piece, str) and piece in "]}":
            raise _StopError(cursor.offset, f"found {piece}, which closes nothing here", cut=cursor.nested)
        if comma == _NEEDED:
            self.problems.setdefault(cursor.offset, _COMMA_MISSING)
        elif True in comma:
            self.doubts.setdefault(cursor.offset, "a comma is missing before this in some rows")

    def _member(self, cursor: Cursor) -> Entry:
        offset = cursor.offset
        key = self._key(cursor)
        self._space(cursor)
        if cursor.peek() != ":":
            raise _StopError(
                cursor.offset, f"found {_found(cursor)}, expected a colon after the key", cut=_is_cut(cursor)
            )
        cursor.skip()
        self._space(cursor)
        piece = cursor.peek()
        if isinstance(piece, Block):
            cursor.skip()
            return self._member_of_block(offset, key, piece)
        start = cursor.offset
        return Member(offset, key, self._value(cursor), start, cursor.offset)

    def _member_of_block(self, offset: int, key: str, block: Block) -> ObjFork:
        """`"k": {{#if x}}1{{else}}2{{/if}}`, read as if the block stood around the whole member."""
        if block.kind == "for" or not block.has_else:
            raise _StopError(
                block.offset, "this block may leave the value out: put it around the whole field", cut=True
            )
        members: list[tuple[Entry, ...]] = []
        for branch in block.branches:
            cursor = Cursor(branch.body, nested=True)
            self._space(cursor)
            start, piece = cursor.offset, cursor.peek()
            if isinstance(piece, Block):
                cursor.skip()
                members.append((self._member_of_block(offset, key, piece),))
            else:
                value = self._value(cursor)
                members.append((Member(offset, key, value, start, cursor.offset),))
            self._space(cursor)
            if cursor.peek() is not None:
                raise _StopError(cursor.offset, "this block holds more than one value", cut=True)
        return ObjFork(block, tuple(members))

    def _key(self, cursor: Cursor) -> str:
        piece, offset = cursor.peek(), cursor.offset
        if isinstance(piece, Hole):
            raise _StopError(offset, "a placeholder cannot be a key: what it feeds must be known before the first row")
        if isinstance(piece, str) and piece in _CLOSERS:
            parts = self._string(cursor).parts
            if not all(isinstance(part, str) for part in parts):
                self.problems.setdefault(
                    offset, "a key must be fixed text: what it feeds must be known before the first row"
                )
            return "".join(part for part in parts if isinstance(part, str))
        word = cursor.take(_WORD)
        if not word:
            raise _StopError(offset, f"found {_found(cursor)}, expected a key in double quotes", cut=_is_cut(cursor))
        self.problems.setdefault(offset, f'put the key in double quotes: "{word[:40]}"')
        return word

    def _word(self, cursor: Cursor) -> Word:
        offset = cursor.offset
        word = cursor.take(_WORD)
        if not word:
            raise _StopError(offset, f"found {_found(cursor)}, expected a value", cut=cursor.nested)
        if not _JSON_WORD.fullmatch(word):
            self.problems.setdefault(offset, f'this is no JSON value: put it in double quotes: "{word[:40]}"')
        return Word(offset, word)

    def _string(self, cursor: Cursor) -> Str:
        offset = cursor.offset
        quote = str(cursor.peek())
        if quote in _TYPOGRAPHIC and self.typographic is None:
            self.typographic = offset
        cursor.skip()
        return Str(offset, self._parts(cursor, _CLOSERS[quote], offset, in_block=False))

    def _parts(self, cursor: Cursor, closers: frozenset[str], start: int, *, in_block: bool) -> tuple[StrPart, ...]:
        """The pieces of a string up to its closing quote, or to the end of a block's branch."""
        parts: list[StrPart] = []
        while (piece := cursor.peek()) is not None:
            if isinstance(piece, str):
                if piece in closers and in_block:
                    raise _StopError(cursor.offset, "this block ends or begins in the middle of a string", cut=True)
                if piece in closers:
                    cursor.skip()
                    return _merged(parts)
                parts.append(self._characters(cursor, piece, start))
                continue
            cursor.skip()
            if isinstance(piece, Hole):
                parts.append(piece)
            elif isinstance(piece, Block):
                branches = tuple(
                    self._parts(Cursor(b.body, nested=True), closers, start, in_block=True) for b in piece.branches
                )
                parts.append(StrFork(piece, branches))
        if not in_block:
            raise _StopError(start, "this string is never closed: add the closing quote", cut=cursor.nested)
        return _merged(parts)

    def _characters(self, cursor: Cursor, piece: str, start: int) -> str:
        if piece in "\r\n":
            raise _StopError(
                start, "this string is not closed on its line: add the closing quote, or write \\n for a line end"
            )
        if piece != "\\":
            text = cursor.take(_PLAIN) or piece
            if text == piece and not _PLAIN.match(piece):
                cursor.skip()
            return text
        offset = cursor.offset
        text = json.loads(f'"{cursor.take(_ESCAPES)}"')
        if not text or any("\ud800" <= character <= "\udfff" for character in text):
            self.problems.setdefault(offset, "JSON has no such escape: write \\\\ for a backslash")
            if not text:
                cursor.skip()
            return ""
        return text

    def _space(self, cursor: Cursor) -> None:
        """Leaves white space and comments behind."""
        while isinstance(cursor.peek(), str):
            if cursor.take(_SPACE):
                continue
            if cursor.starts_with("//"):
                self._comment(cursor, "\n", None)
            elif cursor.starts_with("/*"):
                self._comment(cursor, "*/", cursor.offset)
            else:
                return

    def _comment(self, cursor: Cursor, end: str, start: int | None) -> None:
        while (piece := cursor.peek()) is not None:
            if isinstance(piece, str):
                if start is not None and cursor.starts_with(end):
                    cursor.skip()
                    cursor.skip()
                    return
                if start is None and not cursor.take(_REST_OF_LINE):
                    return
                if start is not None:
                    cursor.skip()
                continue
            if isinstance(piece, Block) and any(isinstance(n, Text) and end in n.text for n in walk((piece,))):
                raise _StopError(piece.offset, "a comment ends inside of this block", cut=True)
            cursor.skip()
        if start is not None or cursor.nested:
            place = cursor.offset if start is None else start
            raise _StopError(place, "this comment is never closed: add */", cut=cursor.nested)


def _is_cut(cursor: Cursor) -> bool:
    return cursor.nested or isinstance(cursor.peek(), Block)


def _found(cursor: Cursor) -> str:
    piece = cursor.peek()
    match piece:
        case None:
            return "the end"
        case str():
            return piece
        case Hole() | Assignment():
            return piece.tag
        case Block():
            return piece.branches[0].tag


def _merged(parts: list[StrPart]) -> tuple[StrPart, ...]:
    merged: list[StrPart] = []
    for part in parts:
        before = merged[-1] if merged else None
        if isinstance(part, str) and isinstance(before, str):
            merged[-1] = before + part
        elif part != "":
            merged.append(part)
    return tuple(merged)
