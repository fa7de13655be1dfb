"""Reads a Structure's tags into a tree: Handlebars as pasted profiles have it, and Jinja2 for whatever else.

A name alone in braces, `{{x}}` or `{{{x}}}`, and the blocks `#if`, `#unless` and `#each` are Handlebars; anything else
in braces is Jinja (decision 16). Both become one tree, whose expressions are Jinja's.

Source: handlebarsjs.com/guide/expressions.html, handlebarsjs.com/guide/builtin-helpers.html.
"""

import re
from dataclasses import dataclass, field
from typing import Final, Literal

from tasks.modules import nearest
from tasks.rendering.place import line_and_column, refuse
from tasks.rendering.tags import COMMENTS, Tag, pieces_of
from tasks.rendering.template import Assignment, Block, Branch, Hole, Node, Reads, Template, Test, Text, walk

_PATH: Final = r"(?:\.\./)*(?:@root\.|this\.|\./)?(?:\[[^\]\r\n]+\]|@\w+|\.|[\w$][\w$-]*)"
_NAME = re.compile(rf"\s*&?\s*({_PATH})\s*")
_LENGTH = re.compile(rf"\s*&?\s*({_PATH})\.length\s*")
_CALL = re.compile(r"\s*\(?\s*([A-Za-z][\w-]*)\s+[\w'\"(@\[].*", re.DOTALL)
_BLOCK = re.compile(r"\s*([#/^])\s*([^\s}]*)\s*(.*?)\s*", re.DOTALL)
_ELSE = re.compile(r"\s*(?:else|\^)(?:\s+(if|unless)\s+(.+?))?\s*", re.DOTALL)
_STATEMENT = re.compile(r"\s*(\w+)\s*(.*?)\s*", re.DOTALL)
_JINJA_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HELPERS: Final = ("if", "unless", "each")
_ELSEWHERE: Final = frozenset(
    (
        *("lookup", "log", "with", "eq", "ne", "neq", "lt", "gt", "lte", "gte", "and", "or", "not", "concat", "join"),
        *("upper", "lower", "uppercase", "lowercase", "trim", "default", "length", "equals", "ifequals", "contains"),
    )
)
"""Helpers that Handlebars or its usual collections have, and a Structure has not."""
_STATEMENTS: Final = ("if", "elif", "else", "endif", "for", "endfor", "set")
_CONSTANTS: Final = {"true": "true", "false": "false", "null": "none", "undefined": "none"}
_LOOP_FACTS: Final = {"@index": "index0", "@key": "index0", "@first": "first", "@last": "last"}
_DEEPEST: Final = 40
_ALIAS: Final = "handlebars_"
_JINJA_WORDS: Final = frozenset(
    (
        *("and", "or", "not", "in", "is", "if", "elif", "else", "endif", "for", "endfor", "recursive", "set", "import"),
        *("loop", "self", "caller", "varargs", "kwargs", "true", "false", "none", "True", "False", "None"),
    )
)


def read_template(text: str) -> Template:
    """The template in a Structure.

    Raises: StructureError with every problem of its tags.
    """
    return _Reader(text).read()


@dataclass
class _Open:
    """A block that is being read: its branches so far."""

    kind: Literal["if", "for"]
    word: str
    offset: int
    tag: str
    test: Test
    header: str = ""
    branches: list[Branch] = field(default_factory=list[Branch])
    body: list[Node] = field(default_factory=list[Node])
    in_else: bool = False


class _TagError(Exception):
    """Something is wrong with one tag; reading goes on behind it."""


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.problems: dict[int, str] = {}
        self.nodes: list[Node] = []
        self.open: list[_Open] = []
        self.scopes: list[dict[str, Reads]] = [{}]
        self.walked: list[Reads] = []
        self.aliases: dict[str, str] = {}

    def read(self) -> Template:
        for piece in pieces_of(self.text, self.problems):
            if isinstance(piece, Text):
                self._append(piece)
                continue
            try:
                self._read_tag(piece)
            except _TagError as error:
                self.problems.setdefault(piece.offset, str(error))
        for opened in self.open:
            self._miss_closing(opened)
        refuse(self.text, self.problems)
        nodes = tuple(self.nodes)
        reads = frozenset[str]().union(*(_reads_of(node) for node in walk(nodes)))
        return Template(self.text, nodes, {name: self.aliases.get(name, name) for name in sorted(reads)})

    def _miss_closing(self, opened: _Open) -> None:
        self.problems.setdefault(opened.offset, f"{opened.tag} is never closed: add {_closing_of(opened)}")

    def _append(self, node: Node) -> None:
        (self.open[-1].body if self.open else self.nodes).append(node)

    def _read_tag(self, tag: Tag) -> None:
        if tag.opening in COMMENTS:
            return
        if tag.opening == "{%":
            self._read_statement(tag)
        elif match := _ELSE.fullmatch(tag.content):
            self._next_branch(tag, self._test(match[2], match[1] == "unless") if match[1] else None)
        elif (match := _BLOCK.fullmatch(tag.content)) and match[1] != "^":
            self._read_block(tag, match[1], match[2], match[3])
        else:
            self._append(self._hole(tag))

    def _read_block(self, tag: Tag, sign: str, word: str, rest: str) -> None:
        if sign == "/":
            self._close(tag, word)
            return
        if word not in _HELPERS:
            near = nearest(word, _HELPERS)
            hint = f"did you mean #{near}?" if near else "known are #if, #unless and #each"
            self._open_block(_Open("if", word, tag.offset, tag.raw, Test("true", None, False, frozenset())))
            raise _TagError(f"the block helper #{word} does not exist; {hint}")
        if not rest:
            self._open_block(_Open("if", word, tag.offset, tag.raw, Test("true", None, False, frozenset())))
            raise _TagError(f"#{word} needs a name: {{{{#{word} phonemac}}}}")
        if word == "each":
            expression, _, reads = self._expression(rest)
            test = Test(expression, None, False, reads)
            depth = len(self.walked) + 1
            header = f"{_ALIAS}this_{depth} in {expression} | handlebars_each"
            self._open_block(_Open("for", word, tag.offset, tag.raw, test, header), walked=reads)
        else:
            self._open_block(_Open("if", word, tag.offset, tag.raw, self._test(rest, word == "unless")))

    def _open_block(self, opened: _Open, walked: Reads | None = None, local: dict[str, Reads] | None = None) -> None:
        self.open.append(opened)
        if len(self.open) > _DEEPEST:
            self.problems[opened.offset] = f"blocks are nested deeper than {_DEEPEST}"
        if opened.word == "each":
            self.walked.append(walked or frozenset())
        if opened.kind == "for":
            self.scopes.append(dict(self.scopes[-1]) | (local or {}))

    def _next_branch(self, tag: Tag, test: Test | None) -> None:
        if not self.open:
            raise _TagError(f"{tag.raw} stands outside of any block: remove it, or open a block before it")
        opened = self.open[-1]
        if opened.in_else:
            raise _TagError(f"{tag.raw} follows an else that already takes all that is left: remove one of them")
        if test is not None and opened.kind == "for":
            raise _TagError(f"{tag.raw} stands directly in a loop: open an if block in it")
        self._end_branch(opened, tag.raw, test)
        opened.in_else = test is None

    def _end_branch(self, opened: _Open, next_tag: str, next_test: Test | None) -> None:
        test = None if opened.in_else else opened.test
        opened.branches.append(Branch(opened.tag, test, tuple(opened.body)))
        opened.tag, opened.body = next_tag, []
        if next_test is not None:
            opened.test = next_test

    def _close(self, tag: Tag, word: str) -> None:
        if not self.open:
            raise _TagError(f"{tag.raw} closes a block that was never opened: remove it, or open #{word} before it")
        opened = self.open[-1]
        if opened.word != word:
            line, _ = line_and_column(self.text, opened.offset)
            at_all = any(outer.word == word for outer in self.open)
            if at_all:
                while self.open[-1].word != word:
                    unclosed = self.open.pop()
                    self._miss_closing(unclosed)
            else:
                raise _TagError(f"{tag.raw} does not close {opened.tag} of line {line}: write {_closing_of(opened)}")
            opened = self.open[-1]
        self.open.pop()
        self._end_branch(opened, "", None)
        if opened.word == "each":
            self.walked.pop()
        if opened.kind == "for":
            self.scopes.pop()
        self._append(Block(opened.offset, opened.kind, tuple(opened.branches), tag.raw, opened.header))

    def _read_statement(self, tag: Tag) -> None:
        match = _STATEMENT.fullmatch(tag.content)
        word, rest = (match[1], match[2]) if match else ("", "")
        if word in {"if", "elif"}:
            test = self._test(rest, negated=False)
            if word == "elif":
                self._next_branch(tag, test)
            else:
                self._open_block(_Open("if", "%if", tag.offset, tag.raw, test))
        elif word == "else":
            self._next_branch(tag, None)
        elif word in {"endif", "endfor"}:
            self._close(tag, "%" + word.removeprefix("end"))
        elif word == "for":
            self._read_for(tag, rest)
        elif word == "set":
            self._read_set(tag, rest)
        else:
            near = nearest(word, _STATEMENTS)
            hint = f"did you mean {near}?" if near else "known are if, elif, else, for and set"
            raise _TagError(f"the statement {{% {word} %}} is not available in a Structure; {hint}")

    def _read_for(self, tag: Tag, header: str) -> None:
        from tasks.rendering.jinja_names import names_of_loop
        from tasks.rendering.sandbox import ExpressionError

        try:
            targets, names = names_of_loop(header)
        except ExpressionError as error:
            raise _TagError(str(error)) from None
        reads = self._reads(names)
        test = Test(header, None, False, reads)
        local = dict.fromkeys(targets, reads)
        self._open_block(_Open("for", "%for", tag.offset, tag.raw, test, header), local=local)

    def _read_set(self, tag: Tag, header: str) -> None:
        from tasks.rendering.jinja_names import names_of_assignment
        from tasks.rendering.sandbox import ExpressionError

        try:
            targets, names = names_of_assignment(header)
        except ExpressionError as error:
            raise _TagError(str(error)) from None
        around = frozenset[str]().union(*(opened.test.reads for opened in self.open))
        for target in targets:
            before = self.scopes[-1].get(target, frozenset({target}) if self.open else frozenset[str]())
            self.scopes[-1][target] = self._reads(names) | before | around
        self._append(Assignment(tag.offset, tag.raw, header))

    def _hole(self, tag: Tag) -> Hole:
        if not tag.content.strip():
            raise _TagError(f"{tag.raw} names nothing: write the name of a variable or column in it")
        if tag.content.lstrip()[:1] in {">", "^", "*"}:
            raise _TagError(f"{tag.raw} is a part of Handlebars that a Structure does not have")
        expression, name, reads = self._expression(tag.content)
        return Hole(tag.offset, tag.raw, expression, name, reads)

    def _test(self, source: str, negated: bool) -> Test:
        expression, name, reads = self._expression(source)
        return Test(f"not ({expression})" if negated else expression, name, negated, reads)

    def _expression(self, source: str) -> tuple[str, str | None, Reads]:
        """A tag's content as Jinja: the expression, the name that it is (if it is one), what it reads."""
        if (match := _LENGTH.fullmatch(source)) and (match[1] != "this" or self.walked):
            counted, _, reads = self._path(match[1])
            return f"(({counted} or '') | length)", None, reads
        if match := _NAME.fullmatch(source):
            return self._path(match[1])
        if not source.strip():
            raise _TagError("an expression is missing here: write the name of a variable or column")
        from tasks.rendering.jinja_names import names_of_expression
        from tasks.rendering.sandbox import ExpressionError

        try:
            names = names_of_expression(source)
        except ExpressionError as error:
            raise _TagError(_called_helper(source) or str(error)) from None
        return f"({source.strip()})", None, self._reads(names)

    def _path(self, path: str) -> tuple[str, str | None, Reads]:
        up = path.count("../")
        name = path.replace("../", "").removeprefix("@root.").removeprefix("./")
        if name in {"this", "."} or name in _LOOP_FACTS:
            depth = len(self.walked) - up
            if depth < 1:
                raise _TagError(f"{name} stands outside of {{{{#each}}}}: use the name of a variable or column")
            part = f"this_{depth}" if name in {"this", "."} else f"loop_{depth}.{_LOOP_FACTS[name]}"
            return _ALIAS + part, None, self.walked[depth - 1]
        if name.startswith("@"):
            raise _TagError(f"{name} does not exist; known are @index, @first and @last")
        name = name.removeprefix("this.")
        if name in _CONSTANTS:
            return _CONSTANTS[name], None, frozenset()
        name = name[1:-1] if name.startswith("[") else name
        if name in self.scopes[-1]:
            return name, None, self.scopes[-1][name]
        return self._alias(name), name, frozenset({name})

    def _alias(self, name: str) -> str:
        if _JINJA_NAME.fullmatch(name) and name not in _JINJA_WORDS and not name.startswith(_ALIAS):
            return name
        return self.aliases.setdefault(name, f"{_ALIAS}{len(self.aliases)}")

    def _reads(self, names: Reads) -> Reads:
        scope = self.scopes[-1]
        return frozenset[str]().union(*(scope.get(name, frozenset({name})) for name in names))


def _called_helper(source: str) -> str | None:
    """What to say of `lookup roles 0` or `(eq u 'max')`: helpers of Handlebars, which no Jinja can be."""
    match = _CALL.fullmatch(source)
    if not match or match[1].lower() not in _ELSEWHERE:
        return None
    return (
        f"{match[1]} stands before a value like a helper of Handlebars, and a Structure has only #if, #unless, #each; "
        "write it as Jinja does: {{ roles[0] }}, {{#if (u == 'max')}}"
    )


def _closing_of(opened: _Open) -> str:
    return f"{{% end{opened.word[1:]} %}}" if opened.word.startswith("%") else f"{{{{/{opened.word}}}}}"


def _reads_of(node: Node) -> Reads:
    match node:
        case Hole():
            return node.reads
        case Block():
            return frozenset[str]().union(*(branch.test.reads for branch in node.branches if branch.test))
        case _:
            return frozenset()
