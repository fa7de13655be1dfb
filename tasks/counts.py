"""Counts in words, as a terminal and a report tell them."""


def number_of(count: int, one: str) -> str:
    """How many there are of something: `1 run`, `2,000 runs`."""
    return f"{count:,} {one}" if count == 1 else f"{count:,} {one}s"
