"""The bytes of the CSV file, from an upload or from a URL: one attempt, whole or not at all.

Everything that an attempt depends on comes in with the request; nothing is read from the environment. What a failed
attempt says is safe to show: no credential, no query of a URL, no text of a library stands in it.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from pydantic import SecretStr

from tasks.address import address_rules
from tasks.archive import Limits, unpack
from tasks.errors import SourceError, WrongUseError
from tasks.fetch_options import REFERENCE, masked_url, too_large
from tasks.issue import Issue, issue_frame
from tasks.output import Source, SourceFacts
from tasks.profile import Profile
from tasks.retry import FETCH, call_with_retries
from tasks.source_file import SourceFile
from tasks.step import step

TLS_NOT_VERIFIED: Final = (
    "The certificate of the server is not checked (`fetch.verify: false`): anybody on the way can change the file. "
    "Name the authority that signed it in `fetch.ca_file` and remove `verify`."
)


@dataclass(frozen=True)
class Kept:
    """The last body of a URL with what the server said of its version, so that it need not be sent again."""

    data: bytes
    name: str
    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True, kw_only=True)
class FetchRequest:
    """All that one fetch depends on.

    `credentials` by name; `url_allow` and `url_deny` as in the settings; `kept` makes the request conditional;
    `started` is when the first attempt began, so that all of them together end in time.
    """

    profile: Profile
    file: SourceFile | None = None
    credentials: Mapping[str, SecretStr] = field(default_factory=dict[str, SecretStr])
    url_allow: str = ""
    url_deny: str = ""
    file_root: Path | None = None
    kept: Kept | None = None
    started: float = field(default_factory=time.monotonic, compare=False)

    @property
    def ends_at(self) -> float:
        """When all attempts together must have ended, as `time.monotonic` reads then."""
        return self.started + FETCH.total_seconds

    def cache_facts(self) -> dict[str, str] | None:
        """What the output depends on: the upload's content and name; None where only a server could tell."""
        if self.file is None or not self.file.is_file():
            return None
        with self.file.open("rb") as content:
            return {"name": self.file.name, "digest": hashlib.file_digest(content, "sha256").hexdigest()}

    def credential(self, name: str | None) -> str:
        """The value of a credential.

        Raises: WrongUseError where it is not there.
        """
        if name is None or name not in self.credentials:
            raise WrongUseError(
                "credential-missing",
                f"The profile names the credential {name}, which is not there: set the environment variable {name}, or "
                "make a Prefect Secret block of that name.",
            )
        return self.credentials[name].get_secret_value()

    def filled(self, template: str, safe: str | None = None) -> str:
        """A template with its `${NAME}` replaced, percent-encoded for a URL where `safe` characters are given."""

        def value(name: str) -> str:
            secret = self.credential(name)
            return secret if safe is None else quote(secret, safe=safe)

        return REFERENCE.sub(lambda match: value(match[1]), template)


def fetch_source(request: FetchRequest) -> Source:
    """The source, unpacked; one attempt.

    Raises: TransientSourceError where another attempt may help, SourceError where not, WrongUseError without a file.
    """
    if request.profile.type == "upload":
        if request.file is None:
            message = "The profile is of type upload, but no file was given: name the CSV file."
            raise WrongUseError("file-missing", message)
        return _source(request, read_file(request.file, request.profile), request.file.name)
    url = request.profile.url or ""
    match urlsplit(url).scheme:
        case "http" | "https":
            return _over_http(request, url)
        case "file":
            return _source(request, _local(request, url), masked_url(url))
        case _:
            from tasks.fetch_remote import read_remote  # its libraries are optional

            return _source(request, read_remote(request, url), masked_url(url))


def fetch_with_retries(request: FetchRequest, *, sleep: Callable[[float], None] = time.sleep) -> Source:
    """The source after as many attempts as the policy allows; the same policy that the task has, without Prefect."""
    return call_with_retries(lambda: fetch_source(request), FETCH, sleep)


def read_file(file: SourceFile, profile: Profile) -> bytes:
    """The content of a local file.

    Raises: SourceError where it cannot be read, is no regular file or is too large.
    """
    try:
        if not file.is_file():
            raise SourceError("file-unreadable", f"{file.name} does not exist or is no file: check its path.")
        if file.stat().st_size > profile.fetch.size_limit_mib * 2**20:
            raise too_large(file.name, profile.fetch)
        return file.read_bytes()
    except OSError as error:
        raise SourceError("file-unreadable", f"{file.name} cannot be read: {error.strerror}.") from None


def _local(request: FetchRequest, url: str) -> bytes:
    """A file:// source, which must lie below the root after every link is followed."""
    root = request.file_root
    file = Path(unquote(urlsplit(url).path))
    if root is None or urlsplit(url).netloc not in {"", "localhost"}:
        raise SourceError(
            "file-url-refused",
            "file:// sources are read only below the folder ROLLCALL_FILE_ROOT of this machine: set it, or upload.",
        )
    try:
        real = file.resolve(strict=True)
    except (OSError, RuntimeError):
        raise SourceError("file-unreadable", f"{masked_url(url)} does not exist: check its path.") from None
    if not real.is_relative_to(root.resolve()):
        raise SourceError("file-url-refused", f"{masked_url(url)} lies outside ROLLCALL_FILE_ROOT: move it there.")
    return read_file(real, request.profile)


def _over_http(request: FetchRequest, url: str) -> Source:
    from tasks.fetch_http import Exchange, get  # requests is slow to import, and uploads do without

    options = request.profile.fetch
    name = masked_url(url)
    kept = request.kept if request.kept and request.kept.name == name else None
    exchange = Exchange(
        url=request.filled(url, safe=""),
        name=name,
        options=options,
        rules=address_rules(request.url_allow, request.url_deny),
        headers=_headers(request, kept),
        basic=_user_and_password(request) if options.auth == "basic" else None,
        passphrase=request.credential(options.client_key_password) if options.client_key_password else None,
        ends_at=request.ends_at,
    )
    answer = get(exchange)
    if answer.body is None and kept is None:
        raise SourceError("http-304", f"{name} answers 304 Not Modified, though nothing was kept: check the server.")
    body = kept.data if answer.body is None and kept else answer.body or b""
    source = _source(request, body, name)
    facts = replace(
        source.facts,
        etag=answer.etag or (kept.etag if kept and answer.body is None else ""),
        last_modified=answer.last_modified or (kept.last_modified if kept and answer.body is None else ""),
        unchanged=answer.body is None,
    )
    return replace(source, facts=facts)


def _user_and_password(request: FetchRequest) -> tuple[str, str]:
    options = request.profile.fetch
    return request.credential(options.user), request.credential(options.password)


def _headers(request: FetchRequest, kept: Kept | None) -> dict[str, str]:
    options = request.profile.fetch
    headers = {name: request.filled(value) for name, value in options.headers.items()}
    if options.auth == "bearer":
        headers["Authorization"] = f"Bearer {request.credential(options.token)}"
    if options.auth == "header":
        headers[options.header] = request.credential(options.token)
    if kept and kept.etag:
        headers["If-None-Match"] = kept.etag
    if kept and kept.last_modified:
        headers["If-Modified-Since"] = kept.last_modified
    return headers


def _source(request: FetchRequest, packed: bytes, name: str) -> Source:
    options = request.profile.fetch
    data = unpack(packed, Limits(int(options.unpacked_limit_mib * 2**20), options.ratio_limit))
    facts = SourceFacts(name=name, digest=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
    unchecked = not options.verify and _uses_tls(request.profile)
    issues = [Issue(None, None, None, "tls-not-verified", TLS_NOT_VERIFIED)] if unchecked else []
    return Source(data=data, facts=facts, issues=issue_frame(issues))


def _uses_tls(profile: Profile) -> bool:
    scheme = urlsplit(profile.url or "").scheme
    store = urlsplit(profile.fetch.endpoint or "https:").scheme if scheme in {"s3", "gs", "az"} else ""
    return "https" in {scheme, store}


fetch = step("fetch", version=2, retries=FETCH)(fetch_source)
