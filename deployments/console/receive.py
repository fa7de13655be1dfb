"""Reads a form with a file as it arrives: fields into memory, the file into a sink, chunk by chunk.

The fields stand before the file in every form of the console, so that a request without a valid token is refused
before its first byte is kept.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Final, Protocol

from python_multipart import MultipartParser
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool

from deployments.console.refusal import RefusalError

FIELDS_BYTES: Final = 4 << 20
FIELDS: Final = 5000


class Sink(Protocol):
    """Where the bytes of a file go; only after `close` do they count as whole."""

    def write(self, data: bytes) -> None:
        """Takes the next bytes."""
        ...

    def close(self) -> object:
        """All bytes were given."""
        ...

    def abandon(self) -> None:
        """The rest will not come."""
        ...


Fields = dict[str, list[str]]
"""The values of each field, in their order."""

OpenFile = Callable[[Fields, str], Sink]
"""Gives the sink of a file by the fields that came before it and by its name."""


@dataclass
class Received:
    """What a form brought: its fields, and the file's name, size and beginning where there was one."""

    fields: Fields = field(default_factory=dict[str, list[str]])
    name: str = ""
    size_bytes: int = 0
    head: bytes = b""


async def receive_form(
    content_type: str,
    chunks: AsyncIterator[bytes],
    limit_bytes: int,
    open_file: OpenFile,
) -> Received:
    """The form; its file goes into what `open_file` gives, which is called with the fields before it.

    Raises: RefusalError for a file or fields too large, for a body that is no form, and whatever `open_file` raises.
    """
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise RefusalError(400, "This form came without a file part. Go back, and choose a file.")
    reading = _Reading(limit_bytes, open_file)
    parser = MultipartParser(boundary, reading.callbacks())
    try:
        async for chunk in chunks:
            # Sealing and storing may have to wait for the database: not here, where all requests pass.
            await run_in_threadpool(parser.write, chunk)
        await run_in_threadpool(parser.finalize)
    except MultipartParseError:
        await run_in_threadpool(reading.abandon)
        raise RefusalError(400, "The upload broke off. Upload the file again.") from None
    except BaseException:
        await run_in_threadpool(reading.abandon)
        raise
    return reading.received


HEAD_BYTES: Final = 1 << 16


class _Reading:
    def __init__(self, limit_bytes: int, open_file: OpenFile) -> None:
        self.received = Received()
        self._limit_bytes = limit_bytes
        self._open_file = open_file
        self._writer: Sink | None = None
        self._in_file = False
        self._header = [b"", b""]
        self._headers: dict[bytes, bytes] = {}
        self._field = ""
        self._value = bytearray()
        self._fields = self._fields_bytes = 0

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._grow_header_name,
            "on_header_value": self._grow_header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._start,
            "on_part_data": self._take,
            "on_part_end": self._end,
        }

    def abandon(self) -> None:
        if self._writer is not None:
            self._writer.abandon()

    def _begin(self) -> None:
        self._headers, self._value = {}, bytearray()

    def _grow_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header[0] += data[start:end]

    def _grow_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1] += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._header[0].lower()] = self._header[1]
        self._header = [b"", b""]

    def _start(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        self._field = options.get(b"name", b"").decode("utf-8", "replace")
        self._in_file = b"filename" in options
        name = PurePath(options.get(b"filename", b"").decode("utf-8", "replace").replace("\\", "/")).name
        if self._in_file and name:
            if self._writer is not None:
                raise RefusalError(400, "Upload one file at a time.")
            self._writer = self._open_file(self.received.fields, name)
            self.received.name = name

    def _take(self, data: bytes, start: int, end: int) -> None:
        data = data[start:end]
        if not self._in_file:
            self._value += data
            self._fields_bytes += len(data)
            if self._fields_bytes > FIELDS_BYTES or self._fields >= FIELDS:
                raise RefusalError(413, "This form is too large.")
        elif self._writer is not None:
            self.received.size_bytes += len(data)
            if self.received.size_bytes > self._limit_bytes:
                message = "The file is larger than {limit} MiB, the limit of this console."
                raise RefusalError(413, message, limit=self._limit_bytes >> 20)
            if len(self.received.head) < HEAD_BYTES:
                self.received.head += data[: HEAD_BYTES - len(self.received.head)]
            self._writer.write(data)

    def _end(self) -> None:
        if not self._in_file:
            self._fields += 1
            self.received.fields.setdefault(self._field, []).append(self._value.decode("utf-8", "replace"))
        elif self._writer is not None and self.received.name:
            self._writer.close()
            self._in_file = False
