"""English and German: the text of the page is the key, `german.json` holds the other language."""

import json
from functools import cache
from pathlib import Path
from typing import Final

LANGUAGES: Final = ("en", "de")


@cache
def _german() -> dict[str, str]:
    return json.loads((Path(__file__).parent / "german.json").read_text("utf-8"))


def said(text: str, language: str, **words: object) -> str:
    """The text in a language, with its `{names}` filled in; one that is not translated stays English."""
    told = _german().get(text, text) if language == "de" else text
    return told.format(**words) if words else told


def preferred(chosen: str | None, accepted: str | None) -> str:
    """The language that a person chose, or else the first one of Accept-Language that there is."""
    if chosen in LANGUAGES:
        return chosen
    for part in (accepted or "").split(","):
        language = part.partition(";")[0].strip().lower()[:2]
        if language in LANGUAGES:
            return language
    return "en"
