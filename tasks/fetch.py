"""The bytes of the CSV file, from an upload or from a URL."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from tasks.errors import SourceError, WrongUseError
from tasks.output import Source, SourceFacts
from tasks.profile import Profile
from tasks.retry import FETCH
from tasks.step import step


@dataclass(frozen=True, kw_only=True)
class FetchRequest:
    """All that one fetch depends on: nothing is read from the environment later."""

    profile: Profile
    file: Path | None = None
    credentials: Mapping[str, SecretStr] = field(default_factory=dict[str, SecretStr])

    def cache_facts(self) -> dict[str, str] | None:
        """What the output depends on: the upload's content and name; None where only a server could tell."""
        if self.file is None or not self.file.is_file():
            return None
        with self.file.open("rb") as content:
            return {"name": self.file.name, "digest": hashlib.file_digest(content, "sha256").hexdigest()}


def fetch_source(request: FetchRequest) -> Source:
    """The file, read once.

    Raises: TransientSourceError where another attempt may help, SourceError where not.
    """
    if request.file is None:
        raise WrongUseError("file-missing", "The profile is of type upload, but no file was given: name the CSV file.")
    try:
        data = request.file.read_bytes()
    except OSError as error:
        raise SourceError("file-unreadable", f"The file {request.file} cannot be read: {error.strerror}.") from error
    digest = hashlib.sha256(data).hexdigest()
    return Source(data=data, facts=SourceFacts(name=request.file.name, digest=digest, size_bytes=len(data)))


fetch = step("fetch", version=1, retries=FETCH)(fetch_source)
