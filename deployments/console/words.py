"""English and German: the text of the page is the key, `german.json` holds the other language.

Names that come out of the data (fields of a plan, kinds of phones, modes) are keys too; `english.json` says them in
English.

What the house says of a row, a plan or a failure is made in English, where it happens. `german_sentences.json` holds
those sentences with their gaps; an issue whose sentence is not among them is told by its code (`german_issues.json`).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

from deployments.console.shown import cell

LANGUAGES: Final = ("en", "de")
LONGEST_SENTENCES: Final = 2000
_GAP: Final = re.compile(r"\\{([a-z]+)\\}")


@dataclass(frozen=True)
class Told:
    """A text and the language that it is in."""

    text: str
    language: str


@dataclass(frozen=True)
class Tongue:
    """Speaks one language; templates call it `_`."""

    language: str

    def __call__(self, text: str, **words: object) -> str:
        """A text of a page."""
        return said(text, self.language, **words)

    def field(self, name: str) -> str:
        """A field of a plan; of a person's further phonebook entries and phones, which number it is as well."""
        module, _, rest = name.partition(".")
        number, _, column = rest.partition(".")
        if not number.isdecimal():
            return self(name)
        return f"{self(f'{module}.{column}' if column else module)} ({number})"

    def value(self, field: str, value: Any) -> str:
        """The value of a field, in words where it is a name or a yes or no."""
        if isinstance(value, bool):
            return self("yes" if value else "no")
        name = f"{field}={value}"
        return self(name) if name in _read("english.json") else cell(value)

    def told(self, text: str) -> Told:
        """What the house said in English; a sentence that is not known stays so."""
        german = in_german(text) if self.language == "de" else None
        return Told(text, "en") if german is None else Told(german, "de")

    def problem(self, message: str) -> Told:
        """What is wrong with an edit; the variable that it stands in is named before it."""
        found, (place, colon, rest) = self.told(message), message.partition(": ")
        if found.language == self.language or not colon:
            return found
        inner = self.told(rest)
        return Told(f"{place}: {inner.text}", inner.language)

    def issue(self, issue: Mapping[str, Any]) -> Told:
        """What is wrong with a row."""
        found = self.told(issue["message"])
        by_code = _read("german_issues.json").get(issue["code"])
        if found.language == self.language or by_code is None:
            return found
        return Told(f"{by_code['title']}. {by_code['remedy']}", "de")


def said(text: str, language: str, **words: object) -> str:
    """The text in a language, with its `{names}` filled in; one that is not translated stays English."""
    told = _read("german.json" if language == "de" else "english.json").get(text, text)
    return told.format(**words) if words else told


@lru_cache(maxsize=4096)
def in_german(text: str) -> str | None:
    """The sentences in German, one after the other; None when one of them is not known."""
    if len(text) > LONGEST_SENTENCES:
        return None
    for english, german in _sentences():
        if whole := english.fullmatch(text):
            return german.format(**whole.groupdict())
    parts: list[str] = []
    rest = text
    while rest:
        begun = ((english.match(rest), german) for english, german in _sentences())
        found, german = next((pair for pair in begun if pair[0] is not None), (None, ""))
        if found is None:
            return None
        parts.append(german.format(**found.groupdict()))
        rest = rest[found.end() + 1 :]
    return " ".join(parts)


def preferred(chosen: str | None, accepted: str | None) -> str:
    """The language that a person chose, or else the first one of Accept-Language that there is."""
    if chosen in LANGUAGES:
        return chosen
    for part in (accepted or "").split(","):
        language = part.partition(";")[0].strip().lower()[:2]
        if language in LANGUAGES:
            return language
    return "en"


@cache
def _read(file: str) -> dict[str, Any]:
    return json.loads((Path(__file__).parent / file).read_text("utf-8"))


@cache
def _sentences() -> list[tuple[re.Pattern[str], str]]:
    return [
        (re.compile(_GAP.sub(r"(?P<\1>(?:(?!\\. )[^\\n]){1,300}?)", re.escape(english)) + r"(?= |\Z)"), german)
        for english, german in _read("german_sentences.json").items()
    ]
