"""Loads a profile from YAML and proves it: whatever is wrong is said at once, each with file, line and column."""

import functools
import re
from collections.abc import Iterator
from collections.abc import Mapping as Map
from difflib import get_close_matches
from io import StringIO
from pathlib import Path
from typing import Any, Final, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tasks.errors import Problem, ProfileError, WrongUseError
from tasks.expression.compiled import compile_expression
from tasks.expression.errors import ExpressionError
from tasks.fetch_options import FIRST_OPTIONS
from tasks.profile import Brakes, Profile
from tasks.profile_document import moved, place_of, plain, read_document, yaml_of_profiles
from tasks.rendering.structure import StructureError, compile_structure
from tasks.settings import Settings

NAME: Final = re.compile(r"[\w-]{1,60}")
"""What a new profile may be called: its name stands in addresses, in file names and on command lines."""
_TEMPLATE: Final = Path(__file__).parent / "template" / "users-from-csv.yaml"


def find_profile(name: str, settings: Settings) -> Path:
    """The file of a profile: a path to a YAML file, or a name in the profiles folder.

    Raises: WrongUseError with the nearest name.
    """
    path = Path(name)
    if _is_path(name):
        if path.is_file():
            return path
        raise WrongUseError("profile-unknown", f"There is no profile file {name}.")
    path = settings.profiles / f"{name}.yaml"
    if path.is_file():
        return path
    known = [file.stem for file in profile_files(settings)]
    near = get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"Profiles there: {', '.join(known) or 'none'}."
    raise WrongUseError(
        "profile-unknown",
        f"There is no profile {name} in {settings.profiles}. {hint} `rollcall new {name}` makes one.",
    )


def profile_name(name: str) -> str:
    """The name of a profile that is given as a name or as a path, whether its file is there or not."""
    return Path(name).stem if _is_path(name) else name


def require_in_folder(path: Path, settings: Settings) -> None:
    """Guards what goes on without the person who named the file.

    Raises: WrongUseError for a file outside the profiles folder, where no worker looks.
    """
    if path.resolve() not in {file.resolve() for file in profile_files(settings)}:
        raise WrongUseError(
            "profile-elsewhere",
            f"{path} is not in {settings.profiles.absolute()}: there a run by schedule looks for its profile, as "
            f"{path.stem}.yaml. Move it there, or set ROLLCALL_PROFILES here and for the workers.",
        )


def profile_files(settings: Settings) -> list[Path]:
    """The profiles of the profiles folder, by name."""
    return sorted(settings.profiles.glob("*.yaml"))


def load_profile(path: Path) -> Profile:
    """A profile that is proved: it can run.

    Raises: ProfileError with every problem at once.
    """
    return parse_profile(read_profile_text(path), path.stem, str(path))


def load_template() -> Profile:
    """The template "Users from CSV", as it comes with the package."""
    return load_profile(_TEMPLATE)


def read_profile_text(path: Path) -> str:
    """The text of a profile's file.

    Raises: ProfileError for a file that cannot be read, or is no UTF-8.
    """
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise ProfileError(str(path), [Problem(f"the file cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        raise ProfileError(str(path), [Problem(f"byte {error.start} is not UTF-8; save the file as UTF-8")]) from None


@functools.lru_cache(maxsize=64)
def parse_profile(text: str, name: str, file: str) -> Profile:
    """As `load_profile`, from text; one and the same text is proved once in a process."""
    document = read_document(text, file)
    profile: Profile | None = None
    problems = list(_language_problems(document))
    if "name" in document:
        place = place_of(document, ["name"])
        problems.append(Problem("`name` is not a setting: the file's own name is the profile's", *place))
    try:
        profile = Profile.model_validate({**plain(document), "name": name})
    except ValidationError as error:
        problems += [_problem(document, detail) for detail in error.errors(include_url=False)]
    if profile is None or problems:
        raise ProfileError(file, sorted(problems, key=lambda problem: (problem.line or 0, problem.column or 0)))
    return profile


def profile_warnings(path: Path) -> list[Problem]:
    """What a profile that can run will not do as its Structure seems to say, each with line and column.

    Raises: ProfileError for a profile that cannot run.
    """
    text = read_profile_text(path)
    profile = parse_profile(text, path.stem, str(path))
    return list(moved(compile_structure(profile.structure).findings, read_document(text, str(path)), ("structure",)))


def new_profile(name: str, settings: Settings, choices: Map[str, str]) -> Path:
    """Writes a profile from the template "Users from CSV"; its comments stay.

    Raises: WrongUseError when the name is no file name or the profile exists; ProfileError for a bad choice.
    """
    if not NAME.fullmatch(name):
        raise WrongUseError(
            "profile-name",
            f"{name[:80]!r} is no name for a profile: use letters, digits, dash, underscore, 60 at most.",
        )
    path = settings.profiles / f"{name}.yaml"
    if path.exists():
        raise WrongUseError("profile-exists", f"{path} exists already. Choose another name, or edit that file.")
    document = yaml_of_profiles().load(_TEMPLATE.read_text("utf-8"))
    for key, value in choices.items():
        document[key] = value
    if first := FIRST_OPTIONS.get(choices.get("url", "").partition("://")[0]):
        document["fetch"] = first
    buffer = StringIO()
    yaml_of_profiles().dump(document, buffer)
    parse_profile(buffer.getvalue(), name, str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(buffer.getvalue(), "utf-8")
    return path


def _is_path(name: str) -> bool:
    return Path(name).suffix in {".yaml", ".yml"} or "/" in name


def _problem(document: Any, detail: ErrorDetails) -> Problem:
    location = [part for part in detail["loc"] if not isinstance(part, str) or not part.startswith("function-")]
    line, column = place_of(document, location)
    name = ".".join(str(part) for part in location)
    if detail["type"] == "extra_forbidden":
        known = [*Profile.model_fields, *Brakes.model_fields]
        near = get_close_matches(str(location[-1]), [key for key in known if key != "name"], n=1)
        hint = f"did you mean `{near[0]}`?" if near else "remove it"
        return Problem(f"`{name}` is not a setting of a profile; {hint}", line, column)
    if detail["type"] == "missing":
        return Problem(f"`{name}` is missing; add it", line, column)
    message = detail["msg"].removeprefix("Value error, ")
    return Problem(f"`{name}`: {message}" if name else message, line, column)


def _language_problems(document: Any) -> Iterator[Problem]:
    """What is wrong with the snippets and the Structure, whatever else is wrong with the profile."""
    variables: Any = document.get("variables")
    sources: dict[tuple[str, ...], Any] = {("prefilter",): document.get("prefilter")}
    if isinstance(variables, dict):
        named = cast("dict[object, Any]", variables).items()
        sources |= {("variables", name): source for name, source in named if isinstance(name, str)}
    for path, source in sources.items():
        if isinstance(source, str):
            try:
                compile_expression(str(source), name=path[-1])
            except ExpressionError as error:
                yield from moved(error.problems, document, path)
    if isinstance(document.get("structure"), str):
        yield from _structure_problems(document)


def _structure_problems(document: Any) -> Iterator[Problem]:
    try:
        structure = compile_structure(str(document["structure"]))
    except StructureError as error:
        yield from moved(error.problems, document, ("structure",))
    else:
        if not structure.login_reads and "identity" in structure.modules:
            line, column = place_of(document, ["structure"])
            yield Problem("the Structure gives no login: identity needs `003use_name`", line, column)
