"""Where Rollcall keeps its state and what it may reach: environment variables, read once at the edge."""

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from tasks.errors import WrongUseError

_PREFIX: Final = "ROLLCALL_"
_REGISTRAR: Final = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])?(:[0-9]{1,5})?")


def _registrar(value: str) -> str:
    if not _REGISTRAR.fullmatch(value):
        raise ValueError("expected host or host:port, an IPv6 address in brackets as in [2001:db8::5]:5060")
    return value


class Settings(BaseSettings):
    """The environment of one installation; every name is prefixed with ROLLCALL_.

    Raises: WrongUseError that names every variable with a bad value, and no value: some are secret.
    """

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    home: Path = Field(default=Path(".rollcall"), description="state folder")
    database_url: SecretStr | None = Field(default=None, description="the phone system; SQLite in home by default")
    profiles: Path = Field(default=Path("profiles"), description="folder of profiles")
    key: SecretStr | None = Field(default=None, description="encryption key, 32 bytes as base64 or hex")
    key_file: Path | None = Field(default=None, description="file that holds the encryption key")
    url_allow: str = Field(default="", description="networks and hosts a source URL may reach in addition")
    url_deny: str = Field(default="", description="networks and hosts a source URL may never reach")
    file_root: Path | None = Field(default=None, description="folder below which file:// sources are allowed")

    result_storage: str | None = Field(
        default=None,
        description="where sealed results lie: an fsspec URL or a Prefect block as type/name; home by default",
    )
    cache_days: Annotated[int, Field(ge=0)] = Field(default=30, description="results unused for longer are removed")
    cache_size_bytes: Annotated[int, Field(ge=0)] = Field(
        default=5_000_000_000, description="above this total the results unused for longest are removed"
    )

    history_days: Annotated[int, Field(ge=0)] = Field(
        default=0, description="how long a run can be shown and undone before `rollcall prune` removes it; 0: for good"
    )
    failed_days: Annotated[float, Field(gt=0)] = Field(
        default=30, description="how long a run's rejected rows are kept"
    )

    sip_realm: str = Field(
        default="rollcall", pattern=r'^[^\s":@]+$', description="the realm that the SIP registrar challenges with"
    )
    registrar_file: Path | None = Field(
        default=None, description="what a SIP registrar reads beside a SQLite phone system; in home by default"
    )
    upload_limit_bytes: Annotated[int, Field(ge=1)] = Field(
        default=1_000_000_000, description="the most that an upload may hold"
    )
    held_days: Annotated[float, Field(gt=0)] = Field(
        default=7, description="how long a held import waits for an answer; after that it ends as held"
    )
    upload_hours: Annotated[float, Field(gt=0)] = Field(default=24, description="how long an upload waits for its run")
    notify: str = Field(
        default="",
        description="Prefect blocks that are told of failed, held and missing imports: type/name, separated by commas",
    )
    notify_after_days: Annotated[int, Field(ge=1)] = Field(
        default=2, description="a profile that imported nothing for so long is told of"
    )

    sip_registrar: Annotated[str, AfterValidator(_registrar)] = Field(default="", description="host[:port] for phones")
    sip_transport: Literal["udp", "tcp", "tls"] = Field(default="udp", description="how phones reach the registrar")
    phone_language: Literal["en", "de", "fr", "es", "it", "nl"] = Field(
        default="en", description="of the phones' menus"
    )
    provisioning: bool = Field(default=False, description="whether phones may fetch their settings")
    provisioning_token: SecretStr | None = Field(
        default=None, min_length=16, description="path element that lets a phone fetch its settings"
    )
    provisioning_lan: bool = Field(default=False, description="serve private addresses in clear, without TLS")
    provisioning_certificate: Path | None = Field(default=None, description="certificate chain, PEM")
    provisioning_certificate_key: Path | None = Field(default=None, description="private key of the certificate, PEM")
    provisioning_requests_per_minute: Annotated[int, Field(ge=1)] = Field(
        default=60, description="per address; what comes above it has to wait"
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            found = [
                f"{_PREFIX}{str(detail['loc'][0]).upper()}: {detail['msg'].removeprefix('Value error, ')}."
                for detail in error.errors(include_url=False, include_context=False, include_input=False)
            ]
            raise WrongUseError("setting-invalid", "\n".join([*found, "Mend the environment."])) from None

    def registrar_path(self) -> Path:
        """The registrar's file, with the default filled in."""
        return (self.registrar_file or self.home / "registrar.db").absolute()

    def store_url(self) -> str:
        """The database URL, with the default filled in. It may hold a password: never print it."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{quote(str(self.home.absolute() / 'phonesystem.db'))}"
