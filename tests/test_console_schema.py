"""Whatever is sent to any route of the console, the answer is never an error of the server."""

from collections.abc import Callable
from pathlib import Path

import hypothesis
import schemathesis
from hypothesis import strategies as st

from deployments.console.editing import version_of
from tests.browsing import Browser, browsers, place, simulate, token

__all__ = ["browsers", "place"]

CALMLY = hypothesis.settings(
    max_examples=5, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
)
FIELDS = st.sampled_from(
    [
        *("name", "type", "url", "encoding", "delimiter", "line_separator", "enclosure", "title", "comments", "mode"),
        *(
            "source",
            "variable",
            "remove",
            "remove_percent",
            "shrink_percent",
            "approve",
            "language",
            "back",
            "password",
        ),
        *("preset", "cron", "timezone", "force", "answer", "checksum", "auth", "user", "token", "header"),
    ]
)


def test_no_route_answers_with_an_error_of_the_server(browsers: Callable[..., Browser], place: Path) -> None:
    browser = browsers()
    schema = schemathesis.openapi.from_dict(browser.app.openapi())
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 25
    csrf, cookie = token(browser), f"rollcall_session={browser.cookies['rollcall_session']}"

    for operation in operations:
        if operation.path == "/logout":
            continue

        @CALMLY
        @hypothesis.given(
            case=operation.as_strategy(), fields=st.dictionaries(FIELDS, st.text(max_size=40), max_size=6)
        )
        def answers_calmly(case: schemathesis.Case, fields: dict[str, str]) -> None:
            extra = {"data": {**fields, "csrf": csrf}} if case.method == "POST" else {}
            headers = {"Cookie": cookie}
            answer = case.call(base_url=str(browser.base_url), headers=headers, allow_redirects=False, **extra)
            assert answer.status_code < 500, f"{case.method} {case.path} {case.path_parameters}"

        answers_calmly()


def test_no_edit_of_a_profile_is_an_error_of_the_server(browsers: Callable[..., Browser], place: Path) -> None:
    browser, path = browsers(), place / "profiles" / "staff.yaml"
    simulate(browser, b"username,displayname\nmmuster,Max Muster\n")
    csrf = token(browser)

    for tab in ("basic", "prefilter", "variables", "structure", "brakes", "automate", "automate/off", "history"):

        @CALMLY
        @hypothesis.given(fields=st.dictionaries(FIELDS, st.text(max_size=40), max_size=6))
        def answers_calmly(tab: str, fields: dict[str, str]) -> None:
            data = {**fields, "csrf": csrf, "version": version_of(path.read_text("utf-8"))}
            for address in (f"/profiles/staff/{tab}/check", f"/profiles/staff/{tab}"):
                assert browser.post(address, data=data).status_code < 500, (address, fields)

        answers_calmly(tab=tab)
