"""`rollcall prune`: what the history no longer keeps goes, with its counts."""

from datetime import UTC, datetime

import click

from tasks.settings import Settings
from tasks.store.prune import prunable, prune
from tasks.store.store import open_store


def prune_history(settings: Settings, *, only_simulate: bool) -> None:
    """Removes what is past its time, or says what would go."""
    store, now = open_store(settings), datetime.now(UTC)
    with store.open() as connection:
        if only_simulate:
            click.echo(f"would remove: {prunable(connection, now, settings.history_days).sentence}")
            return
        store.lock_for_writing(connection)
        gone = prune(connection, now, settings.history_days)
        connection.commit()
    click.echo(f"removed: {gone.sentence}")
