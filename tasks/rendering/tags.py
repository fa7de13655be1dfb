"""Cuts a Structure into text and tags: Handlebars' `{{…}}` and `{{{…}}}`, Jinja's `{%…%}`, the comments of both."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tasks.rendering.template import Text

_OPENING = re.compile(r"\{\{!--|\{\{!|\{\{\{(?![#/!%])|\{\{(?!%|\{[#/!%])|\{%|\{#")
"""A brace of JSON may stand right before a tag: `{{{#if x}}` is a brace and `{{#if x}}`."""
_CLOSING: Final = {"{{!--": "--}}", "{{!": "}}", "{{{": "}}}", "{{": "}}", "{%": "%}", "{#": "#}"}
_QUOTED: Final = r'"(?:\\.|[^"\\\r\n{}])*"|' + r"'(?:\\.|[^'\\\r\n{}])*'|"
_ENDS: Final = {
    "}}}": re.compile(r"\{[{%]|\}\}\}"),
    "}}": re.compile(_QUOTED + r"\{[{%]|\}\}"),
    "%}": re.compile(_QUOTED + r"\{[{%]|%\}"),
}
"""Where a tag ends: at its closing, or, never closed, where the next tag begins."""
COMMENTS: Final = frozenset({"{{!--", "{{!", "{#"})


@dataclass(frozen=True)
class Tag:
    """One tag: `raw` as written, `content` without its braces."""

    offset: int
    opening: str
    raw: str
    content: str
    trims_left: bool
    trims_right: bool


def pieces_of(text: str, problems: dict[int, str]) -> Iterator[Text | Tag]:
    """Text and tags in turn, with the white space gone that `~` and `-` take away; unclosed tags go to `problems`."""
    at, strip = 0, False
    for tag in _tags(text, problems):
        piece = _trimmed(Text(at, text[at : tag.offset]), strip, tag.trims_left)
        if piece.text:
            yield piece
        yield tag
        at, strip = tag.offset + len(tag.raw), tag.trims_right
    piece = _trimmed(Text(at, text[at:]), strip, False)
    if piece.text:
        yield piece


def _tags(text: str, problems: dict[int, str]) -> Iterator[Tag]:
    at = 0
    while opening := _OPENING.search(text, at):
        start, word = opening.start(), opening.group()
        end = _end_of_tag(text, opening.end(), _CLOSING[word], comment=word in COMMENTS)
        if end is None:
            problems[start] = f"{word} is never closed: add {_CLOSING[word]}"
            at = opening.end()
            continue
        content = text[opening.end() : end]
        at = end + len(_CLOSING[word])
        left, right = content[:1] in {"~", "-"}, content[-1:] in {"~", "-"}
        yield Tag(start, word, text[start:at], content[left : len(content) - right], left, right)


def _end_of_tag(text: str, start: int, closing: str, *, comment: bool) -> int | None:
    if comment:
        end = text.find(closing, start)
        return end if end >= 0 else None
    for match in _ENDS[closing].finditer(text, start):
        if match.group() in {closing, "{{", "{%"}:
            return match.start() if match.group() == closing else None
    return None


def _trimmed(piece: Text, left: bool, right: bool) -> Text:
    text = piece.text.lstrip() if left else piece.text
    offset = piece.offset + len(piece.text) - len(text)
    return Text(offset, text.rstrip() if right else text)
