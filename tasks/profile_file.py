"""Loads a profile from YAML and proves it: whatever is wrong is said at once, each with file, line and column."""

import functools
import re
from collections.abc import Iterator
from collections.abc import Mapping as Map
from dataclasses import replace
from difflib import get_close_matches
from io import StringIO
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tasks.errors import Problem, ProfileError, WrongUseError
from tasks.expression.compiled import compile_expression
from tasks.expression.errors import ExpressionError
from tasks.profile import Brakes, Profile
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
    if path.suffix in {".yaml", ".yml"} or "/" in name:
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


def profile_files(settings: Settings) -> list[Path]:
    """The profiles of the profiles folder, by name."""
    return sorted(settings.profiles.glob("*.yaml"))


def load_profile(path: Path) -> Profile:
    """A profile that is proved: it can run.

    Raises: ProfileError with every problem at once.
    """
    return parse_profile(read_profile_text(path), path.stem, str(path))


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
    document = _read_yaml(text, file)
    if "name" in document:
        raise ProfileError(
            file,
            [Problem("`name` is not a setting: the file's own name is the profile's", *_place(document, ["name"]))],
        )
    try:
        profile = Profile.model_validate({**_plain(document), "name": name})
    except ValidationError as error:
        raise ProfileError(file, [_problem(document, detail) for detail in error.errors(include_url=False)]) from None
    problems = list(_language_problems(profile, document))
    if problems:
        raise ProfileError(file, sorted(problems, key=lambda problem: (problem.line or 0, problem.column or 0)))
    return profile


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
    document = _yaml().load(_TEMPLATE.read_text("utf-8"))
    for key, value in choices.items():
        document[key] = value
    buffer = StringIO()
    _yaml().dump(document, buffer)
    parse_profile(buffer.getvalue(), name, str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(buffer.getvalue(), "utf-8")
    return path


def _yaml() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 200
    return yaml


def _read_yaml(text: str, file: str) -> Any:
    from ruamel.yaml.comments import CommentedMap
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        document = _yaml().load(text)
    except MarkedYAMLError as error:
        trouble: Any = error  # the library's errors carry no types
        mark = trouble.problem_mark or trouble.context_mark
        place = (int(mark.line) + 1, int(mark.column) + 1) if mark else (None, None)
        hint = "write snippets as blocks: `name: |` and the snippet indented on the next lines"
        raise ProfileError(file, [Problem(f"this is not YAML: {trouble.problem}; {hint}", *place)]) from None
    except (YAMLError, ValueError) as error:
        raise ProfileError(file, [Problem(f"this is not YAML: {error}")]) from None
    except RecursionError:
        raise ProfileError(file, [Problem("this is not YAML of a profile: it is nested too deeply")]) from None
    if not isinstance(document, CommentedMap):
        raise ProfileError(
            file, [Problem("expected settings such as `title: Users from CSV`, found something else", 1)]
        )
    return document


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list):
        return [_plain(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return str(value) if isinstance(value, str) else value


def _problem(document: Any, detail: ErrorDetails) -> Problem:
    location = [part for part in detail["loc"] if not isinstance(part, str) or not part.startswith("function-")]
    line, column = _place(document, location)
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


def _place(document: Any, location: list[Any]) -> tuple[int | None, int | None]:
    """The line and column of a key in the file, counted from 1."""
    here, place = document, (None, None)
    for part in location:
        try:
            line, column = here.lc.key(part) if isinstance(here, dict) else here.lc.item(part)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
            place = (int(line) + 1, int(column) + 1)  # pyright: ignore[reportUnknownArgumentType]
            here = here[part]  # pyright: ignore[reportUnknownVariableType]
        except (KeyError, AttributeError, IndexError, TypeError):
            break
    return place


def _language_problems(profile: Profile, document: Any) -> Iterator[Problem]:
    sources = {("prefilter",): profile.prefilter}
    sources |= {("variables", name): source for name, source in profile.variables.items()}
    for path, source in sources.items():
        try:
            compile_expression(source, name=path[-1])
        except ExpressionError as error:
            yield from _moved(error.problems, document, path)
    try:
        structure = compile_structure(profile.structure)
    except StructureError as error:
        yield from _moved(error.problems, document, ("structure",))
    else:
        if not structure.login_reads and "identity" in structure.modules:
            line, column = _place(document, ["structure"])
            yield Problem("the Structure gives no login: identity needs `003use_name`", line, column)


def _moved(problems: list[Problem], document: Any, path: tuple[str, ...]) -> Iterator[Problem]:
    """Problems of a snippet, with their lines counted in the file instead of in the snippet."""
    from ruamel.yaml.scalarstring import LiteralScalarString

    parent = document
    for part in path[:-1]:
        parent = parent[part]
    if path[-1] not in parent:
        yield from problems
        return
    line, column = parent.lc.value(path[-1])
    is_block = isinstance(parent[path[-1]], LiteralScalarString)
    for problem in problems:
        name = ".".join(path)
        inside = problem.line or 1
        moved_column = problem.column if is_block else (problem.column or 1) + int(column)
        at = int(line) + 1 + inside if is_block else int(line) + inside
        yield replace(problem, message=f"{name}: {problem.message}", line=at, column=moved_column)
