"""What one row may cost: loops, text and time have an end, whatever a snippet says.

Counters are exact, so the same snippet fails in the same rows every time; the clock is only the net below them.
"""

import time
from typing import Final

from tasks.expression.errors import BudgetSpent

STEPS: Final = 100_000
"""Loop passes and items touched by array functions, a row."""
TEXT_CHARACTERS: Final = 1_000_000
"""The longest string."""
TOTAL_CHARACTERS: Final = 20_000_000
"""All long strings made for one row together."""
ARRAY_ITEMS: Final = 10_000
ROW_SECONDS: Final = 0.5
REGEX_SECONDS: Final = 0.25
STEPS_BETWEEN_CLOCKS: Final = 64
"""Loops pay this many passes at once; smaller sums do not look at the clock."""
WASTED_SECONDS: Final = 0.75
"""Time spent on rows that ran out of budget, after which the remaining rows are no longer tried."""
LONG_TEXT: Final = 4096
"""Strings up to this length are not counted one by one: the array and step budgets bound them."""


class Budget:
    """The account of one row; `reset` opens the next one."""

    __slots__ = ("characters", "deadline", "steps", "touched")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """A full account. The clock starts with the first spending."""
        self.steps = STEPS
        self.characters = TOTAL_CHARACTERS
        self.deadline = 0.0
        self.touched = False

    def spend(self, steps: int) -> None:
        """Take steps from the account.

        Raises: BudgetSpent when it is empty or the row's time is over.
        """
        self.touched = True
        self.steps -= steps
        if self.steps < 0:
            raise BudgetSpent(f"the snippet needs more than {STEPS:,} steps for one row; is a loop without an end?")
        if steps >= STEPS_BETWEEN_CLOCKS:
            self.check_clock()

    def check_clock(self) -> None:
        """Raises: BudgetSpent when the row's time is over."""
        now = time.monotonic()
        if not self.deadline:
            self.touched = True
            self.deadline = now + ROW_SECONDS
        elif now > self.deadline:
            raise BudgetSpent(f"the snippet needs more than {ROW_SECONDS} seconds for one row")

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
            raise BudgetSpent(f"the snippet makes more than {TOTAL_CHARACTERS:,} characters for one row")
        self.check_clock()

    def take_items(self, count: int) -> None:
        """Take an array of that size from the account, before it is made.

        Raises: BudgetSpent when the array would be too large or the steps are used up.
        """
        check_items(count)
        self.spend(1 + count // 8)


def check_items(count: int) -> None:
    """Raises: BudgetSpent when an array would have that many items and may not."""
    if count > ARRAY_ITEMS:
        raise BudgetSpent(f"an array would have more than {ARRAY_ITEMS:,} items")
