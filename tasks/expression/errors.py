"""What goes wrong with an expression: when it is compiled, and in one row.

A snippet that cannot run is an `ExpressionError` with every reason at once, before row one. What only a row can show
(a type error, an exhausted budget) is a `RowFailed`, caught by the runner: that row's issue, never the end of the run.
"""

from dataclasses import dataclass

from tasks.errors import Problem


class ExpressionError(ValueError):
    """A snippet that cannot run; `problems` holds all reasons, lines counted within the snippet."""

    def __init__(self, name: str, problems: list[Problem]) -> None:
        self.name = name
        self.problems = problems
        super().__init__("\n".join(f"{name}: {problem}" for problem in problems))

    def __reduce__(self) -> tuple[type["ExpressionError"], tuple[str, list[Problem]]]:
        return type(self), (self.name, self.problems)


class RowFailed(Exception):  # noqa: N818 - it is an outcome of a row, not a failure of the program
    """One row's expression ended without a value. The text never holds a cell's content."""


class BudgetSpent(RowFailed):
    """The row used up what one row may cost; `costly` where that is too much time to bear with many such rows."""

    def __init__(self, message: str, *, costly: bool = False) -> None:
        super().__init__(message)
        self.costly = costly


@dataclass(frozen=True, slots=True)
class RowError:
    """One row without a value: its position in the frame and a sentence that is safe to show.

    `code` is value-failed or budget-spent; the step that evaluates chooses the issue's code.
    """

    index: int
    code: str
    message: str


def excerpt(source: str, line: int, column: int) -> str:
    """The source line with a caret under the column.

    Units: line and column count from 1, the column in characters.
    """
    lines = source.splitlines() or [""]
    text = lines[min(line, len(lines)) - 1].replace("\t", " ")
    start = max(0, column - 80)
    return f"    {text[start : start + 120]}\n    {' ' * (column - 1 - start)}^"
