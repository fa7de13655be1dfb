"""Sessions that stay ended, and logins that cannot be tried side by side."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deployments.console.access import Person, Role, access_for, write_person
from deployments.console.sessions import GUESSES, LIFETIME_SECONDS, Guesses, Sessions
from tasks.keyring import Keyring
from tasks.settings import Settings
from tests.browsing import Browser, browsers, place, send, token

__all__ = ["browsers", "place"]

PASSWORD = "correct horse battery"
RING = Keyring(b"k" * 32)


def test_a_session_that_was_ended_stays_ended_after_a_restart(tmp_path: Path) -> None:
    file, now = tmp_path / "console" / "ended.json", [1000.0]
    sessions = Sessions(RING, file, lambda: now[0])
    ended, other = (sessions.start(Person("ada", Role.ADMIN)) for _ in range(2))
    sessions.end(ended)

    after = Sessions(RING, file, lambda: now[0])

    assert after.read(after.cookie(ended)) is None and after.read(after.cookie(other)) == other
    assert file.stat().st_mode & 0o777 == 0o600
    now[0] += LIFETIME_SECONDS
    after.end(other)
    assert ended.id not in file.read_text("utf-8"), "its cookie is too old by now"


def test_a_logout_holds_in_the_next_console(browsers: Callable[..., Browser]) -> None:
    write_person(Settings().home / "console-users", "ada", Role.ADMIN, PASSWORD)
    client = browsers(access_for("10.0.0.1", Settings()))
    assert send(client, "/login", name="ada", password=PASSWORD).url.path == "/profiles"
    cookie = client.cookies["rollcall_session"]
    client.post("/logout", data={"csrf": token(client, "/profiles")})

    restarted = browsers(access_for("10.0.0.1", Settings()))
    restarted.cookies.clear()
    restarted.cookies.set("rollcall_session", cookie, domain="127.0.0.1")

    assert restarted.get("/profiles", follow_redirects=False).headers["location"] == "/login"


def test_logins_side_by_side_do_not_pass_the_limit(browsers: Callable[..., Browser]) -> None:
    write_person(Settings().home / "console-users", "ada", Role.ADMIN, PASSWORD)
    client = browsers(access_for("10.0.0.1", Settings()))
    data = {"csrf": token(client), "name": "ada", "password": "wrong"}

    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda _: client.post("/login", data=data).status_code, range(12)))

    assert found.count(401) == GUESSES and found.count(429) == 12 - GUESSES


def test_who_logs_in_has_all_attempts_again() -> None:
    guesses = Guesses(lambda: 0.0)
    for _ in range(GUESSES - 1):
        assert guesses.attempt("name ada", "address 10.0.0.7")

    assert guesses.attempt("name ada", "address 10.0.0.7")
    guesses.forget("name ada", "address 10.0.0.7")

    assert guesses.attempt("name ada", "address 10.0.0.7")
