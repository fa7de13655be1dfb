"""Undo of extensions: everybody gets the former number back, or the next free one where somebody has it now.

A number is anybody's who has it and whose number the undo leaves alone, also of people whom it changes otherwise.
"""

from typing import Any

import polars as pl

from tasks.extensions import next_free_numbers
from tasks.issue import Issue
from tasks.snapshot import Snapshot


def give_numbers(people: list[dict[str, Any]], snapshot: Snapshot, start: int) -> list[Issue]:
    """Settles `number` of each person whose number goes back; what is to be said of those who get another one."""
    giving_up = {person["login"] for person in people if person["action"] != "create" and _moves(person)}
    owners = dict(snapshot.users.select("user_id", "login").iter_rows())
    numbers = snapshot.extensions.select("number", "user_id").rows()
    taken = {number for number, user_id in numbers if owners.get(user_id) not in giving_up}
    wanted = [person for person in people if _moves(person) and person.get("number") is not None]
    # No stranger is to be reached under a number that is given up now or was lately (decision 22).
    avoided = {*(number for number, _ in numbers), *snapshot.resting["number"], *(one["number"] for one in wanted)}
    issues: list[Issue] = []
    for person in wanted:
        number = person["number"]
        if number in taken:
            person["number"] = next_free_numbers(1, start, pl.Series([*avoided], dtype=pl.String))[0]
            _become_automatic(person)
            text = f"{person['login']}: {number} was taken since, gets {person['number']}"
            issues.append(Issue(None, None, None, "undo-other-number", text))
            person["fields"]["extension"][1] = person["number"]
        taken.add(person["number"])
        avoided.add(person["number"])
    return issues


def _moves(person: dict[str, Any]) -> bool:
    """Whether the undo gives the person another number than now, or takes the present one away."""
    return person["action"] == "remove" or "extension" in person["fields"]


def _become_automatic(person: dict[str, Any]) -> None:
    fields, present = person["fields"], None if person["action"] == "create" else person["automatic"]
    was = fields.pop("extension_automatic", [present])[0]
    if was is not True:
        fields["extension_automatic"] = [was, True]
    person["automatic"] = True
