"""Gives each phone its settings: registrar, SIP account, name, extension and language, in its vendor's own format.

Only assigned phones get any, and only with the token in the path or the login of their own web page. Every delivery
is logged, without secrets. Who asks with the token and is nobody's is kept in the list "seen, not assigned".
"""

import hmac
import logging
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.background import BackgroundTask

from deployments.provisioning.digest import Login, challenge, is_authentic, is_fresh
from deployments.provisioning.rate import RateLimit
from deployments.provisioning.vendors import asked_for as phone_asked_for
from deployments.provisioning.vendors import format_of
from tasks.errors import StoreBusyError
from tasks.settings import Settings
from tasks.store.provision import Account, KnownPhone, find_phone
from tasks.store.seen import Sighting, note_seen
from tasks.store.store import Store

_TEMPLATES: Final = Path(__file__).parent / "templates"
_TRANSPORT_NUMBERS: Final = {"udp": 0, "tcp": 1, "tls": 2}
_DEFAULT_PORTS: Final = {"udp": "5060", "tcp": "5060", "tls": "5061"}
log = logging.getLogger("rollcall.provisioning")


def provisioning_app(settings: Settings, store: Store, clock: Callable[[], str]) -> FastAPI:
    """The application with its one route.

    `settings` are those that `deployments.provisioning.ready` has looked at.
    """
    desk = _Desk(settings, store, clock)
    app = FastAPI(title="Rollcall provisioning", openapi_url=None, docs_url=None, redoc_url=None)

    def with_token(token: str, file: str, request: Request) -> Response:
        return desk.answer(file, token, request)

    def without_token(file: str, request: Request) -> Response:
        return desk.answer(file, None, request)

    async def busy(_: Request, __: Exception) -> Response:
        return Response(status_code=503, headers={"Retry-After": "30"})

    app.add_exception_handler(StoreBusyError, busy)
    app.add_api_route("/provisioning/{file}", without_token, methods=["GET"])
    app.add_api_route("/provisioning/{token}/{file}", with_token, methods=["GET"])
    return app


@dataclass(frozen=True)
class _Asked:
    """One request of a phone."""

    mac: str
    vendor: str
    address: str
    token: str | None
    request: Request


class _Desk:
    """Answers phones; everything that outlives one request."""

    def __init__(self, settings: Settings, store: Store, clock: Callable[[], str]) -> None:
        self._settings, self._store, self._clock = settings, store, clock
        self._limit = RateLimit(settings.provisioning_requests_per_minute)
        self._nonce_key = store.keyring.derive("provisioning nonce")
        self._templates = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=select_autoescape(enabled_extensions=("xml.j2",), default=False),
            undefined=StrictUndefined,
            trim_blocks=True,
            keep_trailing_newline=True,
        )

    def answer(self, file: str, token: str | None, request: Request) -> Response:
        """The phone's settings, or why it gets none."""
        address = request.client.host if request.client else ""
        wait = self._limit.seconds_to_wait(address)
        if wait:
            return Response(status_code=429, headers={"Retry-After": str(wait)})
        if request.url.scheme != "https" and not (self._settings.provisioning_lan and _is_near(address)):
            return Response(status_code=403)
        found = phone_asked_for(file)
        if found is None:
            return Response(status_code=404)
        asked = _Asked(*found, address, token, request)
        with self._store.open() as connection:
            phone = find_phone(connection, asked.mac, self._store.keyring)
        if not self._is_let_in(asked, phone):
            return self._refused(asked, phone)
        if phone is None or phone.account is None:
            log.info("%s asked from %s and is nobody's", asked.mac, address)
            return Response(status_code=404, background=BackgroundTask(self._note_seen, asked))
        log.info("%s got the settings of %s, from %s", asked.mac, phone.account.login, address)
        return self._settings_of(asked, phone.account)

    def _is_let_in(self, asked: _Asked, phone: KnownPhone | None) -> bool:
        if asked.token is not None:
            expected = self._settings.provisioning_token
            return expected is not None and hmac.compare_digest(
                expected.get_secret_value().encode(), asked.token.encode()
            )
        if phone is None:
            return False
        login = Login(phone.mac, phone.web_user, phone.web_password)
        header = asked.request.headers.get("authorization", "")
        return is_authentic(header, (asked.request.method, asked.request.url.path), login, self._nonce_key)

    def _refused(self, asked: _Asked, phone: KnownPhone | None) -> Response:
        """A phone with a login of its own is asked for it; everything else is not there."""
        header = asked.request.headers.get("authorization", "")
        if asked.token is not None or phone is None or not (phone.web_user and phone.web_password):
            log.warning("%s was refused, from %s", asked.mac, asked.address)
            return Response(status_code=404)
        if header:
            log.warning("%s was refused, from %s", asked.mac, asked.address)
        stale = bool(header) and not is_fresh(header, asked.mac, self._nonce_key)
        value = challenge(self._nonce_key, asked.mac, stale=stale)
        return Response(status_code=401, headers={"WWW-Authenticate": value})

    def _settings_of(self, asked: _Asked, account: Account) -> Response:
        how = format_of(asked.vendor)
        host, _, port = self._settings.sip_registrar.rpartition(":")
        if not port.isascii() or not port.isdecimal():
            host, port = self._settings.sip_registrar, _DEFAULT_PORTS[self._settings.sip_transport]
        body = self._templates.get_template(how.template).render(
            mac=asked.mac,
            host=host,
            port=port,
            transport=self._settings.sip_transport,
            transport_number=_TRANSPORT_NUMBERS[self._settings.sip_transport],
            realm=self._settings.sip_realm,
            user=account.sip_user,
            secret=account.sip_secret,
            name=_one_line(account.display_name),
            extension=account.extension,
            language=how.languages[self._settings.phone_language],
        )
        return Response(body, media_type=how.media_type, headers={"Cache-Control": "no-store"})

    def _note_seen(self, asked: _Asked) -> None:
        try:
            with self._store.open() as connection:
                connection.lock_for_writing()
                note_seen(connection, Sighting(asked.mac, asked.vendor, asked.address, self._clock()))
                connection.commit()
        except StoreBusyError:
            log.warning("%s was not noted: the phone system is busy", asked.mac)


def _is_near(address: str) -> bool:
    """Whether an address may be served in clear: one of the own network."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return found.is_private or found.is_loopback or found.is_link_local


def _one_line(text: str) -> str:
    """A name without control characters: a line break would start another setting."""
    return "".join(character if character.isprintable() else " " for character in text)
