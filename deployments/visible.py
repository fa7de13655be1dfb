"""What a CSV brings to a terminal is only ever shown: no character of it moves the cursor or turns the text around."""

from typing import Final

_CONTROLS: Final = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"} | {0x7F: 0x2421}
"""Each has a picture of its own: ESC is ␛."""
_OTHERS: Final = dict.fromkeys((*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)), 0xFFFD)
"""The second set of controls, and the marks that turn the direction of writing."""
_PICTURES: Final = _CONTROLS | _OTHERS
_ESCAPES: Final = {code: f"\\u{code:04x}" for code in (*_OTHERS, 0x7F)}
"""JSON itself escapes the first set of controls."""


def visible(text: str) -> str:
    """The text, as long as before, with a picture in place of every character that a terminal would obey."""
    return text.translate(_PICTURES)


def escaped(json_text: str) -> str:
    """JSON of the same value, in which no character is left that a terminal would obey."""
    return json_text.translate(_ESCAPES)
