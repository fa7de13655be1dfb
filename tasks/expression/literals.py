"""What PHP's literals stand for: numbers in all notations, escapes in strings, the indentation of heredocs."""

import re
from typing import Final

import tree_sitter

from tasks.expression.values import INT_MAX

_SIMPLE: Final = {"n": "\n", "t": "\t", "r": "\r", "v": "\v", "e": "\x1b", "f": "\f", "\\": "\\", "$": "$", '"': '"'}


def integer_literal(text: str) -> int | float:
    """0x1F, 0b11, 017, 0o17, 1_000; too large ones are floats.

    Raises: ValueError.
    """
    digits = text.replace("_", "").lower()
    value = int(digits, 8) if re.fullmatch("0[0-7]+", digits) else int(digits, 0)
    return value if value <= INT_MAX else float(value)


def float_literal(text: str) -> float:
    return float(text.replace("_", ""))


def single_quoted(text: str) -> str:
    """Between single quotes only \\\\ and \\' are escapes."""
    return re.sub(r"\\([\\'])", r"\1", text[1:-1])


def double_quoted(escape: str) -> str:
    """One escape sequence of a double-quoted string; what is none stays as it is."""
    rest = escape[1:]
    if rest in _SIMPLE:
        return _SIMPLE[rest]
    if match := re.fullmatch(r"u\{([0-9a-fA-F]{1,6})\}", rest):
        code = int(match[1], 16)
        return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else escape
    if match := re.fullmatch(r"x([0-9a-fA-F]{1,2})", rest):
        return chr(int(match[1], 16))
    if match := re.fullmatch(r"[0-7]{1,3}", rest):
        return chr(int(match[0], 8) & 255)
    return escape


def heredoc_parts(source: bytes, body: tree_sitter.Node, end: tree_sitter.Node) -> "list[str | tree_sitter.Node]":
    """The text and the embedded expressions of a heredoc or nowdoc, without the closing tag's indentation."""
    first = (
        source.index(
            b"\n",
            body.start_byte - 1
            if source[body.start_byte - 1 : body.start_byte] == b"\n"
            else max(0, source.rfind(b"<<<", 0, body.start_byte + 1)),
        )
        + 1
    )
    last = source.rindex(b"\n", 0, end.start_byte + 1)
    indent = len(source[last + 1 : end.start_byte])
    raw = body.type == "nowdoc_body"
    parts: list[str | tree_sitter.Node] = []
    position = first
    inner = [] if raw else [c for c in body.children if c.type not in ("string_content", "{", "}")]
    for child in inner:
        braced = source[child.start_byte - 1 : child.start_byte] == b"{" and child.type != "escape_sequence"
        start = child.start_byte - 1 if braced else child.start_byte
        parts.append(source[position:start].decode())
        parts.append(child)
        position = child.end_byte + braced
    parts.append(source[position : max(position, last)].decode())
    if not indent:
        return parts
    texts = [re.sub(rf"(?m)(?<=\n)[ \t]{{1,{indent}}}", "", p) if isinstance(p, str) else p for p in parts]
    if isinstance(texts[0], str):
        texts[0] = re.sub(rf"\A[ \t]{{1,{indent}}}", "", texts[0])
    return texts
