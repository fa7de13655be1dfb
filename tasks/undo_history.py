"""What a run left behind: all that its undo goes by."""

import json
from dataclasses import dataclass, field
from typing import Any, Final

from tasks.user import FOLLOW_ME, FOLLOW_ME_DEFAULTS

DEVICE_VALUES: Final = ("ip", "number", "web_user", *FOLLOW_ME.values())
DEVICE_DEFAULTS: Final = {name: FOLLOW_ME_DEFAULTS.get(name, "") for name in (*DEVICE_VALUES, "name")}


@dataclass(frozen=True)
class History:
    """What a run changed, and the sealed values of whom and what it changed as they lie now.

    Shape: `changes` rows of run_changes with `fields` as text, `secrets` rows of run_secrets, `phones` of run_phones,
    `contacts` of run_contacts; `present` has `login`, `password`, `pin`, `web_passwords` the sealed value of a device
    by its id.
    """

    run: str
    profile: str
    changes: list[dict[str, Any]]
    secrets: list[dict[str, Any]]
    phones: list[dict[str, Any]]
    contacts: list[dict[str, Any]]
    present: list[dict[str, Any]]
    web_passwords: dict[int, bytes | None] = field(default_factory=dict[int, bytes | None])


def key_of_device(device: dict[str, Any]) -> Any:
    """What a device, or a run's change of it, is known by."""
    return device["mac"] or (device["kind"], device["device_id"])


def values_changed_since(history: History, phone: dict[str, Any], device: dict[str, Any]) -> list[str]:
    """The values of a device that are not as the run left them."""
    fields: dict[str, list[Any]] = json.loads(phone["fields"])
    # Of a device that was there before, which has an account, only what the run set is known.
    was_made = phone["before"] is None and phone["sip_user"] is None
    left = {name: DEVICE_DEFAULTS[name] for name in DEVICE_VALUES} if was_made else {}
    left |= {name: pair[1] for name, pair in fields.items() if name in DEVICE_VALUES}
    changed = [name for name, value in left.items() if device[name] != value]
    return [*changed, "web_password"] if "web_password" in fields and _moved(history, phone, device) else changed


def _moved(history: History, phone: dict[str, Any], device: dict[str, Any]) -> bool:
    """Whether the web password is another than the run left."""
    present = history.web_passwords.get(device["device_id"]), device["web_password_fingerprint"]
    return present != (phone["web_password_after"], phone["web_password_fingerprint_after"])
