"""Every case of tests/expressions/*.json, through ours (both ways) and through real PHP."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from php_oracle import missing, run_php

from tasks.expression.compiled import Expression, compile_expression
from tasks.expression.errors import ExpressionError
from tasks.expression.outcome import evaluated, kept
from tasks.names import Names

FILES = sorted((Path(__file__).parent / "expressions").glob("*.json"))
CASES = [(file.stem, case) for file in FILES for case in json.loads(file.read_text())]


def frame_of(row: dict[str, str]) -> pl.DataFrame:
    return pl.DataFrame({"#row": [2], "#line": [2], **{name: [cell] for name, cell in row.items()}})


def outcomes(expression: Expression, row: dict[str, str]) -> dict[str, dict[str, Any]]:
    """What each way to run gives."""
    frame, names = frame_of(row), Names(row)
    ways = {"chosen": (expression.evaluate(frame, names), expression.keep(frame, names))}
    values = expression.plan.rows(frame, names)
    ways["rows"] = evaluated(*values), kept(*values)
    found: dict[str, dict[str, Any]] = {}
    for way, (value, mask) in ways.items():
        if value.errors:
            assert mask.errors
            found[way] = {"error": True}
        else:
            items = None if value.lists is None else value.lists[0].to_list()
            found[way] = {"result": value.values[0] if items is None else items, "true": mask.mask[0]}
    return found


def expected(case: dict[str, Any]) -> dict[str, Any]:
    return {"error": True} if "error" in case else {"result": case["result"], "true": case["true"]}


def test_there_are_at_least_300_cases() -> None:
    assert len(CASES) >= 300
    assert len({(case["snippet"], json.dumps(case["row"])) for _, case in CASES}) >= 300


@pytest.mark.parametrize("file", [file.stem for file in FILES])
def test_every_case_gives_its_result_both_ways(file: str) -> None:
    wrong: list[str] = []
    for stem, case in CASES:
        if stem != file:
            continue
        try:
            expression = compile_expression(case["snippet"], name="case")
        except ExpressionError as error:
            if "error" not in case:
                wrong.append(f"{case['snippet']}: {error}")
            continue
        wrong += [
            f"{case['snippet']} [{way}]: {outcome}, expected {expected(case)}"
            for way, outcome in outcomes(expression, case["row"]).items()
            if outcome != expected(case)
        ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_real_php_gives_the_same_results_except_those_listed() -> None:
    wrong: list[str] = []
    for (_, case), php in zip(CASES, run_php([case for _, case in CASES]), strict=True):
        answer = {"error": True} if "error" in php else {"result": php["list"] or php["printed"], "true": php["truthy"]}
        if "error" not in php and php["list"] is not None:
            answer["result"] = php["list"]
        if (answer == expected(case)) is ("differs" in case):
            wrong.append(f"{case['snippet']}: PHP gives {answer}, the case has {expected(case)}")
    assert not wrong, "\n".join(wrong)


def test_every_listed_exception_says_why() -> None:
    listed = [case for _, case in CASES if "differs" in case]
    assert all(len(case["differs"]) > 20 for case in listed)
    assert len(listed) < 20
