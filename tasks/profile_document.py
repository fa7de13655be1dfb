"""The YAML of a profile as a document: its values as plain data, and where each of them stands in the file."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from tasks.errors import Problem, ProfileError

_TWICE: Final = re.compile(r'found duplicate key "(.*?)" with value')
_STANDS_FOR: Final = {"url": "type", "enclosure": "delimiter"}
"""Where a setting that the file leaves out is wrong only beside another one, that one's line tells where to look."""


def yaml_of_profiles() -> Any:
    """Reads and writes YAML with its comments, quotes and order kept."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 200
    return yaml


def read_document(text: str, file: str) -> Any:
    """The settings of a profile with their places.

    Raises: ProfileError when the text is no YAML, or no settings.
    """
    from ruamel.yaml.comments import CommentedMap
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        document = yaml_of_profiles().load(text)
    except MarkedYAMLError as error:
        raise ProfileError(file, [_trouble(error)]) from None
    except (YAMLError, ValueError) as error:
        raise ProfileError(file, [Problem(f"this is not YAML: {error}")]) from None
    except RecursionError:
        raise ProfileError(file, [Problem("this is not YAML of a profile: it is nested too deeply")]) from None
    if not isinstance(document, CommentedMap):
        raise ProfileError(
            file, [Problem("expected settings such as `title: Users from CSV`, found something else", 1)]
        )
    return document


def plain(value: Any) -> Any:
    """A document as the mappings, lists and texts that it holds."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list):
        return [plain(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return str(value) if isinstance(value, str) else value


def place_of(document: Any, location: list[Any]) -> tuple[int | None, int | None]:
    """The line and column of a key in the file, counted from 1."""
    if location and location[0] not in document:
        location = [_STANDS_FOR.get(location[0])]
    here, place = document, (None, None)
    for part in location:
        try:
            line, column = here.lc.key(part) if isinstance(here, dict) else here.lc.item(part)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
            place = (int(line) + 1, int(column) + 1)  # pyright: ignore[reportUnknownArgumentType]
            here = here[part]  # pyright: ignore[reportUnknownVariableType]
        except (KeyError, AttributeError, IndexError, TypeError):
            break
    return place


def moved(problems: Iterable[Problem], document: Any, path: tuple[str, ...]) -> Iterator[Problem]:
    """Problems of a snippet of the document, with their lines counted in the file instead of in the snippet."""
    from ruamel.yaml.scalarstring import LiteralScalarString

    parent = document
    for part in path[:-1]:
        parent = parent[part]
    line, column = parent.lc.value(path[-1])
    is_block = isinstance(parent[path[-1]], LiteralScalarString)
    for problem in problems:
        name = ".".join(path)
        inside = problem.line or 1
        moved_column = problem.column if is_block else (problem.column or 1) + int(column)
        at = int(line) + 1 + inside if is_block else int(line) + inside
        yield replace(problem, message=f"{name}: {problem.message}", line=at, column=moved_column)


def _trouble(error: Any) -> Problem:
    """What YAML has against a text, and what to do; the library's errors carry no types."""
    mark = error.problem_mark or error.context_mark
    place = (int(mark.line) + 1, int(mark.column) + 1) if mark else (None, None)
    twice = _TWICE.match(error.problem or "")
    if twice:
        return Problem(f"`{twice[1]}` stands twice; remove one of the two", *place)
    if "'\\t'" in (error.problem or ""):
        return Problem("a tab stands where YAML allows spaces only; use spaces", *place)
    hint = "write snippets as blocks: `name: |` and the snippet indented on the next lines"
    return Problem(f"this is not YAML: {error.problem}; {hint}", *place)
