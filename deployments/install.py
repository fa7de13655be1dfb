"""Makes everything that a Prefect server must know of Rollcall: `python -m deployments.install`.

`rollcall up` does the same at its start; this is for a server that runs elsewhere, after each change of version.
"""

import click

from deployments.server import connect
from tasks.settings import Settings


def install(settings: Settings) -> list[str]:
    """The work pool, the deployments, the automations; and the phone system's schema. Gives the deployments' names.

    Raises: WrongUseError when no server answers.
    """
    connect(settings)
    from deployments.automating import tell_gone
    from deployments.deploy import deploy_all, remove_gone
    from deployments.notices import install_notices
    from tasks.store.store import open_store

    open_store(settings)
    deployed = deploy_all(settings)
    tell_gone(remove_gone(settings), settings)
    for missing in install_notices(settings):
        text = f"ROLLCALL_NOTIFY names {missing}, and Prefect has no such block: make it on its Blocks page"
        click.echo(text, err=True)
    return deployed


if __name__ == "__main__":
    for name in install(Settings()):
        click.echo(f"deployed {name}")
