"""The functions a snippet may call: PHP's signature, what runs, what it gives. Nothing else can be called.

The signature drives the check of calls at profile load, the conversion of arguments, and the table in
docs/expressions.md.
"""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tasks.expression import list_functions as lists
from tasks.expression import number_functions as numbers
from tasks.expression import regexp
from tasks.expression import text_functions as text


@dataclass(frozen=True)
class Parameter:
    """One parameter of a PHP signature."""

    name: str
    type: str
    optional: bool
    variadic: bool
    by_reference: bool


@dataclass(frozen=True)
class Function:
    """One entry of the table."""

    name: str
    signature: str
    parameters: tuple[Parameter, ...]
    returns: str
    implementation: Callable[..., Any]
    meaning: str
    group: str

    @property
    def costly(self) -> bool:
        """Whether the implementation takes the row's budget before its arguments."""
        code = getattr(self.implementation, "__code__", None)
        return code is not None and code.co_varnames[:1] == ("budget",)

    @property
    def keeps(self) -> bool:
        """Whether an argument may live on in an array that the function gives or changes."""
        return self.returns == "array" or any(p.by_reference for p in self.parameters)

    @property
    def fewest(self) -> int:
        return sum(not (p.optional or p.variadic) for p in self.parameters)

    @property
    def most(self) -> int | None:
        """The largest number of arguments; None where there is no end."""
        return None if any(p.variadic for p in self.parameters) else len(self.parameters)

    def parameter(self, position: int) -> Parameter:
        return self.parameters[min(position, len(self.parameters) - 1)]


_PARAMETER: Final = re.compile(r"(?P<type>[\w|?]+) (?P<ref>&?)(?P<dots>(?:\.\.\.)?)\$(?P<name>\w+)(?P<default> = .+)?")

_TEXT: Final[dict[str, tuple[Callable[..., Any], str]]] = {
    "strlen(string $string): int": (text.strlen, "number of characters"),
    "mb_strlen(string $string): int": (text.strlen, "number of characters"),
    "substr(string $string, int $offset, ?int $length = null): string": (text.substr, "a part, counted in characters"),
    "mb_substr(string $string, int $start, ?int $length = null): string": (text.substr, "a part"),
    "substr_count(string $haystack, string $needle): int": (text.substr_count, "how often a text occurs"),
    "substr_replace(string $string, string $replace, int $offset, ?int $length = null): string": (
        text.substr_replace,
        "the string with a part replaced",
    ),
    "strpos(string $haystack, string $needle, int $offset = 0): int|false": (text.strpos, "where a text begins"),
    "mb_strpos(string $haystack, string $needle, int $offset = 0): int|false": (text.strpos, "where a text begins"),
    "stripos(string $haystack, string $needle, int $offset = 0): int|false": (text.stripos, "the same, any case"),
    "mb_stripos(string $haystack, string $needle, int $offset = 0): int|false": (text.mb_stripos, "the same, any case"),
    "strrpos(string $haystack, string $needle, int $offset = 0): int|false": (text.strrpos, "where it begins last"),
    "strstr(string $haystack, string $needle, bool $before_needle = false): string|false": (
        text.strstr,
        "the rest from a text on, or what stands before it",
    ),
    "strrchr(string $haystack, string $needle): string|false": (text.strrchr, "the rest from the last character on"),
    "str_contains(string $haystack, string $needle): bool": (text.str_contains, "whether a text occurs"),
    "str_starts_with(string $haystack, string $needle): bool": (text.str_starts_with, "whether it begins so"),
    "str_ends_with(string $haystack, string $needle): bool": (text.str_ends_with, "whether it ends so"),
    "str_replace(array|string $search, array|string $replace, array|string $subject): array|string": (
        text.str_replace,
        "all occurrences replaced",
    ),
    "strtr(string $string, array|string $from, ?string $to = null): string": (text.strtr, "translated"),
    "trim(string $string, string $characters = ' \\n\\r\\t\\v\\0'): string": (text.trim, "without white space around"),
    "ltrim(string $string, string $characters = ' \\n\\r\\t\\v\\0'): string": (text.ltrim, "the same, on the left"),
    "rtrim(string $string, string $characters = ' \\n\\r\\t\\v\\0'): string": (text.rtrim, "the same, on the right"),
    "strtolower(string $string): string": (text.strtolower, "A-Z in lower case"),
    "strtoupper(string $string): string": (text.strtoupper, "a-z in upper case"),
    "mb_strtolower(string $string): string": (text.mb_strtolower, "all letters in lower case"),
    "mb_strtoupper(string $string): string": (text.mb_strtoupper, "all letters in upper case"),
    "mb_convert_case(string $string, int $mode): string": (text.mb_convert_case, "MB_CASE_UPPER, _LOWER or _TITLE"),
    "ucfirst(string $string): string": (text.ucfirst, "first letter in upper case"),
    "lcfirst(string $string): string": (text.lcfirst, "first letter in lower case"),
    "ucwords(string $string, string $separators = ' \\t\\r\\n\\f\\v'): string": (text.ucwords, "Each Word So"),
    "str_pad(string $string, int $length, string $pad_string = ' ', int $pad_type = STR_PAD_RIGHT): string": (
        text.str_pad,
        "filled up to a length",
    ),
    "str_repeat(string $string, int $times): string": (text.str_repeat, "repeated"),
    "strrev(string $string): string": (text.strrev, "backwards"),
    "str_split(string $string, int $length = 1): array": (text.str_split, "cut into pieces of a length"),
    "mb_str_split(string $string, int $length = 1): array": (text.str_split, "the same"),
    "explode(string $separator, string $string, int $limit = PHP_INT_MAX): array": (text.explode, "split at a text"),
    "implode(array|string $separator, ?array $array = null): string": (text.implode, "joined with a text between"),
    "join(array|string $separator, ?array $array = null): string": (text.implode, "the same"),
    "nl2br(string $string): string": (text.nl2br, "<br /> before line ends"),
    "wordwrap(string $string, int $width = 75, string $break = '\\n', bool $cut_long_words = false): string": (
        text.wordwrap,
        "broken into lines",
    ),
    "htmlspecialchars(string $string): string": (text.htmlspecialchars, "& < > and quotes as HTML entities"),
    "htmlspecialchars_decode(string $string): string": (text.htmlspecialchars_decode, "the way back"),
    "addslashes(string $string): string": (text.addslashes, "quotes and backslashes escaped"),
    "strcmp(string $string1, string $string2): int": (text.strcmp, "-1, 0, 1: the order of two strings"),
    "strcasecmp(string $string1, string $string2): int": (text.strcasecmp, "the same, any case"),
    "strncmp(string $string1, string $string2, int $length): int": (text.strncmp, "the same, of the first characters"),
    "strncasecmp(string $string1, string $string2, int $length): int": (text.strncasecmp, "the same, any case"),
    "md5(string $string): string": (text.md5, "MD5 as 32 hex digits"),
    "sha1(string $string): string": (text.sha1, "SHA-1 as 40 hex digits"),
    "crc32(string $string): int": (text.crc32, "CRC-32"),
    "bin2hex(string $string): string": (text.bin2hex, "the UTF-8 bytes as hex digits"),
    "base64_encode(string $string): string": (text.base64_encode, "Base64"),
    "base64_decode(string $string): string|false": (text.base64_decode, "the way back, text only"),
    "urlencode(string $string): string": (text.urlencode, "for a query string"),
    "rawurlencode(string $string): string": (text.rawurlencode, "for a path, RFC 3986"),
    "ord(string $character): int": (text.ord_, "code of the first byte"),
    "chr(int $codepoint): string": (text.chr_, "the ASCII character of a code"),
}

_ARRAYS: Final[dict[str, tuple[Callable[..., Any], str]]] = {
    "count(array $value, int $mode = COUNT_NORMAL): int": (lists.count, "number of items"),
    "sizeof(array $value, int $mode = COUNT_NORMAL): int": (lists.count, "the same"),
    "in_array(mixed $needle, array $haystack, bool $strict = false): bool": (lists.in_array, "whether it is in there"),
    "array_search(mixed $needle, array $haystack, bool $strict = false): mixed": (lists.array_search, "its key"),
    "array_key_exists(mixed $key, array $array): bool": (lists.array_key_exists, "whether there is such a key"),
    "key_exists(mixed $key, array $array): bool": (lists.array_key_exists, "the same"),
    "array_keys(array $array, mixed $filter_value = UNKNOWN, bool $strict = false): array": (
        lists.array_keys,
        "the keys, or those of one value",
    ),
    "array_values(array $array): array": (lists.array_values, "the values, numbered anew"),
    "array_merge(array ...$arrays): array": (lists.array_merge, "one behind the other"),
    "array_combine(array $keys, array $values): array": (lists.array_combine, "keys and values brought together"),
    "array_fill(int $start_index, int $count, mixed $value): array": (lists.array_fill, "one value many times"),
    "array_fill_keys(array $keys, mixed $value): array": (lists.array_fill_keys, "one value for each key"),
    "array_pad(array $array, int $length, mixed $value): array": (lists.array_pad, "filled up to a length"),
    "range(mixed $start, mixed $end, mixed $step = 1): array": (lists.range_, "numbers or letters in a row"),
    "array_slice(array $array, int $offset, ?int $length = null, bool $preserve_keys = false): array": (
        lists.array_slice,
        "a part",
    ),
    "array_reverse(array $array, bool $preserve_keys = false): array": (lists.array_reverse, "backwards"),
    "array_unique(array $array, int $flags = SORT_STRING): array": (lists.array_unique, "without doubles"),
    "array_filter(array $array, ?callable $callback = null, int $mode = 0): array": (
        lists.array_filter,
        "without what is false, or what the named function takes for false",
    ),
    "array_map(callable $callback, array $array): array": (lists.array_map, "each item through the named function"),
    "array_flip(array $array): array": (lists.array_flip, "keys and values exchanged"),
    "array_count_values(array $array): array": (lists.array_count_values, "how often each value occurs"),
    "array_column(array $array, mixed $column_key): array": (lists.array_column, "one key of each item"),
    "array_chunk(array $array, int $length): array": (lists.array_chunk, "cut into arrays of a length"),
    "array_diff(array $array, array ...$arrays): array": (lists.array_diff, "values that the others have not"),
    "array_diff_key(array $array, array ...$arrays): array": (lists.array_diff_key, "the same by key"),
    "array_intersect(array $array, array ...$arrays): array": (lists.array_intersect, "values that all have"),
    "array_intersect_key(array $array, array ...$arrays): array": (lists.array_intersect_key, "the same by key"),
    "array_key_first(array $array): mixed": (lists.array_key_first, "the first key"),
    "array_key_last(array $array): mixed": (lists.array_key_last, "the last key"),
    "array_is_list(array $array): bool": (lists.array_is_list, "whether the keys are 0, 1, 2 …"),
    "array_sum(array $array): mixed": (lists.array_sum, "the sum"),
    "array_product(array $array): mixed": (lists.array_product, "the product"),
    "max(mixed $value, mixed ...$values): mixed": (lists.max_, "the largest"),
    "min(mixed $value, mixed ...$values): mixed": (lists.min_, "the smallest"),
    "reset(array &$array): mixed": (lists.reset, "the first value"),
    "end(array &$array): mixed": (lists.end, "the last value"),
    "array_push(array &$array, mixed ...$values): int": (lists.array_push, "adds at the end"),
    "array_pop(array &$array): mixed": (lists.array_pop, "takes the last value away"),
    "array_shift(array &$array): mixed": (lists.array_shift, "takes the first value away"),
    "array_unshift(array &$array, mixed ...$values): int": (lists.array_unshift, "adds at the start"),
    "sort(array &$array, int $flags = SORT_REGULAR): bool": (lists.sort, "sorts by value, numbers anew"),
    "rsort(array &$array, int $flags = SORT_REGULAR): bool": (lists.rsort, "the same, downwards"),
    "asort(array &$array, int $flags = SORT_REGULAR): bool": (lists.asort, "sorts by value, keeps keys"),
    "arsort(array &$array, int $flags = SORT_REGULAR): bool": (lists.arsort, "the same, downwards"),
    "ksort(array &$array, int $flags = SORT_REGULAR): bool": (lists.ksort, "sorts by key"),
    "krsort(array &$array, int $flags = SORT_REGULAR): bool": (lists.krsort, "the same, downwards"),
}

_PATTERNS: Final[dict[str, tuple[Callable[..., Any], str]]] = {
    "preg_match(string $pattern, string $subject, mixed &$matches = null): int": (
        regexp.preg_match,
        "1 when the pattern is found; the groups in $matches",
    ),
    "preg_match_all(string $pattern, string $subject, mixed &$matches = null, int $flags = 1): int": (
        regexp.preg_match_all,
        "how often; PREG_PATTERN_ORDER or PREG_SET_ORDER",
    ),
    "preg_replace(array|string $pattern, array|string $replacement, array|string $subject, int $limit = -1): "
    "array|string": (regexp.preg_replace, "what the pattern finds, replaced"),
    "preg_split(string $pattern, string $subject, ?int $limit = -1, int $flags = 0): array": (
        regexp.preg_split,
        "split where the pattern is found; PREG_SPLIT_NO_EMPTY, PREG_SPLIT_DELIM_CAPTURE",
    ),
    "preg_grep(string $pattern, array $array, int $flags = 0): array": (regexp.preg_grep, "the items that it finds"),
    "preg_quote(string $str, ?string $delimiter = null): string": (regexp.preg_quote, "special characters escaped"),
}

_NUMBERS: Final[dict[str, tuple[Callable[..., Any], str]]] = {
    "intval(mixed $value, int $base = 10): int": (numbers.intval, "as whole number"),
    "floatval(mixed $value): float": (numbers.floatval, "as number with a fraction"),
    "strval(mixed $value): string": (numbers.strval, "as string"),
    "boolval(mixed $value): bool": (numbers.boolval, "as true or false"),
    "gettype(mixed $value): string": (numbers.gettype, "string, integer, double, boolean, array or NULL"),
    "is_numeric(mixed $value): bool": (numbers.is_numeric, "a number, or a string that is one"),
    "is_string(mixed $value): bool": (numbers.is_string, "whether it is a string"),
    "is_int(mixed $value): bool": (numbers.is_int, "whether it is a whole number"),
    "is_float(mixed $value): bool": (numbers.is_float, "whether it has a fraction"),
    "is_bool(mixed $value): bool": (numbers.is_bool, "whether it is true or false"),
    "is_array(mixed $value): bool": (numbers.is_array, "whether it is an array"),
    "is_null(mixed $value): bool": (numbers.is_null, "whether it is null"),
    "is_scalar(mixed $value): bool": (numbers.is_scalar, "neither null nor array"),
    "ctype_digit(mixed $text): bool": (numbers.ctype_digit, "only 0-9"),
    "ctype_alpha(mixed $text): bool": (numbers.ctype_alpha, "only A-Z, a-z"),
    "ctype_alnum(mixed $text): bool": (numbers.ctype_alnum, "only A-Z, a-z, 0-9"),
    "ctype_upper(mixed $text): bool": (numbers.ctype_upper, "only A-Z"),
    "ctype_lower(mixed $text): bool": (numbers.ctype_lower, "only a-z"),
    "ctype_space(mixed $text): bool": (numbers.ctype_space, "only white space"),
    "ctype_punct(mixed $text): bool": (numbers.ctype_punct, "only signs"),
    "ctype_xdigit(mixed $text): bool": (numbers.ctype_xdigit, "only hex digits"),
    "abs(int|float $num): int|float": (numbers.abs_, "without its sign"),
    "floor(int|float $num): float": (numbers.floor, "rounded down"),
    "ceil(int|float $num): float": (numbers.ceil, "rounded up"),
    "round(int|float $num, int $precision = 0): float": (numbers.round_, "rounded, half away from zero"),
    "intdiv(int $num1, int $num2): int": (numbers.intdiv, "division of whole numbers"),
    "fmod(float $num1, float $num2): float": (numbers.fmod, "remainder of a division"),
    "dechex(int $num): string": (numbers.dechex, "as hex digits"),
    "hexdec(string $hex_string): int|float": (numbers.hexdec, "from hex digits"),
    "decbin(int $num): string": (numbers.decbin, "as binary digits"),
    "bindec(string $binary_string): int|float": (numbers.bindec, "from binary digits"),
    "number_format(float $num, int $decimals = 0, ?string $decimal_separator = '.', "
    "?string $thousands_separator = ','): string": (numbers.number_format, "1,234.50"),
    "sprintf(string $format, mixed ...$values): string": (numbers.sprintf, "values in a format: %s %d %05.2f %'*10s …"),
    "vsprintf(string $format, array $values): string": (numbers.vsprintf, "the same, values from an array"),
}

_DATES: Final[dict[str, tuple[Callable[..., Any], str]]] = {
    "date(string $format, int $timestamp): string": (numbers.date, "a time as text, UTC; the time must be given"),
    "gmdate(string $format, int $timestamp): string": (numbers.date, "the same"),
    "strtotime(string $datetime): int|false": (numbers.strtotime, "seconds since 1970 of 2024-12-31 or 31.12.2024"),
    "checkdate(int $month, int $day, int $year): bool": (numbers.checkdate, "whether there is such a day"),
}

CONSTANTS: Final[dict[str, int | float | str]] = {
    "PHP_EOL": "\n",
    "PHP_INT_MAX": 2**63 - 1,
    "PHP_INT_MIN": -(2**63),
    "M_PI": 3.141592653589793,
    "STR_PAD_LEFT": 0,
    "STR_PAD_RIGHT": 1,
    "STR_PAD_BOTH": 2,
    "COUNT_NORMAL": 0,
    "COUNT_RECURSIVE": 1,
    "SORT_REGULAR": 0,
    "SORT_NUMERIC": 1,
    "SORT_STRING": 2,
    "SORT_FLAG_CASE": 8,
    "MB_CASE_UPPER": 0,
    "MB_CASE_LOWER": 1,
    "MB_CASE_TITLE": 2,
    "ARRAY_FILTER_USE_KEY": 2,
    "PREG_PATTERN_ORDER": 1,
    "PREG_SET_ORDER": 2,
    "PREG_GREP_INVERT": 1,
    "PREG_SPLIT_NO_EMPTY": 1,
    "PREG_SPLIT_DELIM_CAPTURE": 2,
}


@functools.cache
def functions() -> dict[str, Function]:
    """The table by lower-case name."""
    groups = {"Text": _TEXT, "Arrays": _ARRAYS, "Patterns": _PATTERNS, "Types and numbers": _NUMBERS, "Dates": _DATES}
    made = [_function(group, s, *entry) for group, table in groups.items() for s, entry in table.items()]
    return {function.name: function for function in made}


def _function(group: str, signature: str, implementation: Callable[..., Any], meaning: str) -> Function:
    name, _, rest = signature.partition("(")
    inside, _, returns = rest.rpartition("): ")
    parameters = tuple(_parameter(part) for part in re.split(r", (?=[\w|?]+ &?(?:\.\.\.)?\$)", inside) if part)
    return Function(name, signature, parameters, returns, implementation, meaning, group)


def _parameter(text: str) -> Parameter:
    match = _PARAMETER.fullmatch(text)
    if match is None:
        raise ValueError(f"not a parameter: {text}")
    return Parameter(match["name"], match["type"], bool(match["default"]), bool(match["dots"]), bool(match["ref"]))
