"""Rule 6.1: the seed filters on 'displayName' while its column is displayname, and both must work.

A name is looked up exactly; if there is none, without regard to case, when that finds exactly one.
"""

from collections.abc import Iterable


class Names:
    """The names of a header, looked up by rule 6.1."""

    def __init__(self, header: Iterable[str]) -> None:
        self.header = tuple(header)
        self._exact = frozenset(self.header)
        self._folded: dict[str, list[str]] = {}
        for name in self.header:
            self._folded.setdefault(name.casefold(), []).append(name)

    def find(self, name: str) -> str | None:
        """The header's own spelling of a name; None where there is none or more than one."""
        if name in self._exact:
            return name
        candidates = self._folded.get(name.casefold(), [])
        return candidates[0] if len(candidates) == 1 else None
