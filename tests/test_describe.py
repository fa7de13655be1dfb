import base64
from dataclasses import replace
from xml.etree import ElementTree

import polars as pl
import pytest

from tasks.describe import issue_counts, preview_of
from tasks.issue import Issue, issue_frame
from tasks.output import Modules, Output, Source, SourceFacts, Table
from tasks.picture import pipeline_picture
from tasks.plan import Plan, empty_summary
from tasks.preview import Preview
from tasks.profile import Profile
from tasks.report import Report
from tasks.run import Outcome

FACTS = SourceFacts(header=("username", "job", "Kennwort"))
STRUCTURE = '{"identity": [{"003use_name": "{{{username}}}", "003use_bez": "{{{job}}}", "003use_pw": "{{{%s}}}"}]}'
FRAME = pl.DataFrame({"#row": [2], "username": ["mmuster"], "job": ["Sales"], "Kennwort": ["CANARY"]})
TABLE = Table(frame=FRAME, facts=FACTS)


def profile(password_from: str) -> Profile:
    return Profile(title="Users", structure=STRUCTURE % password_from)


def test_rows_are_shown_by_harmless_names_only() -> None:
    assert preview_of(TABLE, profile("Kennwort")).rows == [{"#row": 2, "username": "mmuster", "job": "Sales"}]


def test_a_harmless_name_that_flows_into_a_secret_is_not_shown() -> None:
    assert preview_of(TABLE, profile("job")).rows == [{"#row": 2, "username": "mmuster"}]


def test_a_field_that_prints_a_secret_is_not_shown() -> None:
    identity = pl.DataFrame({"#row": [2], "003use_name": ["mmuster"], "003use_bez": ["Sales"], "003use_pw": ["CANARY"]})
    modules = Modules(frames={"identity": identity}, facts=FACTS)

    assert preview_of(modules, profile("Kennwort")).rows == [
        {"#row": 2, "003use_name": "mmuster", "003use_bez": "Sales"}
    ]
    assert preview_of(modules, profile("job")).rows == [{"#row": 2, "003use_name": "mmuster"}]


@pytest.mark.parametrize("analysed", [None, profile("Kennwort").model_copy(update={"preview": "counts"})])
def test_without_analysis_or_on_request_only_counts_are_shown(analysed: Profile | None) -> None:
    preview = preview_of(TABLE, analysed)

    assert preview.rows == []
    assert preview.facts == {"kept": 1, "columns": 3}


def test_rows_set_aside_are_counted_by_outcome_and_once() -> None:
    aside = pl.DataFrame({"#row": [3, 3, 4], "#line": [3, 3, 4], "outcome": ["rejected", "rejected", "filtered"]})

    assert preview_of(Output(aside=aside)).facts == {"filtered": 1, "rejected": 1}


def test_a_name_with_credentials_is_shown_without() -> None:
    source = Source(data=b"x", facts=SourceFacts(name="https://u:CANARY@hr.example/users.csv"))

    assert preview_of(source).facts["file"] == "https://•••@hr.example/users.csv"


def test_a_long_cell_is_shortened() -> None:
    table = Table(frame=pl.DataFrame({"#row": [2], "username": ["x" * 200]}), facts=FACTS)

    (row,) = preview_of(table, profile("Kennwort")).rows
    assert row["username"] == "x" * 59 + "…"


def test_an_output_may_say_itself_what_is_shown() -> None:
    class Told:
        def preview(self) -> Preview:
            return Preview("Plan", {"create": 2})

    assert preview_of(Told()) == Preview("Plan", {"create": 2})


PLAN = Plan(
    profile="staff",
    mode="sync",
    changes=pl.DataFrame(
        {
            "action": ["update"],
            "login": ["mmuster"],
            "row": [2],
            "fields": ['{"display_name":["Max","Max Muster"],"phonebook.2.notes":[null,"CANARY"],"pin":[null,"•••"]}'],
        }
    ),
    phones=pl.DataFrame(),
    facts=FACTS,
    summary=empty_summary() | {"update": 1, "unchanged": 3, "filtered": 2},
)
PHONES = pl.DataFrame(
    {
        "action": ["move", "release", "assign"],
        "login": ["mmuster", "erika", "mmuster"],
        "kind": ["ip_phone", "ip_phone", "softphone"],
        "mac": ["000413a3016f", "000413000001", None],
        "before": ["erika", "erika", None],
    }
)


def test_a_plan_is_shown_change_by_change_with_secrets_masked() -> None:
    preview = preview_of(PLAN, printing_notes("{{{job}}}"))

    changes = "display_name Max → Max Muster; phonebook.2.notes CANARY; pin •••"
    assert preview.rows == [{"action": "update", "login": "mmuster", "row": 2, "changes": changes}]
    assert preview.outcomes == {"update": 1, "unchanged": 3, "filtered": 2}


@pytest.mark.parametrize("printed", ["{{{Kennwort}}}", "{{{KENNWORT}}}", "{{#if Kennwort}}x{{/if}}"])
def test_a_field_that_prints_a_secret_is_masked_in_the_plan(printed: str) -> None:
    (change,) = preview_of(PLAN, printing_notes(printed)).rows

    assert change["changes"] == "display_name Max → Max Muster; phonebook.2.notes •••; pin •••"


def test_phones_are_shown_with_the_person_before_and_after() -> None:
    preview = preview_of(replace(PLAN, phones=PHONES, checksum="c1"), printing_notes("{{{job}}}"))

    assert [tuple(row.values()) for row in preview.rows] == [
        ("move", "mmuster", "000413a3016f", "erika", "mmuster"),
        ("release", "erika", "000413000001", "erika", None),
        ("assign", "mmuster", "softphone", None, "mmuster"),
    ]
    assert preview.facts["phones to move"] == 1


def test_without_a_profile_a_plan_is_counted_only() -> None:
    assert preview_of(PLAN).rows == ()
    assert preview_of(replace(PLAN, phones=PHONES, checksum="c1")).rows == ()


@pytest.mark.parametrize(
    ("changed", "status", "expected"),
    [
        (
            {},
            None,
            [
                "Simulation of users.csv",
                "This is a plan: nothing was written.",
                "| would be |",
                "`rollcall import staff",
            ],
        ),
        ({}, "applied", ["The phone system is now as the file says.", "| 1 | changed |", "`rollcall undo r1`"]),
        ({}, "nothing", ["Nothing was written."]),
        ({"held": "Too many.", "checksum": "c1"}, "held", ["Held, nothing was written. Too many.", "--approve c1`"]),
        ({"mode": "undo"}, "applied", ["Users.csv, profile staff"]),
    ],
)
def test_the_summary_says_what_happened_and_what_to_do_next(
    changed: dict[str, str], status: str | None, expected: list[str]
) -> None:
    plan = replace(PLAN, facts=SourceFacts(name="users.csv"), **changed)
    outcome = Outcome(run="r1", status=status, finished="") if status else None

    text = preview_of(Report(plan=plan, outcome=outcome)).text

    assert [part for part in expected if part not in text] == []


def printing_notes(source: str) -> Profile:
    """A profile that prints something into the notes of the phonebook."""
    entry = f'"post": {{"phonebook": [{{"028pho_notes": "{source}"}}]}}'
    names = '"003use_name": "{{{username}}}", "003use_bez": "{{{username}}}", "003use_pw": "{{{Kennwort}}}"'
    return Profile(title="Users", structure=f'{{"identity": [{{{names}, {entry}}}]}}')


def test_issues_are_counted_by_code() -> None:
    issues = [Issue(row, row, "pin", code, "…") for row, code in ((2, "pin-invalid"), (3, "login-missing"))]
    output = Output(issues=issue_frame([*issues, Issue(4, 4, "pin", "pin-invalid", "…")]))

    assert issue_counts(output) == [("pin-invalid", "error", 2), ("login-missing", "error", 1)]


def test_the_picture_shows_every_step_and_outcome_and_escapes_names() -> None:
    counts = {"parse": {"kept": 12_345}, "prefilter": {"kept": 12_000, "filtered": 345}, "<b>&": {"rejected": 1}}

    svg = pipeline_picture(counts)

    root = ElementTree.fromstring(svg)
    texts = [node.text for node in root.iter() if node.text]
    assert {"parse", "prefilter", "<b>&", "12,345", "prefilter: 345 filtered"} <= set(texts)
    assert base64.b64encode(svg.encode())


def test_a_picture_of_nothing_is_a_picture() -> None:
    assert ElementTree.fromstring(pipeline_picture({})).tag.endswith("svg")


def test_the_summary_says_how_the_file_was_read_and_how_sure_that_is() -> None:
    plan = replace(PLAN, facts=SourceFacts(name="users.csv", encoding="windows-1252", confidence=0.5))

    text = preview_of(Report(plan=plan)).text

    assert "The file was read as windows-1252 (confidence 50%)." in text
