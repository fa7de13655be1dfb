"""What one row may cost: loops, text and time have an end, whatever a snippet says.

Counters are exact, so the same snippet fails in the same rows every time; the clock is only the net below them.
"""

import time
from dataclasses import dataclass
from typing import Final

from tasks.expression.errors import BudgetSpent


@dataclass(frozen=True)
class Allowance:
    """What a row may cost: loop passes and items touched by array functions; all its long strings together; time.

    Units: seconds of processor time, so that a busy machine rejects no other rows; `pattern_seconds` for one text.
    """

    steps: int
    characters: int
    row_seconds: float
    pattern_seconds: float


FULL: Final = Allowance(steps=100_000, characters=20_000_000, row_seconds=0.5, pattern_seconds=0.25)
LEAN: Final = Allowance(steps=1_000, characters=200_000, row_seconds=0.05, pattern_seconds=0.05)
"""What is left for a row when too many rows before it have spent all that they had."""
TEXT_CHARACTERS: Final = 1_000_000
"""The longest string."""
ARRAY_ITEMS: Final = 10_000
STEPS_BETWEEN_CLOCKS: Final = 64
"""Loops pay this many passes at once; smaller sums do not look at the clock."""
LONG_TEXT: Final = 4096
"""Strings up to this length are not counted one by one: the array and step budgets bound them."""
FULL_ROWS: Final = {False: 6, True: 2}
"""How many rows may spend a full allowance, by whether what they spent is costly."""
LEAN_ROWS: Final = {False: 250, True: 10}
"""How many rows, one after the other, may spend a lean one before the remaining rows are not tried."""


class Budget:
    """The account of one row; `reset` opens the next one."""

    __slots__ = ("allowance", "characters", "deadline", "steps", "touched")

    def __init__(self) -> None:
        self.allowance = FULL
        self.reset()

    def reset(self) -> None:
        """A full account. The clock starts with the first spending."""
        self.steps = self.allowance.steps
        self.characters = self.allowance.characters
        self.deadline = 0.0
        self.touched = False

    def spend(self, steps: int) -> None:
        """Take steps from the account.

        Raises: BudgetSpent when it is empty or the row's time is over.
        """
        self.touched = True
        self.steps -= steps
        if self.steps < 0:
            raise BudgetSpent(
                f"the snippet needs more than {self.allowance.steps:,} steps for one row; is a loop without an end?"
            )
        if steps >= STEPS_BETWEEN_CLOCKS:
            self.check_clock()

    def check_clock(self) -> None:
        """Raises: BudgetSpent when the row's time is over."""
        now = time.thread_time()
        if not self.deadline:
            self.touched = True
            self.deadline = now + self.allowance.row_seconds
        elif now > self.deadline:
            seconds = self.allowance.row_seconds
            raise BudgetSpent(f"the snippet needs more than {seconds} seconds for one row", costly=True)

    def take_text(self, length: int) -> None:
        """Take a string of that length from the account, before it is made.

        Raises: BudgetSpent when the string, or all strings together, would be too long.
        """
        if length <= LONG_TEXT:
            return
        self.touched = True
        self.characters -= length
        if length > TEXT_CHARACTERS:
            raise BudgetSpent(f"a string would be longer than {TEXT_CHARACTERS:,} characters")
        if self.characters < 0:
            most = self.allowance.characters
            raise BudgetSpent(f"the snippet makes more than {most:,} characters for one row")
        self.check_clock()

    def take_items(self, count: int) -> None:
        """Take an array of that size from the account, before it is made.

        Raises: BudgetSpent when the array would be too large or the steps are used up.
        """
        check_items(count)
        self.spend(1 + count // 8)


class Patience:
    """How long rows that spend their account are borne with, counted in such rows: first fully, then leanly.

    A snippet without an end would otherwise take a full account in each of a million rows.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._full_spent = 0.0
        self._lean_spent = 0.0
        self._last = -1
        self.over = False

    def lose(self, index: int, *, costly: bool) -> None:
        """The row at `index` has spent its account."""
        if self._budget.allowance is FULL:
            self._full_spent += 1 / FULL_ROWS[costly]
            if self._full_spent > 1 - 1e-9:
                self._budget.allowance = LEAN
                self._budget.reset()
        else:
            in_a_row = index == self._last + 1
            self._lean_spent = (self._lean_spent if in_a_row else 0.0) + 1 / LEAN_ROWS[costly]
            self.over = self._lean_spent > 1 - 1e-9
        self._last = index


def check_items(count: int) -> None:
    """Raises: BudgetSpent when an array would have that many items and may not."""
    if count > ARRAY_ITEMS:
        raise BudgetSpent(f"an array would have more than {ARRAY_ITEMS:,} items")
