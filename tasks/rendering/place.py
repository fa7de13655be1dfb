"""Where something stands in a Structure, told as line, column and a caret under the place."""

from collections.abc import Mapping
from typing import Final

from tasks.errors import Problem

_EXCERPT_WIDTH: Final = 100
_BEFORE_CARET: Final = 60
_MOST: Final = 50


class StructureError(ValueError):
    """A Structure that cannot run; `problems` holds all reasons at once."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))

    def __reduce__(self) -> tuple[type["StructureError"], tuple[list[Problem]]]:
        return type(self), (self.problems,)


def refuse(text: str, problems: Mapping[int, str]) -> None:
    """Raises StructureError when there are problems; `problems` by offset."""
    if problems:
        raise StructureError([problem_at(text, offset, problems[offset]) for offset in sorted(problems)[:_MOST]])


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """The line and column of an offset, both counted from 1."""
    return text.count("\n", 0, offset) + 1, offset - (text.rfind("\n", 0, offset) + 1) + 1


def problem_at(text: str, offset: int, message: str) -> Problem:
    """A problem with its line, column and an excerpt whose caret stands under the offset."""
    line, column = line_and_column(text, offset)
    start = offset - column + 1
    end = text.find("\n", offset)
    whole = text[start : end if end >= 0 else len(text)].rstrip("\r").replace("\t", " ")
    cut = max(0, column - _BEFORE_CARET)
    excerpt = whole[cut : cut + _EXCERPT_WIDTH]
    return Problem(message, line, column, f"    {excerpt}\n    {' ' * (column - 1 - cut)}^")
