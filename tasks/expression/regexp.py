"""PCRE patterns as PHP writes them, on the `regex` package: delimiters, flags, a time limit for every search.

A character is a character, with the flag `u` and without it. Without it \\w, \\d, \\s and case are ASCII, as in PHP,
and only \\p knows all characters.
"""

import functools
from collections.abc import Iterator
from typing import Any, Final

import regex

from tasks.expression.budget import Budget
from tasks.expression.errors import BudgetSpent, RowFailed
from tasks.expression.pattern_text import with_all_characters, without_quotes
from tasks.expression.values import PhpArray, Value, array_of, to_text

PREG_PATTERN_ORDER: Final = 1
PREG_SET_ORDER: Final = 2
PREG_SPLIT_NO_EMPTY: Final = 1
PREG_SPLIT_DELIM_CAPTURE: Final = 2
PREG_GREP_INVERT: Final = 1
_CLOSING: Final = {"(": ")", "[": "]", "{": "}", "<": ">"}
_FLAGS: Final = {"i": regex.I, "m": regex.M, "s": regex.S, "x": regex.X}
_SPECIAL: Final = frozenset(".\\+*?[^]$(){}=!<>|:-#/")


class PatternError(ValueError):
    """A pattern that cannot be compiled; the text says why, without the pattern."""


@functools.lru_cache(maxsize=256)
def compile_pattern(pattern: str) -> Any:
    """The compiled pattern of a PHP pattern string with its delimiters and flags.

    Raises: PatternError.
    """
    text = pattern.lstrip()
    opening = text[:1]
    if not opening or opening.isalnum() or opening in "\\\0":
        raise PatternError("a pattern stands between delimiters, as in '/^a/i'")
    end = text.rfind(_CLOSING.get(opening, opening))
    if end < 1:
        raise PatternError(f"the closing delimiter {_CLOSING.get(opening, opening)} of the pattern is missing")
    flags = regex.V0
    dollar_end = False
    for letter in text[end + 1 :].rstrip():
        if letter not in "imsxuUDA":
            raise PatternError(f"the pattern's flag {letter} is unknown; known are i m s x u D A")
        if letter == "U":
            raise PatternError("the pattern's flag U is not available; write *? instead of *")
        flags |= _FLAGS.get(letter, 0)
        dollar_end = dollar_end or letter == "D"
    is_ascii = "u" not in text[end + 1 :]
    flags |= regex.ASCII if is_ascii else regex.UNICODE
    try:
        body = _translated(without_quotes(text[1:end]), dollar_end)
        body = with_all_characters(body) if is_ascii else body
        return regex.compile(("\\G" if "A" in text[end + 1 :] else "") + body, flags)
    except (regex.error, RecursionError) as error:
        raise PatternError(f"the pattern is not valid: {getattr(error, 'msg', 'nested too deeply')}") from None


def _translated(body: str, dollar_end: bool) -> str:
    """PCRE's spelling in that of `regex`: \\z, \\Z, \\h, $ at the very end, (?i) only where it means the same."""
    parts: list[str] = []
    position = 0
    while position < len(body):
        letter = body[position]
        if letter == "\\":
            pair = body[position : position + 2]
            parts.append(_ESCAPES.get(pair, pair))
        elif letter == "[":
            parts.append(_class_at(body, position))
        elif letter == "(" and position and _FLAG_GROUP.match(body, position):
            raise PatternError("flags as (?i) stand at the start of the pattern, or around a group: (?i:…)")
        else:
            parts.append(r"\Z" if letter == "$" and dollar_end else letter)
        position += 2 if letter == "\\" else len(parts[-1]) if letter == "[" else 1
    return "".join(parts)


_CLASS: Final = regex.compile(r"\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*+\]?", regex.S)
_FLAG_GROUP: Final = regex.compile(r"\(\?[imsx-]+\)")
_ESCAPES: Final = {"\\z": r"\Z", "\\Z": r"(?=\n?\Z)", "\\h": r"[ \t]", "\\R": r"(?>\r\n|[\n\v\f\r])", "\\e": r"\x1b"}


def _class_at(body: str, position: int) -> str:
    """The character class that begins there, with its closing bracket."""
    found = _CLASS.match(body, position)
    return body[position:] if found is None else found[0]


def _compiled(pattern: str) -> Any:
    try:
        return compile_pattern(pattern)
    except PatternError as error:
        raise RowFailed(str(error)) from None


def _matches(budget: Budget, pattern: str, subject: str) -> Iterator[Any]:
    """All matches, one after the other, within the time limit.

    Raises: BudgetSpent.
    """
    budget.check_clock()
    try:
        for match in _compiled(pattern).finditer(subject, timeout=budget.allowance.pattern_seconds):
            budget.spend(1)
            yield match
    except TimeoutError:
        raise _too_long(budget) from None


def _too_long(budget: Budget) -> BudgetSpent:
    seconds = budget.allowance.pattern_seconds
    return BudgetSpent(f"a pattern needs more than {seconds} seconds for one text", costly=True)


def _search(budget: Budget, pattern: str, subject: str) -> Any:
    budget.check_clock()
    try:
        return _compiled(pattern).search(subject, timeout=budget.allowance.pattern_seconds)
    except TimeoutError:
        raise _too_long(budget) from None


def _groups(match: Any, *, trimmed: bool) -> PhpArray:
    """The groups by number and name; those at the end that took no part are left out as PHP does."""
    names = {number: name for name, number in match.re.groupindex.items()}
    last = max((n for n in range(len(match.groups()) + 1) if match.start(n) >= 0), default=0)
    groups = PhpArray()
    for number in range((last if trimmed else len(match.groups())) + 1):
        if number in names:
            groups[names[number]] = match[number] or ""
        groups[number] = match[number] or ""
    groups.next_index = len(match.groups()) + 1
    return groups


def preg_match(budget: Budget, pattern: str, subject: str, matches: PhpArray | None = None) -> int:
    """Fills `matches` with the groups of the first match."""
    match = _search(budget, pattern, subject)
    if match is not None and matches is not None:
        matches.update(_groups(match, trimmed=True))
        matches.next_index = len(matches)
    return int(match is not None)


def preg_match_all(
    budget: Budget, pattern: str, subject: str, matches: PhpArray | None = None, flags: int = PREG_PATTERN_ORDER
) -> int:
    """Fills `matches` with the groups of all matches, by group or (PREG_SET_ORDER) by match."""
    found = list(_matches(budget, pattern, subject))
    if matches is None:
        return len(found)
    if flags & PREG_SET_ORDER:
        matches.update(array_of(_groups(match, trimmed=True) for match in found))
    else:
        sets = [_groups(match, trimmed=False) for match in found]
        for key in sets[0] if sets else _keys_of(_compiled(pattern)):
            matches[key] = array_of(groups[key] for groups in sets)
    matches.next_index = len(matches)
    return len(found)


def _keys_of(compiled: Any) -> list[int | str]:
    names = {number: name for name, number in compiled.groupindex.items()}
    return [key for n in range(compiled.groups + 1) for key in ([names[n], n] if n in names else [n])]


def preg_replace(budget: Budget, pattern: Value, replacement: Value, subject: Value, limit: int = -1) -> Value:
    """Also with arrays of patterns, replacements and subjects; $1, ${1} and \\1 stand for groups."""
    if isinstance(subject, PhpArray):
        return PhpArray([(k, preg_replace(budget, pattern, replacement, v, limit)) for k, v in subject.items()])
    text = to_text(subject)
    if not isinstance(pattern, PhpArray):
        if isinstance(replacement, PhpArray):
            raise RowFailed("preg_replace() takes an array of replacements only for an array of patterns")
        return _substituted(budget, to_text(pattern), to_text(replacement), (text, limit))
    new = list(replacement.values()) if isinstance(replacement, PhpArray) else None
    for position, one in enumerate(pattern.values()):
        with_ = replacement if new is None else new[position] if position < len(new) else ""
        text = _substituted(budget, to_text(one), to_text(with_), (text, limit))
    return text


def _substituted(budget: Budget, pattern: str, replacement: str, text_and_limit: tuple[str, int]) -> str:
    text, limit = text_and_limit
    template = _template(replacement)
    parts: list[str] = []
    end = length = 0
    for done, match in enumerate(_matches(budget, pattern, text)):
        if 0 <= limit <= done:
            break
        new = "".join(part if isinstance(part, str) else _group(match, part) for part in template)
        length += len(new)
        budget.take_text(length)
        parts += (text[end : match.start()], new)
        end = match.end()
    budget.take_text(length + len(text))
    return "".join(parts) + text[end:]


def _group(match: Any, number: int) -> str:
    return (match[number] or "") if number <= len(match.groups()) else ""


@functools.lru_cache(maxsize=256)
def _template(replacement: str) -> tuple[str | int, ...]:
    parts: list[str | int] = []
    end = 0
    for match in regex.finditer(r"\\\\|[\\$](\d{1,2})|\$\{(\d{1,2})\}", replacement):
        parts.append(replacement[end : match.start()])
        parts.append("\\" if match[0] == "\\\\" else int(match[1] or match[2]))
        end = match.end()
    return (*parts, replacement[end:])


def preg_split(budget: Budget, pattern: str, subject: str, limit: int | None = -1, flags: int = 0) -> PhpArray:
    most = -1 if limit is None or limit == 0 else limit
    pieces: list[str] = []
    end = made = 0
    for match in _matches(budget, pattern, subject):
        if 0 < most <= made + 1:
            break
        if match.start() > end or not flags & PREG_SPLIT_NO_EMPTY:
            pieces.append(subject[end : match.start()])
            made += 1
        if flags & PREG_SPLIT_DELIM_CAPTURE:
            pieces += [g for g in match.groups("") if g or not flags & PREG_SPLIT_NO_EMPTY]
        end = match.end()
    if end < len(subject) or not flags & PREG_SPLIT_NO_EMPTY:
        pieces.append(subject[end:])
    return array_of(pieces)


def preg_grep(budget: Budget, pattern: str, array: PhpArray, flags: int = 0) -> PhpArray:
    budget.spend(1 + len(array))
    wanted = not flags & PREG_GREP_INVERT
    return PhpArray((k, v) for k, v in array.items() if (_search(budget, pattern, to_text(v)) is not None) is wanted)


def preg_quote(string: str, delimiter: str | None = None) -> str:
    return "".join("\\" + c if c in _SPECIAL - {"/"} or c == (delimiter or "\0")[:1] else c for c in string)
