"""How a profile reaches its source: who it says it is, whom it trusts, how long it waits, how much it takes.

Credentials stand here by name only: `${HR_TOKEN}` in a URL or a header, or a name in `user`, `password`, `token`.
"""

import re
from typing import Annotated, Final, Literal, Self
from urllib.parse import SplitResult, parse_qsl, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from tasks.errors import SourceError

REFERENCE: Final = re.compile(r"\$\{([A-Za-z][A-Za-z0-9_-]*)\}")
SECRET_NAME: Final = re.compile(
    r"authorization|cookie|token|secret|passw|pwd|signature|credential|(^|[-_])(sig|key|auth)($|[-_])|api-?_?key", re.I
)
SCHEMES: Final = ("http", "https", "sftp", "s3", "gs", "az", "file")

FIRST_OPTIONS: Final = {
    "sftp": {"user": "SFTP_USER", "password": "SFTP_PASSWORD", "host_key": "ssh-ed25519 AAAA…"},
    "az": {"user": "AZURE_ACCOUNT", "password": "AZURE_KEY"},
}
"""What a new profile states for a scheme that needs it, to be filled in."""

CredentialName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]
Positive = Annotated[float, Field(gt=0)]


def references(text: str) -> tuple[str, ...]:
    """The credentials that a URL or a header names."""
    return tuple(REFERENCE.findall(text))


def _headers_hold_no_secret(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if SECRET_NAME.search(name) and not references(value):
            raise ValueError(
                f"the header {name} looks like a secret: write `{name}: ${{NAME}}`, and put the value into an "
                "environment variable or a Prefect Secret of that name"
            )
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or re.search(r"[\r\n]", value):
            raise ValueError(f"{name[:40]!r} cannot be a header, or its value has a line break")
    return headers


def _server_address(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    is_server = parts.scheme in {"http", "https"} and parts.hostname and has_port(parts)
    if not is_server or "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("expected the address of a server, `https://minio.example:9000`, without credentials")
    return endpoint


class FetchOptions(BaseModel):
    """The `fetch:` part of a profile.

    Units: seconds and mebibytes; `ratio_limit` is unpacked by packed size.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    auth: Literal["none", "basic", "bearer", "header"] = "none"
    user: CredentialName | None = Field(default=None, description="name of the credential that holds the user name")
    password: CredentialName | None = Field(default=None, description="name of the credential that holds the password")
    token: CredentialName | None = Field(default=None, description="name of the credential for bearer and header")
    header: str = Field(default="X-API-Key", description="for auth: header, the header that carries the token")
    headers: Annotated[dict[str, str], AfterValidator(_headers_hold_no_secret)] = Field(default_factory=dict[str, str])
    client_certificate: str | None = Field(default=None, description="PEM file, with its key or beside client_key")
    client_key: str | None = Field(
        default=None, description="PEM file of the client certificate's key; sftp: the key to log in with"
    )
    client_key_password: CredentialName | None = Field(
        default=None, description="name of the credential that holds the passphrase of client_key"
    )
    ca_file: str | None = Field(default=None, description="PEM file of the authority that signed the server")
    endpoint: Annotated[str, AfterValidator(_server_address)] | None = Field(
        default=None,
        description="for s3, gs, az: the address of another server than the cloud's, `https://minio.example:9000`",
    )
    host_key: str | None = Field(default=None, description="for sftp: the server's key, `ssh-ed25519 AAAA…`")
    verify: bool = Field(default=True, description="false accepts any certificate, with a warning on every run")
    connect_timeout_seconds: Positive = 10
    read_timeout_seconds: Positive = 30
    size_limit_mib: Positive = 512
    unpacked_limit_mib: Positive = 2048
    ratio_limit: Positive = 200
    redirects_limit: Annotated[int, Field(ge=0, le=20)] = 5

    @model_validator(mode="after")
    def _auth_is_complete(self) -> Self:
        needed = {"none": (), "basic": ("user", "password"), "bearer": ("token",), "header": ("token",)}[self.auth]
        missing = [name for name in needed if getattr(self, name) is None]
        if missing:
            raise ValueError(f"auth is {self.auth}, which needs {' and '.join(missing)}: the name of a credential")
        return self

    def missing_for(self, url: str) -> str | None:
        """What a source of this scheme needs and the options do not state, as a sentence; None where nothing."""
        scheme = urlsplit(url).scheme
        if scheme in {"sftp", "az"} and self.user is None:
            return f"{scheme} needs `fetch.user`, the name of the credential that holds the user's name"
        if scheme == "sftp" and self.password is None and self.client_key is None:
            return "sftp needs `fetch.password`, the name of a credential, or `fetch.client_key`, a file"
        if scheme == "sftp" and not self.host_key:
            return (
                "sftp needs `fetch.host_key`, the server's public key (`ssh-ed25519 AAAA…`): `ssh-keyscan HOST` prints "
                "it, compare it first"
            )
        if scheme == "s3" and (self.user is None) != (self.password is None):
            return "s3 needs both `fetch.user` and `fetch.password`, the names of two credentials, or none of them"
        return None

    def credential_names(self, url: str) -> frozenset[str]:
        """Every credential that a fetch of this URL needs."""
        named = {name for name in (self.user, self.password, self.token, self.client_key_password) if name}
        texts = (url, *self.headers.values())
        return frozenset(named.union(*(references(text) for text in texts)))


def has_port(parts: SplitResult) -> bool:
    """Whether the port of an address, stated or not, can be one: urllib looks at it only when it is asked for."""
    try:
        return parts.port != 0
    except ValueError:
        return False


def checked_url(url: str) -> str:
    """The URL template of a profile, unchanged.

    Raises: ValueError where it holds a secret in clear, or is none that Rollcall may follow.
    """
    parts = urlsplit(REFERENCE.sub("1", url))  # a port can be a reference, too
    if "::" in parts.path or "::" in url.partition("//")[0] or parts.scheme not in SCHEMES:
        raise ValueError(f"the url must begin with one of {', '.join(f'{scheme}://' for scheme in SCHEMES)}")
    if parts.scheme != "file" and not parts.hostname:
        raise ValueError("the url has no host")
    if not has_port(parts):
        raise ValueError("the url's port is none: expected a number from 1 to 65535, or nothing")
    if "@" in parts.netloc:
        raise ValueError(
            "the url holds a user name or password: remove it, and state `fetch: {auth: basic, user: NAME, password: "
            "NAME}` with the names of two environment variables or Prefect Secrets"
        )
    for name, value in parse_qsl(urlsplit(url).query, keep_blank_values=True):
        if SECRET_NAME.search(name) and value and not references(value):
            raise ValueError(
                f"the url's parameter {name} looks like a secret: write `{name}=${{NAME}}` with the name of an "
                "environment variable or Prefect Secret"
            )
    return url


def masked_url(url: str) -> str:
    """A URL to show: without user, password, fragment and the values of its query."""
    parts = urlsplit(url)
    query = "&".join(f"{name}=•••" for name, _ in parse_qsl(parts.query, keep_blank_values=True))
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" + (f"?{query}" if query else "")


def too_large(shown: str, options: FetchOptions) -> SourceError:
    """What a source means that is larger than its profile allows, wherever it lies."""
    message = f"{shown} is larger than {options.size_limit_mib:g} MiB. If it is meant, raise fetch.size_limit_mib."
    return SourceError("source-too-large", message)
