"""Whatever is sent to any route of the console, the answer is never an error of the server."""

import re
from collections.abc import Callable
from pathlib import Path

import hypothesis
import schemathesis
from hypothesis import strategies as st

from deployments.console.editing import version_of
from deployments.console.pages_edit import TABS
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

TEXTS = st.one_of(st.text(max_size=40), st.text(alphabet="ab-_.\t\r\n\x00ä/", min_size=50, max_size=400))


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
        @hypothesis.given(case=operation.as_strategy(), fields=st.dictionaries(FIELDS, TEXTS, max_size=6))
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
        @hypothesis.given(fields=st.dictionaries(FIELDS, TEXTS, max_size=6))
        def answers_calmly(tab: str, fields: dict[str, str]) -> None:
            data = {**fields, "csrf": csrf, "version": version_of(path.read_text("utf-8"))}
            for address in (f"/profiles/staff/{tab}/check", f"/profiles/staff/{tab}"):
                assert browser.post(address, data=data).status_code < 500, (address, fields)

        answers_calmly(tab=tab)


def test_no_profile_and_no_plan_that_there_is_makes_an_error_of_the_server(
    browsers: Callable[..., Browser], place: Path
) -> None:
    browser, folder = browsers(), place / "profiles"
    valid = (folder / "staff.yaml").read_bytes()
    texts = {"latin": valid + b"# \xfc\n", "quote": b'title: "a\n', "setting": valid + b"colour: red\n", "empty": b""}
    for name, content in texts.items():
        (folder / f"{name}.yaml").write_bytes(content)
    plan = simulate(browser, b"username,displayname,phone\nmmuster,Max Muster,1\n").url.path.rpartition("/")[2]
    known = {"name": st.sampled_from(["staff", *texts]), "job_id": st.just(plan), "tab": st.sampled_from([*TABS, "x"])}
    browser.app.state.site.desk.hand_over = lambda job: None
    csrf = token(browser)

    for path, calls in browser.app.openapi()["paths"].items():
        given = {name: known[name] for name in re.findall(r"{([a-z_]+)}", path) if name in known}
        if not given or path.endswith("/discard"):
            continue

        @CALMLY
        @hypothesis.given(given=st.fixed_dictionaries(given), fields=st.dictionaries(FIELDS, TEXTS, max_size=6))
        def answers_calmly(path: str, methods: list[str], given: dict[str, str], fields: dict[str, str]) -> None:
            address = path.format(**given, run_id="x", login="x")
            for method in methods:
                data = {**fields, "csrf": csrf} if method == "post" else None
                assert browser.request(method, address, data=data).status_code < 500, (method, address, fields)

        answers_calmly(path=path, methods=list(calls))
