"""What the decoder promises: every encoding gets in, and what is no text is named."""

import io
import zipfile

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.decode import decode_text
from tasks.describe import preview_of
from tasks.encoding import CHUNK_BYTES
from tasks.errors import RollcallError, SourceError
from tasks.output import Source, SourceFacts
from tasks.profile import Profile

GERMAN = "displayname;job\nJürgen Müller;Geschäftsführer\nÄnne Größe;Straße\n"
RUSSIAN = "displayname;job\nИван Петров;Менеджер по продажам\nСергей Сидоров;Директор\n"


def decoded(data: bytes, encoding: str = "utf-8"):
    profile = Profile(title="Users", structure="{}", encoding=encoding)
    return decode_text(Source(data=data, facts=SourceFacts()), profile)


@pytest.mark.parametrize(
    "codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252", "latin-1", "mac-roman", "cp850", "utf-7"]
)
def test_every_text_codec_reads_by_its_name(codec: str) -> None:
    assert decoded(GERMAN.encode(codec), codec).data == GERMAN.encode()


@pytest.mark.parametrize(
    ("codec", "found"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("utf-16", "utf-16"), ("utf-16-le", "utf-16-le"), ("utf-32", "utf-32"),
     ("cp1252", "windows-1252")],
)  # fmt: skip
def test_auto_finds_the_encoding(codec: str, found: str) -> None:
    text = decoded(GERMAN.encode(codec), "auto")

    assert (text.data, text.facts.encoding) == (GERMAN.encode(), found)
    assert text.facts.confidence >= 0.5


def test_auto_finds_cyrillic() -> None:
    assert decoded(RUSSIAN.encode("cp1251"), "auto").facts.encoding == "windows-1251"


def test_windows_1252_wins_a_tie_and_the_others_are_named() -> None:
    text = decoded(GERMAN.encode("cp1252"), "auto")

    assert text.issues["code"].to_list() == ["encoding-ambiguous"]
    assert "windows-1250" in text.issues["message"][0]
    assert text.facts.confidence == 0.5


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig"])
def test_an_encoding_that_nothing_else_fits_is_certain(codec: str) -> None:
    assert decoded(GERMAN.encode(codec), "auto").facts.read_as == "utf-8 (confidence 100%)"


def test_how_sure_an_encoding_is_stands_in_what_a_person_sees() -> None:
    preview = preview_of(decoded(GERMAN.encode("cp1252"), "auto"))

    assert preview.facts["encoding"] == "windows-1252 (confidence 50%)"


def test_an_ascii_file_is_not_ambiguous() -> None:
    assert decoded(b"a,b\n1,2\n", "auto").issues.is_empty()


def test_an_encoding_too_uncertain_is_refused() -> None:
    with pytest.raises(SourceError, match="could not be found out"):
        decoded(bytes(range(128, 256)) * 3, "auto")


def test_a_byte_that_does_not_decode_is_named_with_its_place_and_the_codec_that_would_work() -> None:
    with pytest.raises(SourceError, match=r"offset 17, in line 2, found the bytes fc; windows-1252 would") as caught:
        decoded(GERMAN.encode("cp1252"))
    assert caught.value.code == "encoding-wrong"


def test_the_offset_counts_over_chunks() -> None:
    data = b"a,b\n" + b"x" * CHUNK_BYTES + b"\xff\n"
    for codec in ("utf-8", "ascii", "shift_jis"):
        with pytest.raises(SourceError, match=f"offset {CHUNK_BYTES + 4}, in line 2, found the bytes ff"):
            decoded(data, codec)


def test_a_character_may_lie_across_chunks() -> None:
    text = "a\n" + "x" * (CHUNK_BYTES - 3) + "€ü😀" * 10
    assert decoded(text.encode()).data == text.encode()


def test_a_mark_that_contradicts_the_profile_is_refused() -> None:
    with pytest.raises(SourceError, match="byte order mark of utf-16"):
        decoded(GERMAN.encode("utf-16"))


@pytest.mark.parametrize("encoding", ["klingon", "base64", "idna", "rot13"])
def test_what_is_no_encoding_of_text_is_a_profile_error(encoding: str) -> None:
    with pytest.raises(ValidationError, match="no text encoding"):
        decoded(b"", encoding)


def workbook() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("[Content_Types].xml", "x")
        archive.writestr("xl/workbook.xml", "x")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (workbook(), "Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1....", "old Excel"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\x89PNG\r\n\x1a\n", "picture"),
        (b"\n<!DOCTYPE html>\n<p>Log in", "web page"),
        (b"<html><body>", "web page"),
        (b"a,b\n1,\x002\n", "NUL byte at offset 6, in line 2"),
    ],
)
def test_what_is_no_csv_is_said_in_words(data: bytes, words: str) -> None:
    with pytest.raises(SourceError, match=words):
        decoded(data, "auto" if data.startswith(b"<") else "utf-8")


@given(st.binary(max_size=60), st.sampled_from(["utf-8", "auto", "utf-16", "cp1252", "shift_jis", "utf-7"]))
@example(b"", "auto")
@settings(max_examples=150, deadline=None)
def test_any_bytes_decode_or_raise_our_error(data: bytes, encoding: str) -> None:
    try:
        text = decoded(data, encoding)
    except RollcallError:
        return
    text.data.decode("utf-8")


def test_one_bad_place_in_a_utf_8_file_names_no_encoding_that_would_spoil_the_rest() -> None:
    with pytest.raises(SourceError, match="what stands before it is UTF-8") as caught:
        decoded(GERMAN.encode() + "Zoë;x\n".encode("cp1252"))
    assert "would decode it" not in caught.value.message


def test_a_nul_byte_is_named_where_the_encoding_is_to_be_found_out() -> None:
    with pytest.raises(SourceError, match="in line 2") as caught:
        decoded(b"a;b\nc;\0d\n", "auto")
    assert caught.value.code == "nul-byte"


@pytest.mark.parametrize("text", [b'[{"login": "max"}]', b' {"users": []}', b"[ {}]"])
def test_json_is_recognised(text: bytes) -> None:
    with pytest.raises(SourceError, match="This is JSON"):
        decoded(text)


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"BM\x46\x0a\x00\x00\x00\x00\x00\x00\x36\x00", "BMP"),
        (b"II*\x00\x08\x00\x00\x00", "TIFF"),
        (b"MM\x00*\x00\x00\x00\x08", "TIFF"),
    ],
)
def test_a_picture_of_any_size_is_named(start: bytes, kind: str) -> None:
    with pytest.raises(SourceError, match=kind):
        decoded(start + bytes(range(256)))


def test_a_name_may_begin_like_a_picture() -> None:
    assert decoded(b"BMW,login\nMax,mm\n").data == b"BMW,login\nMax,mm\n"
