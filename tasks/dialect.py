"""How a CSV is written: delimiter, enclosure, line ends."""

from dataclasses import dataclass

from tasks.profile import Profile


@dataclass(frozen=True)
class Dialect:
    """The dialect that a text is read with, nothing left to guess."""

    delimiter: str
    enclosure: str | None
    escape: bool = False


def resolve_dialect(data: bytes, profile: Profile) -> Dialect:
    """The profile's dialect."""
    delimiter = "," if profile.delimiter == "auto" else profile.delimiter
    enclosure = {"none": None, "auto": '"'}.get(profile.enclosure, profile.enclosure)
    return Dialect(delimiter, enclosure, profile.escape != "none")
