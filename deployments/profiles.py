"""`rollcall profiles` and `rollcall check`."""

from collections.abc import Iterator
from pathlib import Path

from deployments.terminal import out, print_json, talk
from tasks.counts import number_of
from tasks.errors import ProfileError, RollcallError, WrongUseError
from tasks.mapping import mapping_of
from tasks.profile_file import find_profile, load_profile, profile_files, profile_warnings
from tasks.settings import Settings
from tasks.store.connection import sqlite_path
from tasks.store.store import open_store
from tasks.store.views import owned_counts


def list_profiles(settings: Settings, *, as_json: bool) -> None:
    """The profiles of the profiles folder, then those that are gone and still own people or contacts.

    One that cannot run is listed with its first problem.
    """
    paths = profile_files(settings)
    listed = [*(_listed(path) for path in paths), *_orphans({path.stem for path in paths}, settings)]
    if as_json:
        print_json(listed)
        return
    console = out()
    for entry in listed:
        console.print(f"{entry['profile']:24} {entry['type']:7} {entry['mode']:7} {entry['title']}")
    if not listed:
        console.print(f"No profiles in {settings.profiles}. `rollcall new NAME` writes one.")


def check_profile(name: str, settings: Settings, *, strict: bool = False) -> None:
    """Says that a profile is valid, and how its expressions run; where it is strict, a warning is an error.

    Raises: ProfileError with every problem.
    """
    path = find_profile(name, settings)
    profile, warnings = load_profile(path), profile_warnings(path)
    if strict and warnings:
        raise ProfileError(str(path), warnings)
    mapping = mapping_of(profile)
    console = out()
    console.print(f"{path}: valid")
    expressions = {"prefilter": mapping.prefilter, **mapping.variables}
    by_row = {key: expression for key, expression in expressions.items() if expression.mode == "rows"}
    console.print(f"{len(expressions) - len(by_row)} of {len(expressions)} expressions run as columns")
    for key, expression in by_row.items():
        console.print(f"  {key} runs by row: {expression.why_rows}")
    if mapping.structure.mode == "rows":
        console.print(f"  the Structure is rendered by row: {mapping.structure.why_rows}")
    for warning in warnings:
        console.print(f"  warning: {warning}")


def _orphans(known: set[str], settings: Settings) -> Iterator[dict[str, str | int]]:
    """Owners without a profile (decision 25), where there is a phone system to look at."""
    path = sqlite_path(settings.store_url())
    if path is not None and not path.is_file():
        return
    try:
        with open_store(settings).open() as connection:
            found = owned_counts(connection)
    except RollcallError as error:
        talk().print(f"Whether profiles are gone that still own people cannot be told. {error.message}")
        return
    for profile, (people, contacts) in sorted(found.items()):
        if profile not in known:
            title = (
                f"gone, and still owns {number_of(people, 'user')} and {number_of(contacts, 'contact')}: "
                "put its file back, "
                "or let a profile that names them take them with on_existing: adopt"
            )
            yield {"profile": profile, "type": "", "mode": "", "title": title, "users": people, "contacts": contacts}


def _listed(path: Path) -> dict[str, str]:
    try:
        profile = load_profile(path)
    except (ProfileError, WrongUseError) as error:
        return {"profile": path.stem, "type": "", "mode": "", "title": f"cannot run: {error.message.splitlines()[0]}"}
    return {"profile": path.stem, "type": profile.type, "mode": profile.mode, "title": profile.title}
