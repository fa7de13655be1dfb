"""Who may do what: nobody is asked on loopback; elsewhere a password, or a name that a known proxy vouches for.

People stand in the file `console-users` of ROLLCALL_HOME, one a line as `name:role:hash`. The hash is argon2id, or `-`
for somebody who only comes through the proxy.
"""

import os
import re
import secrets
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import ip_address
from pathlib import Path
from threading import Lock
from typing import Final

from tasks.errors import WrongUseError
from tasks.settings import Settings

NAME: Final = re.compile(r"[A-Za-z0-9._@+-]{1,80}")
NO_PASSWORD: Final = "-"  # noqa: S105 - the mark for having none


class Role(IntEnum):
    """What a person may do; each role may do what the ones before it may."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        """The role as it is written."""
        return self.name.lower()


@dataclass(frozen=True)
class Person:
    """Who uses the console."""

    name: str
    role: Role


@dataclass(frozen=True, kw_only=True)
class Access:
    """How people prove who they are.

    `local` is who everybody is on loopback without a `console-users` file; None asks for a password. `proxies` are the
    addresses whose `proxy_header` is believed.
    """

    file: Path
    local: Person | None
    proxy_header: str = ""
    proxies: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()

    def vouched(self, address: str, header: str | None) -> Person | None:
        """The person whom a known proxy names; anybody else's header is worth nothing."""
        if not self.proxy_header or not header or address not in self.proxies or not NAME.fullmatch(header):
            return None
        known = people(self.file).get(header)
        return Person(header, known[0] if known else Role.VIEWER)

    def proved(self, name: str, password: str) -> Person | None:
        """The person whose password this is. It takes as long for a name that does not exist."""
        from argon2 import PasswordHasher
        from argon2.exceptions import InvalidHashError, VerificationError

        role, stored = people(self.file).get(name, (Role.VIEWER, NO_PASSWORD))
        try:
            with _PROVING:
                PasswordHasher().verify(_UNKNOWN if stored == NO_PASSWORD else stored, password)
        except (VerificationError, InvalidHashError):
            return None
        return Person(name, role) if stored != NO_PASSWORD else None

    def still(self, person: Person) -> Person | None:
        """The person as the file says now, so that who is taken out of it is out."""
        known = people(self.file).get(person.name)
        return Person(person.name, known[0]) if known else None


# One proof takes 64 MiB: they wait for one another.
_PROVING: Final = Lock()
_UNKNOWN: Final = "$argon2id$v=19$m=65536,t=3,p=4$C5zTkYsPYIYuQq8vzq0m4g$Cj4gKJH4uVmGqVxGZ0yPr3n4kX1R2i0nQkH0m1d8J6M"


def people(file: Path) -> dict[str, tuple[Role, str]]:
    """Role and hash by name.

    Raises: WrongUseError for a line that is none.
    """
    if not file.is_file():
        return {}
    found: dict[str, tuple[Role, str]] = {}
    for number, line in enumerate(file.read_text("utf-8").splitlines(), start=1):
        name, _, rest = line.partition(":")
        role, _, stored = rest.partition(":")
        if not NAME.fullmatch(name) or role.upper() not in Role.__members__ or not stored:
            message = f"{file}, line {number}: expected name:role:hash. Write it with `rollcall console --add-user`."
            raise WrongUseError("console-users-invalid", message)
        found[name] = (Role[role.upper()], stored)
    return found


def write_person(file: Path, name: str, role: Role, password: str | None) -> None:
    """Adds or changes a person; without a password he comes through the proxy only.

    Raises: WrongUseError for a name or a password that cannot be.
    """
    if not NAME.fullmatch(name):
        raise WrongUseError("console-name", f"{name!r} is no name: use letters, digits and . _ @ + - (80 at most).")
    if password is not None and len(password) < 12:
        raise WrongUseError("console-password", "The password is too short: use 12 characters or more.")
    stored = NO_PASSWORD
    if password is not None:
        from argon2 import PasswordHasher

        stored = PasswordHasher().hash(password)
    found = people(file) | {name: (role, stored)}
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:  # noqa: PTH123
        out.writelines(f"{each}:{role.word}:{stored}\n" for each, (role, stored) in sorted(found.items()))
    draft.replace(file)


def access_for(
    host: str, settings: Settings, *, proxy_header: str = "", proxies: frozenset[str] = frozenset(), local: str = ""
) -> Access:
    """How people prove who they are on this address.

    Raises: WrongUseError for an address other than loopback that nobody could log in to.
    """
    file = settings.home / "console-users"
    known = people(file)
    if proxy_header and not proxies:
        raise WrongUseError("console-proxy", "Name the proxy's address with --proxy: only its header is believed.")
    if known or proxy_header:
        return Access(file=file, local=None, proxy_header=proxy_header, proxies=proxies)
    if not is_loopback(host):
        raise WrongUseError(
            "console-open",
            f"{host} can be reached by others, and nobody could be asked who he is. Add a person first: "
            "rollcall console --add-user NAME --role admin. "
            "Or name a proxy: --proxy-header X-Remote-User --proxy 10.0.0.5.",
        )
    loopback = frozenset({"localhost", "127.0.0.1", "[::1]", host})
    return Access(file=file, local=Person(local or "local", Role.ADMIN), hosts=loopback)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
