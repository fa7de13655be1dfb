"""Phones fetch their settings, each its own and nobody else's, and register with them."""

import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import requests
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr
from requests.auth import HTTPDigestAuth

from deployments.provisioning.app import provisioning_app
from deployments.provisioning.rate import RateLimit
from deployments.provisioning.serve import serve
from deployments.provisioning.vendors import asked_for
from flows.request import now
from tasks.errors import WrongUseError
from tasks.settings import Settings
from tasks.store.seen import SEEN_PHONES_KEPT, Sighting, list_seen, note_seen
from tests.servers import free_port, needed, running_kamailio
from tests.test_registrar import accounts, defines
from tests.world import World, people

HEADER = "username,displayname,phone,phonemac,phoneuser,phonepass"
TOKEN = "a-token-of-good-length"
SNOM, YEALINK, GRANDSTREAM, OTHER = "000413a3016f", "805ec0000001", "000b82000001", "aabbcc000001"
OWN_LOGIN = HTTPDigestAuth("admin", "web-secret")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Four people with a phone of each vendor, whose web page has a login, and one without."""
    world = World(tmp_path)
    rows = [f"user{at},Zoë <{at}>,30{at},{mac},admin,web-secret" for at, mac in enumerate(PHONES)]
    world.imports(people(*rows, "bare,Bare,309,000413000009,,", header=HEADER))
    world.reopened(
        provisioning=True,
        provisioning_lan=True,
        provisioning_token=SecretStr(TOKEN),
        sip_registrar="sip.example.org",
        phone_language="de",
    )
    return world


PHONES = (SNOM, YEALINK, GRANDSTREAM, OTHER)


@contextmanager
def served(world: World) -> Generator[str]:
    """The base URL of the application, served over real HTTP."""
    app = provisioning_app(world.settings, world.store, now)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/provisioning"
        finally:
            server.should_exit = True
            thread.join()


def get(url: str, auth: HTTPDigestAuth | None = None) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, auth=auth, timeout=30)


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (SNOM, (SNOM, "Snom")),
        ("00:04:13:A3:01:6F", (SNOM, "Snom")),
        ("snomD735-000413A3016F.htm", (SNOM, "Snom")),
        ("snom320-000413a3016f.html", (SNOM, "Snom")),
        ("805ec0000001.cfg", (YEALINK, "Yealink")),
        ("cfg000b82000001.xml", (GRANDSTREAM, "Grandstream")),
        (OTHER, (OTHER, "")),
        ("y000000000028.cfg", None),
        ("cfg.xml", None),
        ("000413a3016g", None),
        ("..%2f000413a3016f", None),
    ],
)
def test_a_file_name_tells_the_phone_and_its_vendor(file: str, expected: tuple[str, str] | None) -> None:
    assert asked_for(file) == expected


def test_every_vendor_gets_its_own_format(world: World) -> None:
    of_mac = accounts(world)
    with served(world) as url:
        snom = get(f"{url}/{TOKEN}/snomD735-{SNOM.upper()}.htm")
        yealink = get(f"{url}/{TOKEN}/{YEALINK}.cfg")
        grandstream = get(f"{url}/{TOKEN}/cfg{GRANDSTREAM}.xml")
        other = get(f"{url}/{TOKEN}/{OTHER}")

    user, secret = of_mac[SNOM]
    found = {node.tag: node.text for node in ET.fromstring(snom.content).iter()}
    assert (found["user_name"], found["user_pass"], found["user_realname"]) == (user, secret, "Zoë <0>")
    assert (found["language"], found["user_host"]) == ("Deutsch", "sip.example.org")
    assert snom.headers["cache-control"] == "no-store"
    user, secret = of_mac[YEALINK]
    lines = dict(line.split(" = ", 1) for line in yealink.text.splitlines()[1:])
    assert (lines["account.1.user_name"], lines["account.1.password"]) == (user, secret)
    assert (lines["account.1.label"], lines["lang.gui"]) == ("301 Zoë <1>", "German")
    user, secret = of_mac[GRANDSTREAM]
    found = {node.tag: node.text for node in ET.fromstring(grandstream.content).iter()}
    assert (found["P35"], found["P34"], found["P47"]) == (user, secret, "sip.example.org:5060")
    user, secret = of_mac[OTHER]
    document = other.json()
    assert (document["sip_user"], document["sip_secret"], document["extension"]) == (user, secret, "303")


def test_a_line_break_in_a_name_starts_no_other_setting(world: World) -> None:
    world.imports(
        people(f'x,"X\naccount.1.password = evil",310,{YEALINK}', header="username,displayname,phone,phonemac"),
        world.profile(mode="upsert"),
    )
    with served(world) as url:
        text = get(f"{url}/{TOKEN}/{YEALINK}.cfg").text

    assert len([line for line in text.splitlines() if line.startswith("account.1.password")]) == 1


def test_a_phone_gets_in_with_the_login_of_its_own_web_page_only(world: World) -> None:
    with served(world) as url:
        assert get(f"{url}/{SNOM}").status_code == 401
        assert get(f"{url}/{SNOM}", OWN_LOGIN).status_code == 200
        assert get(f"{url}/{SNOM}", HTTPDigestAuth("admin", "wrong")).status_code == 401
        assert get(f"{url}/{SNOM}", HTTPDigestAuth("root", "web-secret")).status_code == 401
        assert get(f"{url}/000413000009", HTTPDigestAuth("", "")).status_code == 404
        assert get(f"{url}/not-the-token-at-all/{SNOM}").status_code == 404


def test_a_proof_for_one_phone_opens_no_other(world: World) -> None:
    with served(world) as url:
        own = get(f"{url}/{SNOM}", OWN_LOGIN).request.headers["Authorization"]
        with requests.Session() as session:
            session.trust_env = False
            other = session.get(f"{url}/{YEALINK}", headers={"Authorization": own}, timeout=30)
            garbled = [
                session.get(f"{url}/{SNOM}", headers={"Authorization": f"Digest {words}"}, timeout=30).status_code
                for words in ('x, y=1, =""', "a=", 'a=, nonce="', "nonce=, nc==", '"', "username*=UTF-8''a")
            ]

    assert other.status_code == 401 and garbled == [401] * len(garbled)


def test_an_unknown_phone_and_one_without_a_user_get_nothing_and_are_noted(world: World) -> None:
    world.imports(
        people(
            *(f"user{at},Zoë,30{at},{mac},admin,web-secret" for at, mac in enumerate(PHONES[1:], 1)),
            "user0,Zoë,300,,,",
            "bare,Bare,309,,,",
            header=HEADER,
        )
    )
    with served(world) as url:
        assert get(f"{url}/000413ffff01").status_code == 404
        assert get(f"{url}/wrong-token-wrong-token/000413ffff02").status_code == 404
        assert get(f"{url}/{TOKEN}/000413ffff03").status_code == 404
        assert get(f"{url}/{TOKEN}/{SNOM}").status_code == 404
        assert get(f"{url}/{YEALINK}", OWN_LOGIN).status_code == 200

    assert sorted(phone["mac"] for phone in seen(world)) == [SNOM, "000413ffff03"]


def test_the_list_of_seen_phones_is_capped_and_forgets_the_oldest(world: World) -> None:
    with world.connection() as connection:
        for at in range(SEEN_PHONES_KEPT + 5):
            note_seen(connection, Sighting(f"{at:012x}", "", "10.0.0.1", f"2026-01-01T00:{at // 60:02}:{at % 60:02}Z"))
        note_seen(connection, Sighting(f"{9:012x}", "Snom", "10.0.0.2", "2026-02-01T00:00:00Z"))
        connection.commit()

    found = seen(world)
    assert len(found) == SEEN_PHONES_KEPT and found[0]["mac"] == f"{9:012x}" and found[0]["address"] == "10.0.0.2"
    assert f"{4:012x}" not in {phone["mac"] for phone in found}


def test_deliveries_are_logged_without_a_secret(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with served(world) as url:
        get(f"{url}/{TOKEN}/{SNOM}")
        get(f"{url}/{SNOM}", OWN_LOGIN)
        get(f"{url}/{SNOM}", HTTPDigestAuth("admin", "guessed-secret"))

    ours = "\n".join(
        record.getMessage() for record in caplog.records if record.name.startswith(("rollcall", "uvicorn"))
    )
    assert ours.count(f"{SNOM} got the settings of user0, from 127.0.0.1") == 2
    assert f"{SNOM} was refused" in ours
    for secret in (TOKEN, accounts(world)[SNOM][1], "web-secret", "guessed-secret"):
        assert secret not in ours


def test_an_address_that_asks_too_often_has_to_wait(world: World) -> None:
    world.reopened(provisioning_requests_per_minute=2)
    with served(world) as url:
        answers = [get(f"{url}/{TOKEN}/{SNOM}") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60


def test_the_rate_limit_remembers_a_bounded_number_of_addresses() -> None:
    limit = RateLimit(1)
    for serial in range(10_005):
        assert limit.seconds_to_wait(str(ip_address(serial))) == 0

    assert limit.seconds_to_wait(str(ip_address(10_000))) > 0
    assert limit.seconds_to_wait(str(ip_address(0))) == 0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"provisioning": False}, "provisioning-off"),
        ({"sip_registrar": ""}, "sip-registrar-missing"),
        ({"provisioning_lan": False}, "provisioning-in-clear"),
    ],
)
def test_provisioning_is_off_until_everything_is_said(world: World, changes: dict[str, object], code: str) -> None:
    with pytest.raises(WrongUseError) as refused:
        serve(world.settings.model_copy(update=changes), "127.0.0.1", 0)

    assert refused.value.code == code


def test_everything_that_is_not_said_is_told_at_once(world: World, tmp_path: Path) -> None:
    nothing = Settings(home=tmp_path, provisioning_certificate=tmp_path / "no.pem")
    with pytest.raises(WrongUseError) as refused:
        serve(nothing, "127.0.0.1", 0)

    told = refused.value.message.splitlines()
    assert [line.partition(".")[0].partition(":")[0] for line in told] == [
        "Provisioning is off",
        "Phones need to know where to register",
        "ROLLCALL_PROVISIONING_CERTIFICATE",
    ]
    with pytest.raises(WrongUseError, match=r"an IPv6 address in brackets as in \[2001:db8::5\]:5060"):
        Settings(sip_registrar="2001:db8::5")


def test_the_command_serves_over_tls(world: World, tmp_path: Path) -> None:
    certificate, key, port = *self_signed(tmp_path), free_port()
    environment = {
        **os.environ,
        "ROLLCALL_HOME": str(world.home),
        "ROLLCALL_KEY": "11" * 32,
        "ROLLCALL_PROVISIONING": "true",
        "ROLLCALL_PROVISIONING_TOKEN": TOKEN,
        "ROLLCALL_PROVISIONING_CERTIFICATE": str(certificate),
        "ROLLCALL_PROVISIONING_CERTIFICATE_KEY": str(key),
        "ROLLCALL_SIP_REGISTRAR": "[::1]:5070",
    }
    program = f"from deployments.provisioning.serve import serve, Settings; serve(Settings(), '127.0.0.1', {port})"
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=log, stderr=log) as server,
    ):
        try:
            answer = eventually(f"https://127.0.0.1:{port}/provisioning/{TOKEN}/{OTHER}", certificate)
        finally:
            server.terminate()

    assert (answer["registrar"], answer["port"]) == ("[::1]", 5070)
    logged = (tmp_path / "log").read_text()
    assert f"{OTHER} got the settings of user3" in logged and TOKEN not in logged


def test_a_softphone_with_the_account_that_reveal_shows_registers_and_rings_by_its_extension(
    world: World, tmp_path: Path
) -> None:
    (baresip,) = needed("baresip", package="baresip-core")
    variables = {**world.profile().variables, "createSoftphone": "return true;"}
    one = people("soft,Soft,320", header="username,displayname,phone")
    world.imports(one, world.profile(mode="upsert", variables=variables))
    assert world.phones()["softphone soft"]["mac"] is None
    with running_kamailio(tmp_path, *defines(world)) as registrar:
        typed = revealed(world, "soft", f"127.0.0.1:{registrar.port}")
        folder = baresip_folder(tmp_path / "baresip", typed)
        with (tmp_path / "baresip.log").open("w+") as log:
            phone = subprocess.Popen([baresip, "-f", folder, "-t", "20"], stdout=log, stderr=log)
            try:
                until = time.monotonic() + 15
                answer = ""
                while time.monotonic() < until and answer != "200 OK":
                    time.sleep(0.3)
                    answer = registrar.rings(*accounts(world)[SNOM], "320", tmp_path)
            finally:
                phone.terminate()
                phone.wait(10)
            log.seek(0)
            talk = log.read()

    assert answer == "200 OK", talk
    assert "200 OK" in talk
    assert [(run["kind"], run["actor"] != "") for run in world.runs()[:1]] == [("reveal", True)]


def revealed(world: World, login: str, registrar: str) -> dict[str, str]:
    """What `rollcall reveal` shows on a terminal."""
    environment = {
        **os.environ,
        "ROLLCALL_HOME": str(world.home),
        "ROLLCALL_KEY": "11" * 32,
        "ROLLCALL_SIP_REGISTRAR": registrar,
        "TERM": "dumb",
    }
    ours, theirs = os.openpty()
    try:
        command = [sys.executable, "-c", "from deployments.cli import main; main()", "reveal", login]
        subprocess.run(command, env=environment, stdout=theirs, stderr=theirs, check=True)
        lines = os.read(ours, 10_000).decode().splitlines()
    finally:
        os.close(ours)
        os.close(theirs)
    return {line[2:12].strip(): line[12:].strip() for line in lines if line.startswith("  ")}


def baresip_folder(folder: Path, given: dict[str, str]) -> Path:
    """The configuration that a person would type in."""
    folder.mkdir()
    modules = next(Path("/usr/lib").glob("**/baresip/modules"))
    lines = [f"module_path {modules}", "sip_listen 127.0.0.1:0", "module g711.so", "module_app account.so"]
    (folder / "config").write_text("\n".join([*lines, ""]))
    uri = f"sip:{given['SIP user']}@{given['registrar']};transport={given['transport']}"
    (folder / "accounts").write_text(f"<{uri}>;auth_pass={given['secret']};regint=60\n")
    (folder / "contacts").write_text("")
    return folder


def eventually(url: str, certificate: Path) -> dict[str, object]:
    """What the server answers as soon as it listens."""
    until = time.monotonic() + 30
    with requests.Session() as session:
        session.trust_env, session.verify = False, str(certificate)
        while True:
            try:
                return json.loads(session.get(url, timeout=30).text)
            except requests.ConnectionError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for the loopback address, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    start = datetime.now(UTC) - timedelta(minutes=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(hours=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    encoding = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(*encoding))
    return folder / "certificate.pem", folder / "key.pem"


def seen(world: World) -> list[dict[str, str]]:
    with world.connection() as connection:
        return list_seen(connection)
