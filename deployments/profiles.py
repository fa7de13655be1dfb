"""`rollcall profiles` and `rollcall check`."""

from pathlib import Path

from deployments.terminal import out, print_json
from tasks.errors import ProfileError, WrongUseError
from tasks.mapping import mapping_of
from tasks.profile_file import find_profile, load_profile, profile_files
from tasks.settings import Settings


def list_profiles(settings: Settings, *, as_json: bool) -> None:
    """The profiles of the profiles folder; one that cannot run is listed with its first problem."""
    listed = [_listed(path) for path in profile_files(settings)]
    if as_json:
        print_json(listed)
        return
    console = out()
    for entry in listed:
        console.print(f"{entry['profile']:24} {entry['type']:7} {entry['mode']:7} {entry['title']}")
    if not listed:
        console.print(f"No profiles in {settings.profiles}. `rollcall new NAME` writes one.")


def check_profile(name: str, settings: Settings) -> None:
    """Says that a profile is valid, and how its expressions run.

    Raises: ProfileError with every problem.
    """
    path = find_profile(name, settings)
    profile = load_profile(path)
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
    for warning in mapping.structure.warnings:
        console.print(f"  warning: {warning}")


def _listed(path: Path) -> dict[str, str]:
    try:
        profile = load_profile(path)
    except (ProfileError, WrongUseError) as error:
        return {"profile": path.stem, "type": "", "mode": "", "title": f"cannot run: {error.message.splitlines()[0]}"}
    return {"profile": path.stem, "type": profile.type, "mode": profile.mode, "title": profile.title}
