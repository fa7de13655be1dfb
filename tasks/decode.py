"""Bytes of any encoding to UTF-8 without a byte order mark.

UTF-8, the common case, is proved and passed on as the same bytes: no text object of the whole file is ever made.
"""

import codecs
from dataclasses import replace
from typing import Final

from tasks.errors import SourceError
from tasks.output import Source, Text
from tasks.profile import Profile
from tasks.step import step

CHUNK_BYTES: Final = 1 << 22


def decode_text(source: Source, profile: Profile) -> Text:
    """The source as UTF-8 bytes, whatever it was before.

    Raises: SourceError where a byte does not decode.
    """
    encoding = codecs.lookup("utf-8" if profile.encoding == "auto" else profile.encoding).name
    data = source.data.removeprefix(codecs.BOM_UTF8) if encoding == "utf-8" else transcode(source.data, encoding)
    return Text(
        data=data,
        facts=replace(source.facts, encoding=encoding),
        issues=source.issues,
        aside=source.aside,
    )


def transcode(data: bytes, encoding: str) -> bytes:
    """The data as UTF-8, a chunk at a time."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        return b"".join(
            decoder.decode(data[at : at + CHUNK_BYTES], at + CHUNK_BYTES >= len(data)).encode()
            for at in range(0, len(data), CHUNK_BYTES)
        )
    except UnicodeError as error:
        raise SourceError("encoding-wrong", f"The file is not {encoding}.") from error


decode = step("decode", version=1, reads=("encoding",))(decode_text)
