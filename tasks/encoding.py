"""Which encoding a file has when the profile says `auto`: byte order mark, strict UTF-8, then charset-normalizer.

Short lists of names fit many single-byte encodings equally well; among those windows-1252 is by far the likeliest.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

CHUNK_BYTES: Final = 1 << 18
SAMPLE_BYTES: Final = 1 << 15
LEAST_CONFIDENCE: Final = 0.5
LIKELIEST: Final = "windows-1252"
MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
NOT_FOR_FILES: Final = frozenset({"idna", "punycode", "undefined"})
NOT_ASCII_LINE: Final = re.compile(rb"[^\r\n]*[\x80-\xff][^\r\n]*")
WIDE: Final = ["utf_7", "utf_8", "utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le"]


@dataclass(frozen=True)
class Found:
    """An encoding, how sure it is from 0 to 1, and the others that fit as well.

    Where others do, the choice among them is a guess: it is as sure as what is just read (`LEAST_CONFIDENCE`), however
    well they all fit.
    """

    encoding: str
    confidence: float = 1.0
    others: tuple[str, ...] = ()


def canonical_name(encoding: str) -> str:
    """One name an encoding, however it is written: `UTF8` is utf-8, `cp1252` is windows-1252.

    Raises: LookupError where Python knows no such text encoding.
    """
    info = codecs.lookup(encoding)
    if info.name in NOT_FOR_FILES or not getattr(info, "_is_text_encoding", True):
        raise LookupError(f"{encoding} is not an encoding of text files")
    name = "utf-8" if info.name == "utf-8-sig" else info.name
    return name.replace("cp125", "windows-125") if name.startswith("cp125") else name


def marked_encoding(data: bytes) -> str | None:
    """The encoding that a byte order mark states."""
    return next((name for mark, name in MARKS if data.startswith(mark)), None)


def find_encoding(data: bytes) -> Found | None:
    """The encoding of a file; None where none fits well enough."""
    marked = marked_encoding(data)
    if marked:
        return Found(marked)
    if b"\0" in data:
        return _without_mark(data)
    return Found("utf-8") if utf8_fault(data) is None else _likeliest(data)


def utf8_fault(data: bytes) -> int | None:
    """The offset of the first byte that is not UTF-8, found without a text of the whole file."""
    view = memoryview(data)
    at = 0
    try:
        while at < len(data):
            last = at + CHUNK_BYTES >= len(data)
            at += codecs.utf_8_decode(view[at : at + CHUNK_BYTES], "strict", last)[1]
    except UnicodeDecodeError as error:
        return at + error.start
    return None


def _without_mark(data: bytes) -> Found | None:
    """UTF-16 without a mark: most characters of a CSV are ASCII, so every other byte of it is NUL."""
    sample = data[:SAMPLE_BYTES]
    shares = {"utf-16-be": sample[::2].count(0), "utf-16-le": sample[1::2].count(0)}
    name = max(shares, key=lambda key: shares[key])
    likely = shares[name] > len(sample) / 4 and shares[name] > 10 * min(shares.values())
    return Found(name, confidence=0.9) if likely and decodes(data, name) else None


def _likeliest(data: bytes) -> Found | None:
    from charset_normalizer import from_bytes  # it is slow to import, and rarely needed

    results = from_bytes(_sample(data), threshold=LEAST_CONFIDENCE, enable_fallback=False, cp_exclusion=WIDE)
    best = results.best()
    if best is None:
        return None
    tied = [canonical_name(name) for one in results if one.chaos == best.chaos for name in one.could_be_from_charset]
    names = sorted(dict.fromkeys(tied), key=lambda name: name != LIKELIEST)
    fitting = [name for name in names if decodes(data, name)]
    if not fitting:
        return None
    confidence = 1 - best.chaos
    return Found(fitting[0], min(confidence, LEAST_CONFIDENCE) if fitting[1:] else confidence, tuple(fitting[1:]))


def _sample(data: bytes) -> bytes:
    """The first lines that are not ASCII: the others tell nothing."""
    sample = b""
    for line in NOT_ASCII_LINE.finditer(data):
        sample += line[0] + b"\n"
        if len(sample) > SAMPLE_BYTES:
            break
    return sample


def decodes(data: bytes, encoding: str) -> bool:
    """True where the data is valid in the encoding."""
    try:
        for _ in decoded_chunks(data, encoding):
            pass
    except UnicodeError:
        return False
    return True


def decoded_chunks(data: bytes, encoding: str) -> Iterator[str]:
    """The text of the data, piece by piece.

    Raises: UnicodeError whose `start` is the offset in the data where it can be known.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    for at in range(0, len(data), CHUNK_BYTES):
        chunk = data[at : at + CHUNK_BYTES]
        try:
            yield decoder.decode(chunk, at + CHUNK_BYTES >= len(data))
        except UnicodeDecodeError as error:
            kept = len(error.object) - len(chunk)
            start, end = at + error.start - kept, at + error.end - kept
            raise UnicodeDecodeError(encoding, data, start, max(end, start + 1), error.reason) from None
