"""What is different for a run that a deployment started: who may ask for what, and which run it is."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BeforeValidator

from tasks.errors import WrongUseError
from tasks.profile_file import find_profile, profile_files
from tasks.run import new_run_id
from tasks.settings import Settings

PROFILE_TAG: Final = "rollcall-profile"
"""Marks the deployment that is one profile's own, with its schedule."""


@dataclass(frozen=True)
class Occasion:
    """What made a run: nothing but this process, or a run of a deployment that may be taken up again by another worker.

    `identity` and `created` stay the same over all attempts of a flow run.
    """

    identity: str = ""
    created: datetime | None = None
    deployed: bool = False

    def run_id(self) -> str:
        """The id of the run; attempts of one flow run are one run."""
        return new_run_id(self.created or datetime.now(UTC), self.identity)


def offer_profiles(schema: dict[str, Any]) -> None:
    """Makes the form's field a dropdown of the profiles that the folder holds when the form is made."""
    names = [file.stem for file in profile_files(Settings())]
    if names:
        schema["enum"] = names


def in_order(schema: dict[str, Any]) -> None:
    """Keeps the fields of a form in the order of the model: the server's database forgets it."""
    for position, field in enumerate(schema["properties"].values()):
        field["position"] = position


def as_plain_text(schema: dict[str, Any]) -> None:
    """Makes an optional text a plain field of the form instead of a choice between a text and nothing."""
    schema.pop("anyOf", None)
    schema["type"], schema["default"] = "string", ""


def nothing_for_empty(value: Any) -> Any:
    """What a form sends for a field that was left empty means nothing."""
    return None if value == "" else value


FormText = Annotated[str | None, BeforeValidator(nothing_for_empty)]


def refuse_what_only_a_terminal_may(profile: str, settings: Settings) -> None:
    """Guards a run whose parameters come from whoever may start one.

    Raises: WrongUseError for a path as profile, or a worker that does not know where its state lies.
    """
    if profile not in {file.stem for file in profile_files(settings)}:
        find_profile(Path(profile).stem, settings)
        raise WrongUseError("profile-unknown", "A run names its profile as the profiles folder does, not by a path.")
    for name, path in (("ROLLCALL_HOME", settings.home), ("ROLLCALL_PROFILES", settings.profiles)):
        if not path.is_absolute():
            raise WrongUseError(
                "worker-lost",
                f"The worker runs without an absolute {name}: state would lie in a temporary folder. "
                "Start workers with `rollcall worker`, or set it in their environment.",
            )
