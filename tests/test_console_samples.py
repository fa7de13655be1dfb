"""What a preview of the console shows of a file, what it never shows, and how long the file's beginning is kept."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.console.access import Role
from deployments.console.first_rows import MISREAD, NO_NAMES, first_rows
from deployments.console.masking import masking_of
from deployments.console.pages_profiles import proposal
from deployments.console.samples import whole_lines
from tasks.decode import decode_text
from tasks.output import Source, SourceFacts
from tasks.parse import parse_csv
from tasks.profile import Profile
from tasks.profile_file import parse_profile
from tasks.run import Run
from tasks.settings import Settings
from tasks.store.rotate_key import rotate_key
from tests.browsing import Browser, browsers, client, local, place, send, simulate, token
from tests.world import TEMPLATE

__all__ = ["browsers", "client", "place"]

HEAD = b"displayname,username,Kennwort\nMax Muster,mmuster,GEHEIM99\n"


def profile(*changes: tuple[str, str]) -> Profile:
    text = TEMPLATE.read_text("utf-8")
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    return parse_profile(text, "staff", "staff.yaml")


def rotated() -> None:
    now = "2026-11-28T12:00:00.000Z"
    rotate_key(Settings(), Run(id="r", kind="rotate", profile="", mode="", started=now), now)


def test_a_new_key_locks_nobody_out_of_a_profile(browsers: Callable[..., Browser], place: Path) -> None:
    before = browsers()
    plan = simulate(before, b"username,displayname,phone\nmmuster,Max Muster,012\n").url.path
    assert "Max Muster" in before.get("/profiles/staff/basic").text and before.get(f"{plan}/failed.csv").is_success
    rotated()

    after = browsers()

    for tab in ("basic", "prefilter", "variables", "structure"):
        assert after.get(f"/profiles/staff/{tab}").status_code == 200
        assert send(after, f"/profiles/staff/{tab}/check", source="return true;").status_code == 200
    assert list((place / "home" / "console" / "samples").iterdir()) == [], "nobody can open it any more"
    assert "not kept any more" in after.get(plan).text
    assert after.get(f"{plan}/failed.csv").status_code == 404 and after.get("/profiles").status_code == 200


def test_a_delimiter_that_is_not_the_files_shows_nothing_of_it() -> None:
    found = first_rows(HEAD, profile(('delimiter: ","', 'delimiter: ";"')), "basic")

    assert found.error == MISREAD and not found.columns and not found.rows


def test_only_who_may_save_an_edit_sees_what_it_would_show(browsers: Callable[..., Browser]) -> None:
    admin, operator = browsers(), browsers(local(Role.OPERATOR))
    simulate(admin, HEAD)

    for tab in ("basic", "prefilter", "variables", "structure"):
        assert send(operator, f"/profiles/staff/{tab}/check", delimiter=";").status_code == 403
        assert send(admin, f"/profiles/staff/{tab}/check", source="return true;").status_code == 200


@pytest.mark.parametrize("stage", ["basic", "prefilter", "variables", "structure"])
def test_no_edit_brings_to_light_what_the_saved_profile_keeps_secret(stage: str) -> None:
    saved = profile(('$row["password"]', '$row["Kennwort"]'))
    no_secret = ('return $row["password"];', 'return "x";')
    joined = ('return $row["displayname"];', 'return $row["displayname"] . $row["Kennwort"];')
    instead = ('return $row["job"];', 'return $row["Kennwort"];')

    for changes in ([], [no_secret], [no_secret, joined], [no_secret, instead]):
        found = repr(first_rows(HEAD, profile(*changes), stage, saved))
        assert "GEHEIM99" not in found and "mmuster" in found, changes


def test_a_column_shows_once_it_goes_into_a_field_without_a_secret() -> None:
    head = b"Nr,Langname,Zeichen,Code,Passnummer\n17,Max Muster,mmuster,4711,999\n"
    mapped = profile(('$row["displayname"]', '$row["Langname"]'), ('$row["username"]', '$row["Zeichen"]'))
    careless = profile(('$row["username"]', '$row["Zeichen"]'), ('$row["job"]', '$row["Passnummer"]'))

    shown, edited = first_rows(head, mapped, "basic"), first_rows(head, careless, "variables", mapped)

    assert shown.rows == [["•••", "Max Muster", "mmuster", "•••", "•••"]] and shown.masked
    assert "999" not in repr(edited)


def test_cells_that_an_edit_shifts_are_masked_by_their_value() -> None:
    head = b'displayname,password,phone\n"Muster,Max",GEHEIM99,\n"Meier,Eva",GEHEIM88,\n'
    saved = profile(('$row["username"]', '$row["displayname"]'))
    edited = profile(('$row["username"]', '$row["displayname"]'), ("enclosure: '\"'", "enclosure: none"))

    assert "GEHEIM" not in repr(first_rows(head, edited, "basic", saved))


def test_of_a_new_file_only_columns_with_harmless_names_show() -> None:
    values, found = proposal("Name;Login;Passwort;PIN-Code;Kürzel\nMüller;mm;GEHEIM99;4711;xy\n".encode(), whole=True)

    assert values["delimiter"] == ";" and found.rows == [["Müller", "mm", "•••", "•••", "•••"]]


@pytest.mark.parametrize("first", ["mm;Max Muster;4711;GEHEIM99", "Max Muster;GEHEIM99", "user;Max;4711;GEHEIM99"])
def test_the_first_person_of_a_file_without_a_header_is_no_header(first: str) -> None:
    _, found = proposal(f"{first}\nem;Eva Meier;4712;GEHEIM88\n".encode(), whole=True)

    assert not {"Max Muster", "Max", "4711", "GEHEIM99"} & {*found.columns} and "GEHEIM" not in repr(found)
    assert found.columns[-1] == f"column_{len(found.columns)}" and found.notes == [NO_NAMES]


def test_names_of_a_header_are_shown_as_they_are() -> None:
    _, found = proposal(b"Name;Login;Kostenstelle;Abteilung\nMax;mm;17;IT\n", whole=True)

    assert found.columns == ["Name", "Login", "Kostenstelle", "Abteilung"] and found.notes == []


def test_a_login_without_a_column_proves_no_header() -> None:
    constant = profile(('return $row["username"];', 'return "somebody";'))

    for stage in ("basic", "prefilter"):
        found = first_rows(b"GEHEIM99,4711,Berlin,Max Muster\na,b,c,d\n", constant, stage)
        assert found.columns == ["column_1", "column_2", "column_3", "column_4"]


def test_a_note_beside_the_first_rows_holds_no_value_that_is_not_shown() -> None:
    head = b"username,displayname,Kennwort\nmm,Max,GEHEIM99\nem,Eva,12\n"
    table = parse_csv(decode_text(Source(data=head, facts=SourceFacts()), profile()), profile())
    masking = masking_of(table, profile(), profile())

    told = masking.note("Kennwort: GEHEIM99 of mm has 12 characters", table.frame)

    assert told == "Kennwort: ••• of mm has 12 characters"


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-16-be", "utf-16-le", "utf-8-sig", "utf-8", "utf-32", "windows-1252"]
)
@pytest.mark.parametrize("cut", range(4))
def test_the_beginning_of_a_large_file_ends_with_a_whole_line(encoding: str, cut: int) -> None:
    lines = [f"Jürgen Müller {at};user{at}\r\n" for at in range(6000)]
    text = "".join(["Name;Login\r\n", *lines])
    head = text.encode(encoding)[: (1 << 16) - cut]

    found = whole_lines(head).decode(encoding)

    assert text.startswith(found) and found.endswith(("\r", "\n")) and len(found) > 15_000
    values, rows = proposal(head, whole=False)
    assert values["delimiter"] == ";" and rows.rows[0] == ["Jürgen Müller 0", "user0"]


def test_a_discarded_plan_leaves_nothing_of_its_file(client: Browser, place: Path) -> None:
    samples = place / "home" / "console" / "samples"
    first = simulate(client, HEAD).url.path
    assert {path.stat().st_mode & 0o777 for path in samples.iterdir()} == {0o600}
    second = simulate(client, HEAD).url.path

    send(client, f"{first}/discard")
    assert "Max Muster" in client.get("/profiles/staff/basic").text, "it is of the second file"
    send(client, f"{second}/discard")

    assert list(samples.iterdir()) == []


def test_a_profile_that_keeps_no_secret_keeps_no_beginning_of_its_file(client: Browser, place: Path) -> None:
    path = place / "profiles" / "staff.yaml"
    simulate(client, HEAD)
    path.write_text(path.read_text("utf-8") + "secrets: fingerprint\n", "utf-8")

    assert "Max Muster" not in client.get("/profiles/staff/basic").text
    simulate(client, HEAD)

    assert list((place / "home" / "console" / "samples").iterdir()) == []
    assert client.post("/profiles/staff/basic/check", data={"csrf": token(client)}).status_code == 200
