"""What is typed into an editor is what is stored, or a problem that is told; and every version has its own author."""

import re
from pathlib import Path

import httpx
import pytest

from deployments.console.editing import version_of, with_snippet
from tasks.profile_file import parse_profile
from tests.browsing import Browser, browsers, client, place, send, token
from tests.world import TEMPLATE

__all__ = ["browsers", "client", "place"]

TEXT = TEMPLATE.read_text("utf-8")


def save(client: Browser, place: Path, tab: str, **fields: object) -> httpx.Response:
    seen = version_of((place / "profiles" / "staff.yaml").read_text("utf-8"))
    return client.post(f"/profiles/staff/{tab}", data={"csrf": token(client), "version": seen, **fields})


@pytest.mark.parametrize(
    "source",
    [
        'return explode("\t", $row["x"])[0] != "";\n',
        'return $row["x"] != "a  \n  b";\n',
        "\treturn true;\n",
        "  return true;\n\n\treturn false;\n",
        "return $row['x'] != '\u2028';\n",
        "return $row['x'] != '\x85';\n",
    ],
)
def test_a_snippet_is_stored_as_it_was_typed(source: str) -> None:
    edited = with_snippet(TEXT, "prefilter", source.replace("\n", "\r\n"))

    assert parse_profile(edited, "staff", "staff.yaml").prefilter == source
    assert edited.splitlines()[-5:] == TEXT.splitlines()[-5:]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["username", "job", "username"], "username stands twice"),
        (["username", "job", " job "], "job stands twice"),
        (["username", "job", ""], "a source has no name"),
    ],
)
def test_a_variable_that_would_be_lost_is_a_problem(client: Browser, place: Path, names: list[str], told: str) -> None:
    before = (place / "profiles" / "staff.yaml").read_text("utf-8")
    form = {"variable": names, "source": ['return $row["a"];', 'return $row["b"];', 'return $row["c"];']}

    saved = save(client, place, "variables", **form)
    checked = client.post("/profiles/staff/variables/check", data={"csrf": token(client), **form})

    assert saved.status_code == 422 and told in saved.text and told in checked.text
    for source in ("a", "b", "c"):
        assert f"$row[&#34;{source}&#34;]" in saved.text, "what was typed is still there"
    assert (place / "profiles" / "staff.yaml").read_text("utf-8") == before


def test_the_row_for_a_new_variable_may_stay_empty(client: Browser, place: Path) -> None:
    form = {"variable": ["username", "job", ""], "source": ['return $row["a"];', 'return $row["b"];', "\r\n"]}

    assert save(client, place, "variables", **form).status_code == 200
    assert save(client, place, "variables", **form, remove="1").status_code == 200

    profile = parse_profile((place / "profiles" / "staff.yaml").read_text("utf-8"), "staff", "staff.yaml")
    assert list(profile.variables) == ["username"]


def test_what_is_removed_is_the_row_not_the_name(client: Browser, place: Path) -> None:
    page = client.get("/profiles/staff/variables").text
    assert re.search(r'value="username".*?name="remove" value="1"', page, re.DOTALL)
    form = {"variable": ["username", "job", "job"], "source": ['return "a";', 'return "b";', 'return "c";']}

    assert save(client, place, "variables", **form, remove="1").status_code == 200

    profile = parse_profile((place / "profiles" / "staff.yaml").read_text("utf-8"), "staff", "staff.yaml")
    assert {name: source.strip() for name, source in profile.variables.items()} == {
        "username": 'return "a";',
        "job": 'return "c";',
    }


def test_an_edit_outside_the_console_is_a_version_of_its_own(client: Browser, place: Path) -> None:
    path, versions = place / "profiles" / "staff.yaml", client.app.state.site.versions
    save(client, place, "prefilter", source="return true; // 1")
    path.write_text(path.read_text("utf-8").replace("mode: sync", "mode: upsert"), "utf-8")
    save(client, place, "prefilter", source="return true; // 2")

    kept = versions.of("staff")

    assert [each.author for each in kept] == ["local", "", "local", ""]
    assert ["mode: upsert" in each.text for each in kept] == [True, True, False, False]
    newest = client.get("/profiles/staff/history").text
    assert "outside the console" in newest and "+ mode: upsert" not in newest.split("What this version changed")[1]
    outside = client.get(f"/profiles/staff/history?version={kept[1].number}").text
    assert "mode: upsert" in outside.split("What this version changed")[1].partition("The profile as YAML")[0]


def test_of_equal_versions_the_one_that_was_asked_for_is_shown(client: Browser, place: Path) -> None:
    for source in ("return true; // 1", "return true; // 2", "return true; // 1"):
        save(client, place, "prefilter", source=source)
    kept = client.app.state.site.versions.of("staff")
    assert [each.number for each in kept] == [4, 3, 2, 1] and kept[0].version == kept[2].version

    newest, older = (client.get(f"/profiles/staff/history?version={number}").text for number in (4, 2))

    assert "− " in older and "// 2" not in older.split("What this version changed")[1].split("The profile as YAML")[0]
    assert "// 2" in newest.split("What this version changed")[1].split("The profile as YAML")[0]
    assert newest.count('aria-current="true"') == older.count('aria-current="true"') == 1


def test_a_profile_made_here_has_its_maker_as_first_author(client: Browser, place: Path) -> None:
    send(client, "/profiles/new", name="office", delimiter=";")

    kept = client.app.state.site.versions.of("office")

    assert [each.author for each in kept] == ["local"]
    assert kept[0].text == (place / "profiles" / "office.yaml").read_text("utf-8")


@pytest.mark.parametrize("brake", ["nan", "inf", "1e999", "-1", "", "x"])
def test_a_brake_that_is_no_number_is_refused(client: Browser, place: Path, brake: str) -> None:
    assert save(client, place, "brakes", remove_percent=brake).status_code == 422
