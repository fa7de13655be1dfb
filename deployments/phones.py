"""`rollcall phones`: what goes beyond the list, a new SIP secret and the phones that nobody has yet."""

from typing import Any

from rich.text import Text

from deployments.terminal import new_table, out
from flows.request import new_audited_run, now
from tasks.settings import Settings
from tasks.store.rotate import rotate_sip_secret
from tasks.store.store import open_store


def rotate_phone(phone: str, settings: Settings) -> str:
    """Gives a phone a new SIP secret; what to say about it, without the secret.

    Raises: WrongUseError when there is no such phone.
    """
    name = rotate_sip_secret(open_store(settings), phone, new_audited_run("rotate"), now())
    return f"{name} has a new SIP secret. It can register again once it has fetched its settings."


def print_seen(phones: list[dict[str, Any]]) -> None:
    """Which phones asked for their settings and are nobody's."""
    shown = new_table("seen, not assigned", "mac", "vendor", "address", "first seen", "last seen")
    for phone in phones:
        shown.add_row(*(Text(phone[name]) for name in ("mac", "vendor", "address", "first_seen", "last_seen")))
    out().print(shown if phones else Text("No phone without a user has asked for its settings."))
