"""Profiles that were made invalid outside the console, and names that no profile can have."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from deployments import cli
from tests.browsing import Browser, browsers, client, place, send, simulate
from tests.world import TEMPLATE

__all__ = ["browsers", "client", "place"]

TEXT = TEMPLATE.read_bytes()
BROKEN = {
    "latin": TEXT + "# Büro\n".encode("latin-1"),
    "quote": b'title: "a\n',
    "date": TEXT.replace(b"title: Users from CSV", b"title: 2024-99-99"),
    "deep": b"title: " + b"[" * 600,
    "list": b"- a\n- b\n",
    "empty": b"",
    "setting": TEXT + b"colour: red\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_profile_that_was_broken_outside_is_shown_with_what_is_wrong(client: Browser, place: Path, name: str) -> None:
    path = place / "profiles" / f"{name}.yaml"
    path.write_bytes(BROKEN[name])

    assert "cannot run" in client.get("/profiles").text
    for tab in ("basic", "prefilter", "variables", "structure", "brakes", "automate", "history"):
        found = client.get(f"/profiles/{name}/{tab}")
        assert found.status_code == 200 and "Mend the file" in found.text, tab
        if tab in {"automate", "history"}:
            continue
        for address in (f"/profiles/{name}/{tab}", f"/profiles/{name}/{tab}/check"):
            assert send(client, address, source="return true;", version="x").status_code == 409, address
    assert simulate(client, b"username,displayname\na,A\n", name).status_code == 409
    assert path.read_bytes() == BROKEN[name]


def test_a_profile_that_nobody_can_read_is_shown_as_such(client: Browser, place: Path) -> None:
    (place / "profiles" / "folder.yaml").mkdir()

    assert "cannot run" in client.get("/profiles").text
    assert "cannot be read" in client.get("/profiles/folder/basic").text


@pytest.mark.parametrize("name", ["", "a" * 61, "a" * 300, "users.yaml", ".hidden", "a.b", "../evil", "a b", "a\x00"])
def test_a_name_that_no_profile_can_have_is_refused(client: Browser, place: Path, name: str) -> None:
    found = send(client, "/profiles/new", name=name)

    assert found.status_code == 422 and "is no name for a profile" in found.text
    if "\x00" not in name:
        assert CliRunner().invoke(cli.rollcall, ["new", name]).exit_code == 2
    assert [path.name for path in (place / "profiles").rglob("*")] == ["staff.yaml"]


def test_the_longest_name_makes_a_profile(client: Browser) -> None:
    assert send(client, "/profiles/new", name="Büro-1_" + "a" * 53).status_code == 200
