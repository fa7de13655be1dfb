"""A file that a source is read from: a path of this machine, or anything that opens like one (a sealed upload)."""

import os
from io import BufferedReader
from typing import Literal, Protocol


class SourceFile(Protocol):
    """What fetch asks of a file; every `pathlib.Path` has it."""

    @property
    def name(self) -> str:
        """The name that people know it by."""
        ...

    def is_file(self) -> bool:
        """Whether it is there."""
        ...

    def stat(self) -> os.stat_result:
        """Its size among other facts."""
        ...

    def open(self, mode: Literal["rb"]) -> BufferedReader:
        """Its bytes as a stream."""
        ...

    def read_bytes(self) -> bytes:
        """All of its bytes."""
        ...
