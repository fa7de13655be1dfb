"""An expression of a profile, compiled: a PHP snippet, a Jinja2 expression or template, or the name of a column.

Which of the three it is follows from the text; which way it runs (columns or rows) follows from what it does. Both
ways mean the same.
"""

import functools
import re
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, Protocol

import polars as pl

from tasks.errors import Problem
from tasks.expression.errors import ExpressionError, RowError
from tasks.expression.outcome import Evaluated, Kept, evaluated, kept
from tasks.expression.parse import is_php, straightened
from tasks.names import Names

Language = Literal["php", "jinja", "column"]

TYPOGRAPHIC_QUOTES: Final = "typographic quotes outside of strings count as straight ones"
NO_RETURN: Final = "the snippet returns nothing; did you forget `return`?"
_BARE_NAME: Final = re.compile(r"[^\W\d][\w.\- ]*", re.UNICODE)
_OPERATOR_WORD: Final = re.compile(r"\b(if|is|in|and|or|not)\s")
_PHP: Final = re.compile(r"\breturn\b|\$\w|;\s*$|^\s*(if|foreach|for|while|do|switch|echo|function)\b")


class Plan(Protocol):
    """What can run: as columns where `printed` and `truth` give an expression, by row always."""

    def printed(self, names: Names) -> pl.Expr | None: ...

    def truth(self, names: Names) -> pl.Expr | None: ...

    def rows(self, frame: pl.DataFrame, names: Names) -> tuple[list[Any], list[RowError]]: ...


@dataclass(frozen=True)
class Expression:
    """One compiled expression.

    `reads` are the names of columns as the source writes them; None where any column may be read. `why_rows` says what
    keeps it from running as columns, "" where nothing does.
    """

    source: str
    language: Language
    reads: frozenset[str] | None
    why_rows: str
    warnings: tuple[str, ...]
    plan: Plan = field(repr=False, compare=False)

    @property
    def constant(self) -> bool:
        """Whether it reads nothing, so that every row gets the same."""
        return self.reads == frozenset()

    @property
    def mode(self) -> Literal["columns", "rows"]:
        return "rows" if self.why_rows else "columns"

    def column(self, names: Names) -> pl.Expr | None:
        """The values as one polars column, String, null for PHP's null; None where the rows must be walked.

        With it a step evaluates all its fast expressions in one `select`.
        """
        return None if self.constant else self.plan.printed(names)

    def evaluate(self, frame: pl.DataFrame, names: Names) -> Evaluated:
        """The value of each row, printed as PHP prints it."""
        if self.constant:
            return _repeated(evaluated(*self._once(names)), frame.height)
        column = self.plan.printed(names)
        if column is not None:
            return Evaluated(frame.with_columns(column.alias("#value"))["#value"].alias("values"))
        return evaluated(*self.plan.rows(frame, names))

    def keep(self, frame: pl.DataFrame, names: Names) -> Kept:
        """Whether each row's value is true in PHP's sense."""
        if self.constant:
            once = kept(*self._once(names))
            errors = [replace(error, index=row) for error in once.errors for row in range(frame.height)]
            return Kept(pl.repeat(once.mask[0], frame.height, dtype=pl.Boolean, eager=True).alias("mask"), errors)
        column = self.plan.truth(names)
        if column is not None:
            return Kept(frame.with_columns(column.alias("#value"))["#value"].alias("mask"))
        return kept(*self.plan.rows(frame, names))

    def _once(self, names: Names) -> tuple[list[Any], list[RowError]]:
        return self.plan.rows(pl.DataFrame({"#row": [1]}), names)


def _repeated(one: Evaluated, height: int) -> Evaluated:
    """One row's outcome for every row."""
    rows = pl.Series([0] * height, dtype=pl.UInt32)
    errors = [replace(error, index=row) for error in one.errors for row in range(height)]
    return Evaluated(one.values.gather(rows), None if one.lists is None else one.lists.gather(rows), errors)


@functools.lru_cache(maxsize=512)
def compile_expression(source: str, *, name: str) -> Expression:
    """The expression behind a text; `name` is what error texts call it.

    Raises: ExpressionError with all reasons.
    """
    text = source.strip()
    if not text:
        raise ExpressionError(name, [Problem("there is no expression; write `return null;` for no value", 1, 1)])
    if _is_bare_name(text):
        from tasks.expression.bare import BareColumn

        return Expression(source, "column", frozenset({text}), "", (), BareColumn(text))
    straight = straightened(source)
    if _looks_like_php(source if straight is None else straight):
        return _php(source, straight, name)
    from tasks.expression.jinja import compile_jinja

    jinja = compile_jinja(source, name)
    return Expression(source, "jinja", jinja.reads, jinja.why_rows, (), jinja)


def _is_bare_name(text: str) -> bool:
    """Words that are no Jinja2 expression: `job`, `E-Mail`, `First Name`, but not `job if email else phone`."""
    if _BARE_NAME.fullmatch(text) is None:
        return False
    if not _OPERATOR_WORD.search(text):
        return True
    from tasks.expression.jinja import is_expression

    return not is_expression(text)


def _looks_like_php(source: str) -> bool:
    """Braces of Jinja2 speak against PHP only where the text is no working snippet."""
    if "{{" in source or "{%" in source:
        return is_php(source)
    return _PHP.search(source) is not None


def _php(source: str, straight: str | None, name: str) -> Expression:
    from tasks.expression.snippet import compile_snippet

    snippet = compile_snippet(source if straight is None else straight, name)
    warnings = [] if straight is None else [TYPOGRAPHIC_QUOTES]
    if not snippet.facts.returns:
        warnings.append(NO_RETURN)
    reads = snippet.facts.reads
    why_rows = "" if reads == frozenset() else snippet.why_rows
    return Expression(source, "php", reads, why_rows, tuple(warnings), snippet)
