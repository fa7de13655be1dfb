"""Where a source's secrets and its last body come from: the environment, Prefect's Secret blocks, the database.

Resolved here, at the edge, once a run; fetch itself reads nothing but its request.
"""

import os
from collections.abc import Iterable
from typing import Any

from pydantic import SecretStr

from tasks.fetch import FetchRequest, Kept
from tasks.profile import Profile
from tasks.settings import Settings
from tasks.source_file import SourceFile
from tasks.store.files import read_body
from tasks.store.store import Store


def fetch_request(profile: Profile, file: SourceFile | None, settings: Settings, store: Store) -> FetchRequest:
    """What one fetch needs; made just before it, since its three minutes begin here."""
    url = profile.url if profile.type == "url" else None
    return FetchRequest(
        profile=profile,
        file=file,
        credentials=resolve(profile.fetch.credential_names(url)) if url else {},
        url_allow=settings.url_allow,
        url_deny=settings.url_deny,
        file_root=settings.file_root,
        kept=_kept(profile, store) if url else None,
    )


def resolve(names: Iterable[str]) -> dict[str, SecretStr]:
    """Credentials by name: an environment variable, or else a Prefect Secret block. What is nowhere is left out."""
    found: dict[str, SecretStr] = {}
    for name in sorted(names):
        value = os.environ.get(name)
        secret = SecretStr(value) if value is not None else _secret_block(name)
        if secret is not None:
            found[name] = secret
    return found


def _secret_block(name: str) -> SecretStr | None:
    """A Secret block of that name, where a Prefect server is configured."""
    if not os.environ.get("PREFECT_API_URL"):
        return None
    from tasks.prefect_settings import prepare_prefect

    prepare_prefect()
    from prefect.blocks import system

    try:
        blocks: Any = system  # a block's class carries no types that could be named
        block = blocks.Secret.load(name.lower().replace("_", "-"))
    except ValueError:
        return None
    return SecretStr(str(block.get()))


def _kept(profile: Profile, store: Store) -> Kept | None:
    """The last body of the profile's URL, when the server said what version it was (decision 1)."""
    with store.open() as connection:
        found = read_body(connection, profile.name, store.keyring)
    if found is None:
        return None
    data, facts = found
    return Kept(data=data, name=facts.name, etag=facts.etag, last_modified=facts.last_modified)
