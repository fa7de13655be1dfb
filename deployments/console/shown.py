"""How values look on a page: text that can mislead made visible, times, sizes, counts."""

import re
from datetime import UTC, datetime
from typing import Any, Final

CELL_CHARACTERS: Final = 300
WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MISLEADING: Final = re.compile(
    "[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)


def cell(value: Any) -> str:
    """A value as text: characters that hide or turn what stands beside them are written out, long texts are cut."""
    if value is None:
        return ""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    cut = f"{text[:CELL_CHARACTERS]}… ({len(text)})" if len(text) > CELL_CHARACTERS else text
    return plain(cut)


def plain(text: str) -> str:
    """A text of many lines in full, with characters that hide or turn what stands beside them written out."""
    return _MISLEADING.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)


def when(value: str | float | None) -> str:
    """A time of the store, or a clock's, in the time of this machine."""
    if not value:
        return ""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return value
    else:
        moment = datetime.fromtimestamp(value, UTC)
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def size(count: int) -> str:
    """A number of bytes as people say it."""
    amount, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def number(count: int) -> str:
    """A count with narrow spaces between thousands, which both languages read."""
    return f"{count:,}".replace(",", "\u202f")


def mac(value: str | None) -> str:
    """A MAC address in pairs."""
    return ":".join(value[at : at + 2] for at in range(0, len(value), 2)) if value else ""


def weekday(moment: datetime) -> str:
    """The day of the week, short and in English."""
    return WEEKDAYS[moment.weekday()]
