"""PHP's string functions as plain functions over characters, not bytes (phone-system.md 6.9).

Arguments arrive with the types of the signature in `functions.py`. A function whose result can be much longer than its
arguments takes the row's budget first.
"""

import base64
import hashlib
import html
import urllib.parse
import zlib
from typing import Final

from tasks.expression.budget import Budget
from tasks.expression.errors import RowFailed
from tasks.expression.values import PhpArray, Value, array_of, to_text

WHITE: Final = " \t\n\r\0\v"
_UPPER: Final = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_LOWER: Final = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
STR_PAD_LEFT: Final = 0
STR_PAD_RIGHT: Final = 1
STR_PAD_BOTH: Final = 2


strlen: Final = len
str_starts_with: Final = str.startswith
str_ends_with: Final = str.endswith


def strtolower(string: str) -> str:
    return string.translate(_LOWER) if not string.isascii() else string.lower()


def strtoupper(string: str) -> str:
    return string.translate(_UPPER) if not string.isascii() else string.upper()


def mb_strtolower(string: str) -> str:
    return string.replace("Σ", "σ").lower()


def mb_strtoupper(string: str) -> str:
    return string.upper()


def mb_convert_case(string: str, mode: int) -> str:
    """MB_CASE_UPPER 0, MB_CASE_LOWER 1, MB_CASE_TITLE 2."""
    if mode in (0, 1):
        return mb_strtolower(string) if mode else mb_strtoupper(string)
    if mode != 2:
        raise RowFailed("mb_convert_case() knows MB_CASE_UPPER, MB_CASE_LOWER and MB_CASE_TITLE")
    title: list[str] = []
    inside = False
    for character in string:
        title.append(mb_strtolower(character) if inside else character.title())
        inside = character.isalpha() or (inside and character in "'’.\u00ad")
    return "".join(title)


def ucfirst(string: str) -> str:
    return strtoupper(string[:1]) + string[1:]


def lcfirst(string: str) -> str:
    return strtolower(string[:1]) + string[1:]


def ucwords(string: str, separators: str = " \t\r\n\f\v") -> str:
    words = [
        strtoupper(character) if position == 0 or string[position - 1] in separators else character
        for position, character in enumerate(string)
    ]
    return "".join(words)


def trim(string: str, characters: str = WHITE) -> str:
    return string.strip(characters if characters is WHITE else _expanded(characters))


def ltrim(string: str, characters: str = WHITE) -> str:
    return string.lstrip(characters if characters is WHITE else _expanded(characters))


def rtrim(string: str, characters: str = WHITE) -> str:
    return string.rstrip(characters if characters is WHITE else _expanded(characters))


def _expanded(characters: str) -> str:
    """A list of characters in which `a..z` is a range."""
    if ".." not in characters:
        return characters
    found: list[str] = []
    position = 0
    while position < len(characters):
        first, last = characters[position], characters[position + 3 : position + 4]
        if characters[position + 1 : position + 3] == ".." and last and first <= last < "\U00000100":
            found.extend(map(chr, range(ord(first), ord(last) + 1)))
            position += 4
        else:
            found.append(first)
            position += 1
    return "".join(found)


def substr(string: str, offset: int, length: int | None = None) -> str:
    size = len(string)
    start = max(size + offset, 0) if offset < 0 else min(offset, size)
    if length is None:
        return string[start:]
    end = size + length if length < 0 else start + length
    return string[start : max(start, end)]


def substr_count(haystack: str, needle: str) -> int:
    if not needle:
        raise RowFailed("substr_count() needs a text to look for")
    return haystack.count(needle)


def substr_replace(string: str, replace: str, offset: int, length: int | None = None) -> str:
    head = substr(string, 0, offset if offset < 0 else min(offset, len(string)))
    gone = substr(string, offset, length)
    return head + replace + string[len(head) + len(gone) :]


def _offset(haystack: str, offset: int) -> int:
    start = len(haystack) + offset if offset < 0 else offset
    if not 0 <= start <= len(haystack):
        raise RowFailed("the offset lies outside of the string")
    return start


def strpos(haystack: str, needle: str, offset: int = 0) -> int | bool:
    found = haystack.find(needle, _offset(haystack, offset))
    return found if found >= 0 else False


def stripos(haystack: str, needle: str, offset: int = 0) -> int | bool:
    return strpos(strtolower(haystack), strtolower(needle), offset)


def mb_stripos(haystack: str, needle: str, offset: int = 0) -> int | bool:
    return strpos(mb_strtolower(haystack), mb_strtolower(needle), offset)


def strrpos(haystack: str, needle: str, offset: int = 0) -> int | bool:
    start = _offset(haystack, offset)
    end = len(haystack) if offset >= 0 else min(len(haystack), start + len(needle))
    found = haystack.rfind(needle, 0 if offset < 0 else start, end)
    return found if found >= 0 else False


def strstr(haystack: str, needle: str, before_needle: bool = False) -> str | bool:
    found = haystack.find(needle)
    if found < 0:
        return False
    return haystack[:found] if before_needle else haystack[found:]


def strrchr(haystack: str, needle: str) -> str | bool:
    found = haystack.rfind(needle[:1])
    return haystack[found:] if found >= 0 and needle else False


def str_contains(haystack: str, needle: str) -> bool:
    return needle in haystack


def str_replace(budget: Budget, search: Value, replace: Value, subject: Value) -> Value:
    """Also with arrays of texts to find and their replacements, and with an array of subjects."""
    pairs = _pairs(search, replace)
    if isinstance(subject, PhpArray):
        budget.take_items(len(subject))
        return PhpArray(
            [(k, v if isinstance(v, PhpArray) else _replaced(budget, v, pairs)) for k, v in subject.items()]
        )
    return _replaced(budget, subject, pairs)


def _pairs(search: Value, replace: Value) -> list[tuple[str, str]]:
    if not isinstance(search, PhpArray):
        if isinstance(replace, PhpArray):
            raise RowFailed("str_replace() takes an array of replacements only for an array of texts to find")
        return [(to_text(search), to_text(replace))]
    new = [to_text(v) for v in replace.values()] if isinstance(replace, PhpArray) else None
    texts = [to_text(value) for value in search.values()]
    return [(old, to_text(replace) if new is None else new[i] if i < len(new) else "") for i, old in enumerate(texts)]


def _replaced(budget: Budget, subject: Value, pairs: list[tuple[str, str]]) -> str:
    text = to_text(subject)
    for old, new in pairs:
        if old and old in text:
            budget.take_text(len(text) + text.count(old) * (len(new) - len(old)))
            text = text.replace(old, new)
    return text


def strtr(budget: Budget, string: str, from_: Value, to: str | None = None) -> str:
    if to is not None:
        return string.translate({ord(a): b for a, b in zip(to_text(from_), to, strict=False)})
    if not isinstance(from_, PhpArray):
        raise RowFailed("strtr() with two arguments needs an array of replacements")
    pairs = {to_text(key): to_text(value) for key, value in from_.items() if to_text(key)}
    if not pairs:
        return string
    lengths = sorted({len(key) for key in pairs}, reverse=True)
    parts: list[str] = []
    position = 0
    while position < len(string):
        size = next((n for n in lengths if string[position : position + n] in pairs), 0)
        parts.append(pairs[string[position : position + size]] if size else string[position])
        position += size or 1
    budget.take_text(sum(map(len, parts)))
    return "".join(parts)


def str_pad(budget: Budget, string: str, length: int, pad_string: str = " ", pad_type: int = STR_PAD_RIGHT) -> str:
    missing = length - len(string)
    if missing <= 0:
        return string
    if not pad_string:
        raise RowFailed("str_pad() needs a text to pad with")
    budget.take_text(length)
    left = missing if pad_type == STR_PAD_LEFT else missing // 2 if pad_type == STR_PAD_BOTH else 0
    return _repeated(pad_string, left) + string + _repeated(pad_string, missing - left)


def _repeated(text: str, length: int) -> str:
    return (text * (length // len(text) + 1))[:length]


def str_repeat(budget: Budget, string: str, times: int) -> str:
    if times < 0:
        raise RowFailed("str_repeat() cannot repeat less than 0 times")
    budget.take_text(len(string) * times)
    return string * times if string else ""


def strrev(string: str) -> str:
    return string[::-1]


def str_split(budget: Budget, string: str, length: int = 1) -> PhpArray:
    if length < 1:
        raise RowFailed("str_split() needs pieces of 1 character or more")
    budget.take_items(len(string) // length)
    return array_of([string[i : i + length] for i in range(0, len(string), length)])


def explode(budget: Budget, separator: str, string: str, limit: int | None = None) -> PhpArray:
    if not separator:
        raise RowFailed("explode() needs a separator that is not empty")
    count = string.count(separator) + 1
    budget.take_items(count)
    if limit is None or limit >= count:
        return array_of(string.split(separator))
    if limit < 0:
        return array_of(string.split(separator)[:limit])
    return array_of(string.split(separator, max(limit, 1) - 1))


def implode(budget: Budget, separator: Value, array: Value = None) -> str:
    """The separator may be left out or stand behind the array."""
    if isinstance(separator, PhpArray):
        separator, array = array, separator
    if not isinstance(array, PhpArray):
        raise RowFailed("implode() needs an array")
    glue = to_text(separator)
    parts = [part if part.__class__ is str else to_text(part) for part in array.values()]
    budget.spend(len(parts) // 8)
    budget.take_text(sum(map(len, parts)) + len(glue) * len(parts))
    return glue.join(parts)


def nl2br(string: str) -> str:
    marked = string.replace("\r\n", "\0rn").replace("\n\r", "\0nr").replace("\n", "<br />\n").replace("\r", "<br />\r")
    return marked.replace("\0rn", "<br />\r\n").replace("\0nr", "<br />\n\r")


def wordwrap(budget: Budget, string: str, width: int = 75, break_: str = "\n", cut_long_words: bool = False) -> str:
    if not break_ or (width == 0 and cut_long_words):
        raise RowFailed("wordwrap() needs a break and, to cut words, a width")
    lines: list[str] = []
    start = space = 0
    position = 0
    while position < len(string):
        character = string[position]
        if string.startswith(break_, position):
            lines.append(string[start : position + len(break_)])
            position += len(break_) - 1
            start = space = position + 1
        elif character == " ":
            if position - start >= width:
                lines.append(string[start:position] + break_)
                start = position + 1
            space = position
        elif position - start >= width and cut_long_words and start >= space:
            lines.append(string[start:position] + break_)
            start = space = position
        elif position - start >= width and start < space:
            lines.append(string[start:space] + break_)
            start = space = space + 1
        position += 1
    lines.append(string[start:])
    budget.take_text(sum(map(len, lines)))
    return "".join(lines)


def htmlspecialchars(string: str) -> str:
    return html.escape(string).replace("&#x27;", "&#039;")


def htmlspecialchars_decode(string: str) -> str:
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&#039;", "'"), ("&#39;", "'")):
        string = string.replace(entity, character)
    return string.replace("&amp;", "&")


def addslashes(string: str) -> str:
    for character in ("\\", "'", '"'):
        string = string.replace(character, "\\" + character)
    return string.replace("\0", "\\0")


def strcmp(string1: str, string2: str) -> int:
    return (string1 > string2) - (string1 < string2)


def strcasecmp(string1: str, string2: str) -> int:
    a, b = strtolower(string1), strtolower(string2)
    for x, y in zip(a, b, strict=False):
        if x != y:
            return (x > y) - (x < y)
    return (len(a) > len(b)) - (len(a) < len(b))


def strncmp(string1: str, string2: str, length: int) -> int:
    if length < 0:
        raise RowFailed("strncmp() needs a length of 0 or more")
    return strcmp(string1[:length], string2[:length])


def strncasecmp(string1: str, string2: str, length: int) -> int:
    return strncmp(strtolower(string1), strtolower(string2), length)


def md5(string: str) -> str:
    return hashlib.md5(string.encode(), usedforsecurity=False).hexdigest()


def sha1(string: str) -> str:
    return hashlib.sha1(string.encode(), usedforsecurity=False).hexdigest()


def crc32(string: str) -> int:
    return zlib.crc32(string.encode())


def bin2hex(string: str) -> str:
    return string.encode().hex()


def base64_encode(string: str) -> str:
    return base64.b64encode(string.encode()).decode()


def base64_decode(string: str) -> str | bool:
    """Text only: bytes that are no UTF-8 give false."""
    letters = "".join(c for c in string if c.isascii() and (c.isalnum() or c in "+/")).rstrip("=")
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    try:
        return base64.b64decode(letters + "=" * (-len(letters) % 4)).decode()
    except UnicodeDecodeError:
        return False


def rawurlencode(string: str) -> str:
    return urllib.parse.quote(string, safe="")


def urlencode(string: str) -> str:
    return urllib.parse.quote_plus(string, safe="").replace("~", "%7E")


def ord_(character: str) -> int:
    """The first byte of the character as UTF-8."""
    return character.encode()[0] if character else 0


def chr_(codepoint: int) -> str:
    """The character of an ASCII code; other bytes are no characters here."""
    if not 0 <= codepoint <= 127:
        raise RowFailed("chr() makes ASCII characters only, 0 to 127")
    return chr(codepoint)
