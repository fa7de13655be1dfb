"""The console over HTTP: who may do what, what is refused, what a page never shows, what lies on the disk."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from deployments.console import web
from deployments.console.access import Person, Role, access_for, write_person
from deployments.console.editing import version_of, with_basic, with_snippet, with_variables
from deployments.console.first_rows import first_rows
from deployments.console.sessions import GUESSES, Guesses
from deployments.console.shown import cell
from tasks.errors import WrongUseError
from tasks.profile_file import parse_profile
from tasks.settings import Settings
from tasks.store.store import open_store
from tasks.store.upload_tables import upload_pieces, uploads
from tests.browsing import Browser, browsers, client, local, place, send, simulate, token
from tests.servers import free_port
from tests.world import SEED, TEMPLATE

__all__ = ["browsers", "client", "place"]

PASSWORD = "correct horse battery"
HOSTILE = '<script>alert(1)</script>,"""><img src=x onerror=alert(1)>",{{7*7}}'


def test_every_answer_forbids_foreign_scripts_frames_and_caches(client: Browser) -> None:
    for path in ("/profiles", "/nowhere", "/static/console.css", "/people/nobody"):
        headers = client.get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"] and "unsafe" not in str(headers)
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] in {"no-store", "no-cache"}


def test_no_template_marks_data_as_safe_or_holds_a_script_or_a_style() -> None:
    for template in (Path(web.HERE) / "templates").iterdir():
        text = template.read_text("utf-8")
        assert "|safe" not in text.replace(" ", "") and "style=" not in text and "autoescape" not in text
        assert re.findall(r"<script(?! src=)", text) == [] and re.findall(r"<[^>{]*\son[a-z]+=", text) == []


def test_a_foreign_name_for_loopback_reaches_no_page(client: Browser) -> None:
    assert client.get("/profiles", headers={"host": "evil.example:8140"}).status_code == 421


def test_every_form_needs_the_token_of_its_session(client: Browser) -> None:
    paths = [path for path, calls in client.app.openapi()["paths"].items() if "post" in calls]
    assert len(paths) > 10
    for path in paths:
        path = re.sub(r"{[a-z_]+}", "staff", path)
        files = {"file": ("a.csv", b"a,b\n1,2\n")}
        assert client.post(path, data={"csrf": "0" * 64}).status_code in {400, 403}, path
        assert client.post(path, data={}, files=files).status_code in {400, 403}, path
    with httpx.Client(base_url=client.base_url) as stranger:
        assert stranger.post("/profiles/new", data={"csrf": token(client), "name": "x"}).status_code == 403
    foreign = {"sec-fetch-site": "cross-site"}
    assert client.post("/profiles/new", data={"csrf": token(client), "name": "x"}, headers=foreign).status_code == 403


def test_a_viewer_only_looks_and_an_operator_does_not_change_profiles(browsers: Callable[..., Browser]) -> None:
    viewer, operator = browsers(local(Role.VIEWER)), browsers(local(Role.OPERATOR))

    assert viewer.get("/profiles/staff/structure").status_code == 200
    assert simulate(viewer, SEED.read_bytes()).status_code == 403
    assert simulate(operator, SEED.read_bytes()).status_code == 200
    for path in ("/profiles/new", "/profiles/staff/prefilter", "/runs/x/undo"):
        assert send(operator, path, source="return false;").status_code == 403, path
    assert operator.get("/profiles/new").status_code == 403


def test_other_addresses_need_a_person_or_a_proxy(place: Path) -> None:
    with pytest.raises(WrongUseError, match="--add-user"):
        access_for("0.0.0.0", Settings())

    write_person(Settings().home / "console-users", "ada", Role.ADMIN, PASSWORD)

    assert access_for("0.0.0.0", Settings()).local is None
    assert access_for("127.0.0.1", Settings()).local is None
    with pytest.raises(WrongUseError, match="--proxy"):
        access_for("127.0.0.1", Settings(), proxy_header="X-User")


def test_a_login_begins_a_session_that_a_logout_ends_everywhere(browsers: Callable[..., Browser]) -> None:
    write_person(Settings().home / "console-users", "ada", Role.ADMIN, PASSWORD)
    assert PASSWORD not in (Settings().home / "console-users").read_text()
    client = browsers(access_for("10.0.0.1", Settings()))
    assert client.get("/profiles", follow_redirects=False).headers["location"] == "/login"
    before = client.cookies["rollcall_session"]

    assert send(client, "/login", name="ada", password="wrong").status_code == 401
    assert send(client, "/login", name="nobody", password=PASSWORD).status_code == 401
    assert send(client, "/login", name="ada", password=PASSWORD).url.path == "/profiles"
    after = client.cookies["rollcall_session"]
    assert after != before, "a session that was planted before the login would be worth something"

    client.post("/logout", data={"csrf": token(client, "/profiles")})
    client.cookies.set("rollcall_session", after, domain="127.0.0.1")
    assert client.get("/profiles", follow_redirects=False).status_code == 303
    lines = [json.loads(line) for line in (Settings().home / "audit.log").read_text().splitlines()]
    assert [line["action"] for line in lines] == ["login-failed", "login-failed", "login", "logout"]
    assert PASSWORD not in (Settings().home / "audit.log").read_text()


def test_a_cookie_is_for_this_site_only_and_no_script_reads_it(client: Browser) -> None:
    client.cookies.clear()

    header = client.get("/profiles").headers["set-cookie"].lower()

    assert "httponly" in header and "samesite=strict" in header


def test_who_guesses_too_often_has_to_wait() -> None:
    now = [0.0]
    guesses = Guesses(lambda: now[0])
    for _ in range(GUESSES):
        assert guesses.attempt("name ada")

    assert not guesses.attempt("name ada") and guesses.attempt("name bob")
    now[0] = 301
    assert guesses.attempt("name ada")


def test_only_a_named_proxy_may_name_a_person(place: Path) -> None:
    write_person(Settings().home / "console-users", "ada", Role.OPERATOR, None)
    access = access_for("0.0.0.0", Settings(), proxy_header="X-User", proxies=frozenset({"127.0.0.1"}))

    assert access.vouched("127.0.0.1", "ada") == Person("ada", Role.OPERATOR)
    assert access.vouched("127.0.0.1", "eve") == Person("eve", Role.VIEWER)
    assert access.vouched("10.0.0.9", "ada") is None and access.proved("ada", "-") is None


def test_an_upload_lies_sealed_and_nothing_of_it_in_clear(client: Browser, place: Path) -> None:
    found = simulate(client, SEED.read_bytes())

    assert found.status_code == 200 and "Max Muster" in found.text and "12ab34cd56" not in found.text
    for path in (place / "home").rglob("*"):
        if path.is_file():
            assert b"12ab34cd56" not in path.read_bytes(), path


def test_a_file_over_the_limit_is_refused_and_nothing_of_it_stays(client: Browser, place: Path) -> None:
    found = simulate(client, b"a" * (1 << 20) + b"bc")

    assert found.status_code == 413 and "1 MiB" in found.text
    assert not (place / "home" / "console" / "jobs").exists()
    with open_store(Settings()).open() as connection:
        assert connection.read(sa.select(uploads)).is_empty() and connection.read(sa.select(upload_pieces)).is_empty()


def test_what_comes_from_a_csv_is_never_markup(client: Browser) -> None:
    long = "x" * 10_000
    rows = [f"a,{HOSTILE}", "b,=cmd|calc,\u202eevil,c", f"c,{long},d,e"]
    text = "username,displayname,job,givenname\n" + "\n".join(rows) + "\n"

    plan = simulate(client, text.encode())
    issues = client.get(f"{plan.url.path}?show=issues")
    preview = client.get("/profiles/staff/variables")

    for page in (plan, issues, preview, client.get("/profiles/staff/structure")):
        assert page.status_code == 200
        assert "<script>alert" not in page.text and "<img src=x" not in page.text and "\u202e" not in page.text
        assert long not in page.text
    assert "&lt;script&gt;alert(1)" in plan.text and "{{7*7}}" in plan.text and "⟨U+202E⟩evil" in plan.text
    assert "49" not in re.sub(r"[0-9a-f-]{8,}", "", preview.text)


def test_failed_rows_come_back_as_csv_and_the_mended_file_goes_in(client: Browser) -> None:
    plan = simulate(client, b'username,displayname,phone\na,A,345\nb,B,012\nc,"C"x,346\n')

    failed = client.get(f"{plan.url.path}/failed.csv")

    assert failed.headers["content-disposition"].startswith("attachment")
    assert "extension-invalid" in failed.text and "row,code,message" in failed.text
    mended = failed.text.replace("012", "347").replace('"c,""C""x,346"', "c,C,346")
    again = simulate(client, mended.encode())
    assert 'class="figure create" href' in again.text and "<b>2</b>" in again.text


def test_a_held_plan_is_imported_only_when_it_is_approved(client: Browser, place: Path) -> None:
    plan = simulate(client, SEED.read_bytes())
    folder = place / "home" / "console" / "jobs" / plan.url.path.rpartition("/")[2]
    site = client.app.state.site
    site.plans.of(folder.name).head["held"] = "The source is empty."

    assert send(client, f"{plan.url.path}/import").status_code == 409
    assert send(client, f"{plan.url.path}/import", approve="0" * 32).status_code == 409
    assert "Approve and import" in client.get(plan.url.path).text


def test_a_profile_is_saved_only_when_it_is_valid_and_its_comments_stay(client: Browser, place: Path) -> None:
    path = place / "profiles" / "staff.yaml"
    before = path.read_text("utf-8")

    wrong = send(client, "/profiles/staff/prefilter", version=version_of(before), source="return tru(;")
    assert wrong.status_code == 422 and "line 1" in wrong.text and "^" in wrong.text
    assert path.read_text("utf-8") == before

    source = "return array_key_exists('displayName', $row);"
    right = send(client, "/profiles/staff/prefilter", version=version_of(before), source=source)
    assert right.status_code == 200 and "Saved." in right.text
    assert path.read_text("utf-8") == before.replace("return true;\n\n# What", f"{source}\n\n# What")
    assert "+   return array_key_exists" in client.get("/profiles/staff/history").text.replace("&#39;", "'")


def test_an_edit_of_somebody_else_is_not_lost(client: Browser, place: Path) -> None:
    path = place / "profiles" / "staff.yaml"
    seen = version_of(path.read_text("utf-8"))
    theirs = path.read_text("utf-8").replace("remove_percent: 20", "remove_percent: 5")
    path.write_text(theirs, "utf-8")

    found = send(client, "/profiles/staff/prefilter", version=seen, source="return false;")

    assert found.status_code == 409 and "Somebody else saved" in found.text and "return false;" in found.text
    assert path.read_text("utf-8") == theirs


def test_a_check_says_what_is_wrong_or_what_the_rows_become(client: Browser) -> None:
    simulate(client, b"username,displayname,password\nmmuster,Max Muster,12ab34cd56\nother,,x\n")

    wrong = send(client, "/profiles/staff/structure/check", source='{ "identity": [ }')
    right = send(client, "/profiles/staff/prefilter/check", source="return isset($row['displayname']);")

    assert "Not valid yet" in wrong.text and "Max Muster" not in wrong.text
    assert "Max Muster" in right.text and 'class="dropped"' in right.text and "12ab34cd56" not in right.text


def test_editing_keeps_every_comment_in_its_place() -> None:
    text = TEMPLATE.read_text("utf-8")
    profile = parse_profile(text, "staff", "staff.yaml")
    comments = [line.strip() for line in text.splitlines() if line.strip().startswith("#")]
    variables = {name: source for name, source in profile.variables.items() if name not in {"roles", "createMobile"}}

    edited = with_variables(text, {**variables, "extra": 'return $row["extra"];'})
    edited = with_snippet(with_basic(edited, {"title": "Other: # title", "delimiter": ";"}), "structure", "{}")

    assert [line.strip() for line in edited.splitlines() if line.strip().startswith("#")] == comments
    found = parse_profile(edited.replace("{}", profile.structure.replace("\n", " ")), "staff", "staff.yaml")
    assert found.title == "Other: # title" and list(found.variables)[-1] == "extra"
    assert with_variables(text, profile.variables) == text


def test_no_preview_shows_what_flows_into_a_secret() -> None:
    profile = parse_profile(TEMPLATE.read_text("utf-8").replace('$row["pin"]', '$row["code"]'), "p", "p")
    head = b"username,displayname,password,code\nmmuster,Max,12ab34cd56,98765\n"

    for stage in ("basic", "prefilter", "variables", "structure"):
        assert "98765" not in repr(first_rows(head, profile, stage)) and "12ab34" not in repr(
            first_rows(head, profile, stage)
        )


def test_a_chosen_language_stays_and_leads_to_no_other_site(client: Browser) -> None:
    assert "Profile" in client.get("/profiles", headers={"accept-language": "de-AT"}).text

    send(client, "/language", language="de", back="//evil.example")
    assert 'lang="de"' in client.get("/profiles").text


@pytest.mark.parametrize(
    "path",
    [
        *("/profiles/..%2f..%2fetc/basic", "/profiles/nobody/basic", "/profiles/staff/nothing", "/plans/../../x"),
        *("/plans/x", "/runs/x", "/runs?page=-1&search=%00%25_", "/people?page=99999999", "/phones?only=%27--"),
        *(
            "/people/%00",
            "/people/%F0%9F%98%80",
            "/people?search=" + "%25" * 500,
            "/plans/20200101-000000-00000000/plan.json",
        ),
    ],
)
def test_nonsense_in_an_address_is_answered_calmly(client: Browser, path: str) -> None:
    assert client.get(path).status_code < 500


def test_characters_that_hide_or_turn_are_written_out() -> None:
    assert cell("a\u202eb\u0000\u200f") == "a⟨U+202E⟩b⟨U+0000⟩⟨U+200F⟩" and cell("x" * 301).endswith("… (301)")
    assert cell(["a", "b"]) == "a, b" and cell(None) == ""


def test_an_upload_of_150_mb_leaves_the_memory_of_the_server_as_it_was(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLCALL_UPLOAD_LIMIT_BYTES", str(1 << 30))
    port = str(free_port())
    command = [sys.executable, "-c", "from deployments.cli import main; main()", "console", "--port", port]
    file = place / "large.csv"
    with file.open("wb") as out:
        out.write(b"username,displayname\n")
        out.writelines(b"%099d\n" % at for at in range(1_500_000))

    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(Path.cwd())}) as server:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=300) as browser, file.open("rb") as content:
                _answers(browser)
                csrf = token(browser, "/profiles")
                before = _most_memory_kib(server.pid)
                data, files = {"csrf": csrf}, {"file": ("large.csv", content)}
                answer = browser.post("/profiles/staff/simulate", data=data, files=files)
                grown = _most_memory_kib(server.pid) - before
                browser.post(f"{answer.headers['location']}/discard", data=data)
        finally:
            server.terminate()

    assert answer.status_code == 303 and grown < 100 * 1024, f"grew by {grown} KiB"
    print(f"grew by {grown} KiB")


def _answers(browser: httpx.Client) -> None:
    for _ in range(600):
        try:
            browser.get("/profiles")
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("the console did not answer")


def _most_memory_kib(process: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert found is not None
    return int(found[1])


def test_credentials_stand_in_a_profile_by_name_and_keep_what_else_the_fetch_says(client: Browser, place: Path) -> None:
    path = place / "profiles" / "staff.yaml"
    path.write_text(path.read_text("utf-8") + "fetch:\n  # the server is slow\n  read_timeout_seconds: 60\n", "utf-8")
    url = {"type": "url", "url": "https://hr.example/users.csv"}

    def save(**fields: str) -> httpx.Response:
        return send(client, "/profiles/staff/basic", version=version_of(path.read_text("utf-8")), **fields)

    clear = save(**url, auth="basic", user="ada", password="12ab 34cd!")
    saved = save(**url, auth="bearer", token="HR_TOKEN_NOBODY_HAS", user="left over")
    profile = parse_profile(path.read_text("utf-8"), "staff", "staff.yaml")

    assert clear.status_code == 422 and saved.status_code == 200 and "HR_TOKEN_NOBODY_HAS" in saved.text
    assert (profile.fetch.auth, profile.fetch.token, profile.fetch.user) == ("bearer", "HR_TOKEN_NOBODY_HAS", None)
    assert profile.fetch.read_timeout_seconds == 60 and "# the server is slow" in path.read_text("utf-8")
    assert save(type="upload", auth="bearer", token="HR_TOKEN_NOBODY_HAS").status_code == 200
    assert parse_profile(path.read_text("utf-8"), "staff", "staff.yaml").fetch.auth == "none"
    assert save(**url, auth="magic").status_code == 422


def test_save_and_simulate_keeps_the_edit_and_takes_the_file_or_the_last_one(client: Browser, place: Path) -> None:
    path = place / "profiles" / "staff.yaml"

    def save_and_simulate(tab: str, file: bytes = b"", **fields: Any) -> httpx.Response:
        data = {"csrf": token(client), "version": version_of(path.read_text("utf-8")), **fields}
        files = {"file": ("users.csv" if file else "", file)}
        return client.post(f"/profiles/staff/{tab}/simulate", data=data, files=files)

    nothing = save_and_simulate("prefilter", source="return $row['username'] != 'b';")
    assert "Saved. Choose a CSV" in nothing.text and "!= 'b'" in path.read_text("utf-8")

    plan = save_and_simulate("brakes", b"username,displayname\na,Ada\nb,Bob\n", remove_percent="5")
    assert "Ada" in plan.text and "Bob" not in plan.text and "remove_percent: 5" in path.read_text("utf-8")

    names = ["displayname", "username"]
    again = save_and_simulate("variables", variable=names, source=['return "X " . $row["displayname"];', "username"])
    assert "X Ada" in again.text and "users.csv" in client.get("/profiles/staff/basic").text

    refused = save_and_simulate("prefilter", b"username\nc\n", source="return tru(;")
    assert refused.status_code == 422 and "return tru(;" in refused.text
    assert save_and_simulate("automate").status_code == 404


def test_a_csv_that_is_looked_at_proposes_every_setting_and_is_not_kept(client: Browser, place: Path) -> None:
    content = "Anzeige;Login\r\nMüller;m\r\n".encode("windows-1252")

    data = {"csrf": token(client), "name": "", "type": "url", "url": "https://hr.example/x.csv"}
    found = client.post("/profiles/new/look", data=data, files={"file": ("Büro 1.csv", content)})

    assert found.status_code == 200 and "Müller" in found.text and 'value="büro-1"' in found.text
    assert 'value="https://hr.example/x.csv"' in found.text and 'value="url" selected' in found.text
    for chosen in ('value="windows-1252"', 'value=";" selected', 'value="windows" selected'):
        assert chosen in found.text, chosen
    with open_store(Settings()).open() as connection:
        assert connection.read(sa.select(uploads)).is_empty()
