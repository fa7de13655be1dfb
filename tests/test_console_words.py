"""The console's German: every text of a page, every code, and the sentences that the house makes."""

import json
import re
from pathlib import Path

import pytest

from deployments.console import web
from deployments.console.pages_automate import PRESETS
from deployments.console.shown import WEEKDAYS
from deployments.console.words import LONGEST_SENTENCES, Told, Tongue, in_german, preferred, said
from tasks.errors import SourceError
from tasks.expression.compiled import compile_expression
from tasks.expression.errors import ExpressionError
from tasks.issue import CATALOGUE
from tasks.rendering.structure import StructureError, compile_structure
from tasks.user import FIELDS
from tests.world import World, people

GERMAN = Tongue("de")


def german(file: str) -> dict[str, str]:
    return json.loads((Path(web.HERE) / file).read_text("utf-8"))


def test_every_text_of_a_page_has_its_german() -> None:
    texts = {*PRESETS.values(), *WEEKDAYS}
    for template in (Path(web.HERE) / "templates").iterdir():
        texts |= set(re.findall(r"\b_\('((?:[^'\\]|\\.)*)'", template.read_text("utf-8")))
    for module in Path(web.HERE).glob("*.py"):
        texts |= set(re.findall(r'RefusalError\(\s*\d+,\s*"((?:[^"\\]|\\.)*)"', module.read_text("utf-8")))

    assert len(texts) > 100 and sorted(texts - german("german.json").keys()) == []


@pytest.mark.parametrize("file", ["german.json", "german_sentences.json"])
def test_no_translation_loses_a_gap_or_invents_one(file: str) -> None:
    for english, translated in german(file).items():
        gaps = set(re.findall(r"{([a-z_]+)}", english))
        used = set(re.findall(r"{([a-z_]+)}", translated))
        assert used <= gaps and (file != "german.json" or used == gaps), english


def test_names_of_the_data_are_words_in_both_languages() -> None:
    english = Tongue("en")

    assert german("english.json").keys() <= german("german.json").keys()
    assert [english.field(name) for name in ("phonebook.email", "phonebook.2.email", "phonebook.2", "profile")] == [
        *("Phonebook: e-mail", "Phonebook: e-mail (2)", "Phonebook entry (2)", "profile")
    ]
    assert english.value("auth_method", "mobydick") == "the phone system" and GERMAN.value("enabled", False) == "nein"
    assert GERMAN.value("email", "mobydick") == "mobydick" and english.value("extension", "a\u202e") == "a⟨U+202E⟩"
    assert {field.name for field in FIELDS} <= german("english.json").keys()


def test_every_code_of_the_catalogue_has_its_german() -> None:
    assert german("german_issues.json").keys() == CATALOGUE.keys()
    for code in CATALOGUE:
        told = GERMAN.issue({"code": code, "message": "an English sentence that nobody knows"})
        assert told.language == "de" and told.text.endswith(".")


def test_what_a_brake_and_a_row_have_to_say_is_told_in_german(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.imports(people(*(f"p{at},P {at}" for at in range(30))))
    held = world.simulate(people("p1,P 1", header="username,displayname")).plan.held or ""
    rows = people("Ä,Ohne,", "a b,B,", "x,X,0", "admin,A,", "y,Y", header="username,displayname,phone")
    issues = world.simulate(rows).document()["issues"]

    assert "29 von 30 Datensätzen würden entfernt" in (in_german(held) or "")
    assert "Die Datei hat 1 Zeile, die zuletzt angewandte hatte 30" in (in_german(held) or "")
    assert len(issues) > 4 and {GERMAN.issue(issue).language for issue in issues} == {"de"}
    assert "Aus „a b“ wurde „ab“" in " ".join(GERMAN.issue(issue).text for issue in issues)


def test_what_is_wrong_with_a_header_is_told_in_german(tmp_path: Path) -> None:
    world = World(tmp_path)
    twice = world.simulate(people("a,A,B", header="username,name,name")).document()["issues"]

    assert "Die Spalten 2 und 3 der Kopfzeile heißen gleich" in GERMAN.issue(twice[0]).text
    for header, told in (("user,Kostenstelle", "Weitere Spalten"), ("4711,0815", "Keine ihrer 2 Spalten")):
        with pytest.raises(SourceError) as caught:
            world.simulate(people("a,A", header=header))
        assert told in (in_german(caught.value.message) or "")


@pytest.mark.parametrize(
    ("snippet", "german"),
    [
        ("return tru(;", "Hier fehlt `)`"),
        ("return $row['a'", "Syntaxfehler: [ wird nie geschlossen"),
        ("return trm($row);", "Die Funktion trm() ist unbekannt; meinten Sie trim()?"),
        ("return substr('a');", "1 Argument, erwartet substr(string $string, int $offset"),
    ],
)
def test_what_is_wrong_with_a_snippet_is_told_in_german(snippet: str, german: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        compile_expression(snippet, name="job")
    message = raised.value.problems[0].message

    told = [GERMAN.problem(message), GERMAN.problem(f"job: {message}")]
    assert [each.language for each in told] == ["de", "de"] and told[0].text.startswith(german)
    assert told[1].text == f"job: {told[0].text}"


def test_what_is_wrong_with_a_structure_is_told_in_german() -> None:
    for source in ("[]", "{", '{ "identity": [ }', '{"identity": {{#if a}}}', '{"a": 1 "b": 2}', "{{/if}}"):
        with pytest.raises(StructureError) as raised:
            compile_structure(source)
        assert {GERMAN.problem(each.message).language for each in raised.value.problems} == {"de"}, source


def test_a_sentence_that_is_not_known_stays_english_and_says_so() -> None:
    assert GERMAN.told("No such sentence.") == Told("No such sentence.", "en")
    assert GERMAN.told("The source is empty. No such sentence.").language == "en"
    assert Tongue("en").told("The source is empty.") == Told("The source is empty.", "en")
    assert GERMAN.told("x" * (LONGEST_SENTENCES + 1)).language == "en"
    assert GERMAN.issue({"code": "of-tomorrow", "message": "New."}) == Told("New.", "en")


def test_the_language_is_chosen_or_the_browsers() -> None:
    assert preferred(None, "fr-FR, de;q=0.8, en") == "de" and preferred("en", "de") == "en"
    assert said("Import now", "de") == "Jetzt importieren"


@pytest.mark.parametrize(
    ("english", "german"),
    [
        ("a: the phone mobile is gone", "a: Das Telefon mobile gibt es nicht mehr"),
        (
            "a: the phone 00ff does not come back, since b is gone",
            "a: Das Telefon 00ff kommt nicht zurück, denn b gibt es nicht mehr",
        ),
        (
            "a: the phone 00ff goes to nobody, since b is gone",
            "a: Das Telefon 00ff geht an niemanden, denn b gibt es nicht mehr",
        ),
        ("a: the phone 00ff was given to b since", "a: Das Telefon 00ff gehört inzwischen b"),
        (
            "a: the phone 00ff stays set as it is in ip, which changed after the run",
            "a: Das Telefon 00ff bleibt eingestellt, wie es ist: Nach dem Lauf änderte sich ip",
        ),
    ],
)
def test_what_an_undo_keeps_of_phones_is_told_in_german(english: str, german: str) -> None:
    assert in_german(english) == german
