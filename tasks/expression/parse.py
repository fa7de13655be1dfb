"""A snippet's text as syntax tree; syntax errors with place and caret. The grammar is tree-sitter's for PHP."""

import functools
from collections.abc import Iterator
from typing import Final

import tree_sitter

from tasks.errors import Problem
from tasks.expression.errors import ExpressionError, excerpt

LONGEST: Final = 20_000
_STRAIGHT: Final = str.maketrans("“”„‟‘’‚‛", "\"\"\"\"''''")


@functools.cache
def _parser() -> tree_sitter.Parser:
    import tree_sitter_php

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_php.language_php_only()))


def parse(source: str, name: str) -> tree_sitter.Node:
    """The root of the snippet's tree.

    Raises: ExpressionError for a syntax error or a snippet that is too long.
    """
    if len(source) > LONGEST:
        raise ExpressionError(name, [Problem(f"the snippet is longer than {LONGEST:,} characters", 1, 1)])
    root = _parser().parse(source.encode()).root_node
    if root.has_error:
        raise ExpressionError(name, [_problem(source, node) for node in _broken(root)][:5])
    return root


def is_php(source: str) -> bool:
    """Whether the text is a PHP snippet without a syntax error that returns something."""
    root = _parser().parse(source.encode()).root_node
    return not root.has_error and any(node.type == "return_statement" for node in _walk(root))


def straightened(source: str) -> str | None:
    """The snippet with typographic quotes outside of strings as straight ones; None where there are none (decision 17).

    A typographic quote within a properly quoted string is text and stays.
    """
    if source.translate(_STRAIGHT) == source:
        return None
    result: list[str] = []
    quote = ""
    position = 0
    while position < len(source):
        letter = source[position]
        if quote:
            taken = source[position : position + 2] if letter == "\\" else letter
            closes = letter == quote[0] or (len(quote) > 1 and letter in quote)
            result.append(quote[0] if closes else taken)
            quote = "" if closes else quote
            position += len(taken)
            continue
        comment = _comment_at(source, position)
        if comment:
            result.append(comment)
            position += len(comment)
            continue
        straight = letter.translate(_STRAIGHT)
        quote = _closing(letter, straight)
        result.append(straight)
        position += 1
    text = "".join(result)
    return None if text == source else text


def _closing(letter: str, straight: str) -> str:
    """What may close a string that this letter opens; its first character is the straight one."""
    if straight not in ('"', "'"):
        return ""
    if letter == straight:
        return straight
    return '"“”„‟' if straight == '"' else "'‘’‚‛"


def _comment_at(source: str, position: int) -> str:
    if source.startswith("/*", position):
        end = source.find("*/", position + 2)
        return source[position:] if end < 0 else source[position : end + 2]
    if source[position] == "#" or source.startswith("//", position):
        end = source.find("\n", position)
        return source[position:] if end < 0 else source[position:end]
    return ""


def _broken(root: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    """The innermost errors; missing tokens count."""
    for node in _walk(root):
        if node.is_missing or (node.type == "ERROR" and not any(child.has_error for child in node.children)):
            yield node


def _walk(root: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(node.children))


def _problem(source: str, node: tree_sitter.Node) -> Problem:
    text = source.encode()
    at = _place(text, node)
    start = text.rfind(b"\n", 0, at) + 1
    line = text.count(b"\n", 0, at) + 1
    column = len(text[start:at].decode(errors="replace")) + 1
    found = (node.text or b"").decode(errors="replace").strip().split("\n")[0][:30]
    message = f"`{node.type}` is missing here" if node.is_missing else f"syntax error at `{found}`"
    if hint := _unclosed(source) if not node.is_missing else "":
        message = f"syntax error: {hint}"
    elif hint := _unfinished(source, said=message):
        message = f"{message}; {hint}"
    return Problem(message, line, column, excerpt(source, line, column))


def _unfinished(source: str, said: str) -> str:
    """What a snippet lacks that is right but for its end or its `return`; empty where that is said or not all."""
    body = source.strip().rstrip(";")
    for candidate, hint in (
        (f"{body};", "the ; at its end is missing"),
        (f"return {body};", "a snippet gives its value by `return …;`"),
    ):
        if is_php(candidate):
            return "" if "`;` is missing" in said and "return" not in hint else hint
    return ""


def _place(text: bytes, node: tree_sitter.Node) -> int:
    return len(text[: node.start_byte].rstrip()) if node.is_missing else node.start_byte


def _unclosed(source: str) -> str:
    """The bracket or quote that is opened and never closed, as words."""
    stack: list[str] = []
    position = 0
    while position < len(source):
        letter = source[position]
        if comment := _comment_at(source, position):
            position += len(comment)
            continue
        if letter in "\"'":
            end = position + 1
            while end < len(source) and source[end] != letter:
                end += 2 if source[end] == "\\" else 1
            if end >= len(source):
                return f"the {letter} is never closed"
            position = end
        elif letter in "([{":
            stack.append(letter)
        elif letter in ")]}" and (not stack or stack.pop() != {")": "(", "]": "[", "}": "{"}[letter]):
            return f"the {letter} closes nothing"
        position += 1
    return f"the {stack[-1]} is never closed" if stack else ""
