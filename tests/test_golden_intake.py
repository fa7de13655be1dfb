"""Each folder of tests/golden/ with `intake` in its expected.json is one defect or dialect, decoded and parsed.

`expected.json` has header, rows, issues as [row, line, code], and facts; or the code of the error. A row is its `#row`,
its `#line` and its cells.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tasks.decode import decode_text
from tasks.errors import SourceError
from tasks.fetch import FetchRequest, fetch_source
from tasks.output import Table
from tasks.parse import parse_csv
from tasks.profile import Profile

GOLDEN = Path(__file__).parent / "golden"


def intake_cases() -> list[Path]:
    files = sorted(GOLDEN.glob("*/expected.json"))
    return [file.parent for file in files if "intake" in json.loads(file.read_text("utf-8"))]


def read(case: Path) -> Table:
    settings: dict[str, Any] = YAML(typ="safe").load(case / "profile.yaml") or {}
    profile = Profile.model_validate({"title": case.name, "structure": "{}", **settings})
    source = fetch_source(FetchRequest(profile=profile, file=case / "input.csv"))
    return parse_csv(decode_text(source, profile), profile)


def test_there_are_forty_cases_at_least() -> None:
    assert len(intake_cases()) >= 40


@pytest.mark.parametrize("case", intake_cases(), ids=lambda case: case.name)
def test_intake(case: Path) -> None:
    expected = json.loads((case / "expected.json").read_text("utf-8"))["intake"]
    if "error" in expected:
        with pytest.raises(SourceError) as caught:
            read(case)
        assert caught.value.code == expected["error"]
        return

    table = read(case)

    facts = {name: getattr(table.facts, name) for name in expected.get("facts", {})}
    assert list(table.facts.header) == expected["header"]
    assert [list(row) for row in table.frame.iter_rows()] == expected["rows"]
    assert [list(row) for row in table.issues.select("row", "line", "code").iter_rows()] == expected["issues"]
    assert facts == expected.get("facts", {})
    assert table.facts.rows == table.frame.height + table.malformed.height
    assert table.aside.height == table.malformed.height
