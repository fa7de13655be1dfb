"""`rollcall console`: serves the console on one address."""

import os
from getpass import getpass, getuser

import click

from deployments.console.access import Role, access_for, write_person
from tasks.errors import WrongUseError
from tasks.settings import Settings


def serve(host: str, port: int, settings: Settings, *, proxy_header: str, proxies: frozenset[str]) -> None:
    """Serves until it is stopped.

    Raises: WrongUseError for an address that others reach and nobody could log in to.
    """
    import uvicorn

    from deployments.console.app import create_app

    local = os.environ.get("USER") or getuser()
    access = access_for(host, settings, proxy_header=proxy_header, proxies=proxies, local=local)
    app = create_app(settings, access)
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"Rollcall's console: http://{shown}:{port}/")
    # Proxy headers that nobody named are not believed: an address must be the one that really called.
    uvicorn.run(app, host=host, port=port, log_level="warning", proxy_headers=False, server_header=False)


def add_user(name: str, role: str, settings: Settings) -> None:
    """Asks for a password twice, and writes the person into `console-users`.

    Raises: WrongUseError when the passwords differ.
    """
    password = getpass(f"Password for {name} (12 characters or more): ")
    if password != getpass("Once more: "):
        raise WrongUseError("console-password", "The two passwords differ. Nothing was written.")
    write_person(settings.home / "console-users", name, Role[role.upper()], password)
    click.echo(f"{name} may log in as {role}.")
