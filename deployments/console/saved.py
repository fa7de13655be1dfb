"""A profile as it is saved: found by its name, read, proved. One that cannot run has a page of its own."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from deployments.console.refusal import RefusalError
from tasks.errors import Problem, ProfileError
from tasks.profile import Profile
from tasks.profile_file import parse_profile, profile_files, read_profile_text
from tasks.settings import Settings


@dataclass(frozen=True)
class Saved:
    """A proved profile, its text and its file."""

    path: Path
    text: str
    profile: Profile


class BrokenProfileError(ProfileError):
    """A profile that was made invalid outside the console; `text` is empty where it cannot even be read."""

    def __init__(self, name: str, text: str, problems: list[Problem]) -> None:
        super().__init__(f"{name}.yaml", problems)
        self.name = name
        self.text = text


@lru_cache(maxsize=512)
def proved_profile(text: str, name: str) -> Profile:
    """The profile of a text, proved once however often it is looked at.

    Raises: ProfileError with every problem.
    """
    return parse_profile(text, name, f"{name}.yaml")


def require_profile(settings: Settings, name: str) -> Path:
    """The file of a profile of the profiles folder.

    Raises: RefusalError for any other name; a path is none.
    """
    found = next((path for path in profile_files(settings) if path.stem == name), None)
    if found is None:
        raise RefusalError(404, "There is no such profile.")
    return found


def saved_profile(settings: Settings, name: str) -> Saved:
    """The profile of this name.

    Raises: RefusalError where there is none; BrokenProfileError for one that cannot run.
    """
    return read_saved(require_profile(settings, name))


def read_saved(path: Path) -> Saved:
    """The profile of a file.

    Raises: BrokenProfileError for one that cannot run.
    """
    text = ""
    try:
        text = read_profile_text(path)
        return Saved(path, text, proved_profile(text, path.stem))
    except ProfileError as error:
        raise BrokenProfileError(path.stem, text, error.problems) from None
