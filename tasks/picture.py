"""The way of the rows as a picture: one bar a step, one colour an outcome."""

from collections.abc import Mapping
from typing import Final
from xml.sax.saxutils import escape

_COLOURS: Final = {
    "kept": "#0072b2",
    "create": "#009e73",
    "update": "#56b4e9",
    "unchanged": "#b8c4ce",
    "filtered": "#8c8c8c",
    "rejected": "#d55e00",
    "remove": "#e69f00",
    "release": "#f0e442",
    "disable": "#cc79a7",
    "enable": "#44aa99",
    "conflict": "#882255",
    "protected": "#332288",
}
"""Outcomes in the order of their segments; colours that people tell apart who do not see all of them (Okabe-Ito)."""

_BAR: Final = 64
_GAP: Final = 36
_HEIGHT: Final = 180
_TOP: Final = 24
_LEGEND: Final = 18


def pipeline_picture(counts: Mapping[str, Mapping[str, int]]) -> str:
    """SVG of rows by outcome along the steps: `{"prefilter": {"kept": 90, "filtered": 10}, …}`, in the steps' order."""
    most = max((sum(outcomes.values()) for outcomes in counts.values()), default=0)
    bars = "".join(_bar(at, name, outcomes, most or 1) for at, (name, outcomes) in enumerate(counts.items()))
    present = [outcome for outcome in _COLOURS if any(outcomes.get(outcome) for outcomes in counts.values())]
    width = max(len(counts), 4) * (_BAR + _GAP) + _GAP
    height = _TOP + _HEIGHT + 40 + _LEGEND * (len(present) // 4 + 1)
    legend = "".join(_legend(at, outcome) for at, outcome in enumerate(present))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="system-ui, sans-serif" font-size="12" role="img"><title>Rows by outcome along the steps</title>'
        f'<rect width="100%" height="100%" fill="#ffffff"/>{bars}{legend}</svg>'
    )


def _bar(at: int, name: str, outcomes: Mapping[str, int], most: int) -> str:
    left = _GAP + at * (_BAR + _GAP)
    bottom = float(_TOP + _HEIGHT)
    parts: list[str] = []
    for outcome, colour in _COLOURS.items():
        count = outcomes.get(outcome, 0)
        if count:
            height = max(count / most * _HEIGHT, 2)
            bottom -= height
            parts.append(
                f'<rect x="{left}" y="{bottom:.1f}" width="{_BAR}" height="{height:.1f}" fill="{colour}">'
                f"<title>{escape(name)}: {count:,} {outcome}</title></rect>"
            )
    middle = left + _BAR / 2
    parts.append(_text(middle, bottom - 6, f"{sum(outcomes.values()):,}"))
    parts.append(_text(middle, _TOP + _HEIGHT + 18, name))
    return "".join(parts)


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#222222">{escape(text)}</text>'


def _legend(at: int, outcome: str) -> str:
    x = _GAP + at % 4 * (_BAR + _GAP)
    y = _TOP + _HEIGHT + 36 + at // 4 * _LEGEND
    return f'<rect x="{x}" y="{y}" width="10" height="10" fill="{_COLOURS[outcome]}"/>' + _text(
        x + 15, y + 9.5, outcome, "start"
    )
