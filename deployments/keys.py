"""`rollcall key rotate`."""

import click

from flows.request import new_audited_run, now
from tasks.counts import number_of
from tasks.settings import Settings
from tasks.store.rotate_key import rotate_key


def rotate(settings: Settings) -> None:
    """Puts a new key in force and says what came of it, and what is left to do.

    Raises: WrongUseError when only the key's owner can change it.
    """
    rotated = rotate_key(settings, new_audited_run("rotate-key"), now())
    done = rotated.resealed
    anew = f"{number_of(done.values, 'value')} and {number_of(done.fingerprints, 'fingerprint')}"
    click.echo(f"Key {rotated.key_id} is in force: {anew} made anew.")
    if settings.key is not None:
        click.echo("Now take the older key out of ROLLCALL_KEY, on every machine.", err=True)
    elif settings.key_file is not None:
        click.echo(f"Now bring {settings.key_file} to every other machine.", err=True)
    click.echo(
        "Restart the console, provisioning and workers; backups of the database still need the old key.", err=True
    )
    if done.lost_fingerprints:
        click.echo(
            f"Under the old key stay {number_of(done.lost_fingerprints, 'fingerprint')}, since nobody holds the value "
            "any more: the next import shows such a password or pin as changed, and writes what the file says.",
            err=True,
        )
    if rotated.held:
        click.echo(
            f"Waiting: {number_of(rotated.held, 'held import')}. Import the file again to get a checksum to approve.",
            err=True,
        )
