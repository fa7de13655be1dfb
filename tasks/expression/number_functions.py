"""PHP's functions on types, numbers, formats and dates. There is no clock: dates come from the row."""

import calendar
import datetime
import math
import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from tasks.expression.budget import Budget
from tasks.expression.errors import RowFailed
from tasks.expression.values import (
    INT_MAX,
    INT_MIN,
    PhpArray,
    Value,
    float_text,
    numeric,
    to_float,
    to_int,
    to_text,
    truthy,
    type_name,
)

_DATE: Final = re.compile(
    r"(?:(?P<y>\d{4})-(?P<m>\d\d?)-(?P<d>\d\d?)|(?P<d2>\d\d?)\.(?P<m2>\d\d?)\.(?P<y2>\d{4}))"
    r"(?:[T ](?P<h>\d\d):(?P<i>\d\d)(?::(?P<s>\d\d)(?:\.\d+)?)?)?(?P<z>Z|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
_DIRECTIVE: Final = re.compile(r"%(?:(\d+)\$)?([-+ 0]|'.)*(\d*)(?:\.(\d+))?(.)", re.DOTALL | re.ASCII)
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def intval(value: Value, base: int = 10) -> int:
    if base == 10 or not isinstance(value, str):
        return to_int(value)
    text = value.strip(" \t\n\r\v\f").lower()
    sign, digits = (-1, text[1:]) if text[:1] == "-" else (1, text.removeprefix("+"))
    prefixes = {"0x": 16, "0b": 2, "0o": 8}
    if base == 0:
        base = prefixes.get(digits[:2], 8 if digits[:1] == "0" else 10)
    if prefixes.get(digits[:2]) == base:
        digits = digits[2:]
    found = re.match("[0-9a-z]*", digits)
    letters = "" if found is None else found[0]
    valid = next((n for n, letter in enumerate(letters) if int(letter, 36) >= base), len(letters))
    return min(max(sign * int(letters[:valid] or "0", base), INT_MIN), INT_MAX)


def floatval(value: Value) -> float:
    return to_float(value)


def strval(value: Value) -> str:
    return to_text(value)


def boolval(value: Value) -> bool:
    return truthy(value)


def gettype(value: Value) -> str:
    names = {"null": "NULL", "bool": "boolean", "int": "integer", "float": "double"}
    return names.get(type_name(value), type_name(value))


def is_numeric(value: Value) -> bool:
    return (isinstance(value, int | float) and not isinstance(value, bool)) or (
        isinstance(value, str) and numeric(value) is not None
    )


def is_string(value: Value) -> bool:
    return isinstance(value, str)


def is_int(value: Value) -> bool:
    return value.__class__ is int


def is_float(value: Value) -> bool:
    return isinstance(value, float)


def is_bool(value: Value) -> bool:
    return isinstance(value, bool)


def is_array(value: Value) -> bool:
    return isinstance(value, PhpArray)


def is_null(value: Value) -> bool:
    return value is None


def is_scalar(value: Value) -> bool:
    return isinstance(value, bool | int | float | str)


def _ctype(pattern: str, text: Value) -> bool:
    return isinstance(text, str) and re.fullmatch(pattern, text, re.ASCII) is not None


def ctype_digit(text: Value) -> bool:
    return _ctype(r"[0-9]+", text)


def ctype_alpha(text: Value) -> bool:
    return _ctype(r"[A-Za-z]+", text)


def ctype_alnum(text: Value) -> bool:
    return _ctype(r"[A-Za-z0-9]+", text)


def ctype_upper(text: Value) -> bool:
    return _ctype(r"[A-Z]+", text)


def ctype_lower(text: Value) -> bool:
    return _ctype(r"[a-z]+", text)


def ctype_space(text: Value) -> bool:
    return _ctype(r"[ \t\n\r\v\f]+", text)


def ctype_punct(text: Value) -> bool:
    return _ctype(r"[!-/:-@\[-`{-~]+", text)


def ctype_xdigit(text: Value) -> bool:
    return _ctype(r"[0-9A-Fa-f]+", text)


def abs_(num: int | float) -> int | float:
    return float(abs(num)) if num == INT_MIN else abs(num)


def floor(num: int | float) -> float:
    return float(math.floor(num)) if math.isfinite(num) else float(num)


def ceil(num: int | float) -> float:
    return float(math.ceil(num)) if math.isfinite(num) else float(num)


def round_(num: int | float, precision: int = 0) -> float:
    """Half away from zero, on the number as it is written."""
    if not math.isfinite(num) or abs(precision) > 300:
        return float(num)
    return float(Decimal(float_text(float(num), 15)).quantize(Decimal(1).scaleb(-precision), ROUND_HALF_UP))


def intdiv(num1: int, num2: int) -> int:
    if num2 == 0 or (num1 == INT_MIN and num2 == -1):
        raise RowFailed("intdiv() by zero, or beyond the largest number")
    return abs(num1) // abs(num2) * (1 if (num1 < 0) == (num2 < 0) else -1)


def fmod(num1: float, num2: float) -> float:
    return math.fmod(num1, num2) if num2 and math.isfinite(num1) else math.nan


def dechex(num: int) -> str:
    return f"{num % 2**64:x}"


def hexdec(hex_string: str) -> int | float:
    value = int("".join(c for c in hex_string if c in "0123456789abcdefABCDEF") or "0", 16)
    return value if value <= INT_MAX else float(value)


def decbin(num: int) -> str:
    return f"{num % 2**64:b}"


def bindec(binary_string: str) -> int | float:
    value = int("".join(c for c in binary_string if c in "01") or "0", 2)
    return value if value <= INT_MAX else float(value)


def number_format(
    num: float, decimals: int = 0, decimal_separator: str | None = ".", thousands_separator: str | None = ","
) -> str:
    places = min(max(decimals, 0), 100)
    rounded = round_(num, places)
    text = f"{abs(rounded):,.{places}f}"
    point = "." if decimal_separator is None else decimal_separator
    comma = "," if thousands_separator is None else thousands_separator
    whole, _, fraction = text.partition(".")
    sign = "-" if rounded < 0 and any(c in "123456789" for c in text) else ""
    return sign + whole.replace(",", comma) + (point + fraction if fraction else "")


def sprintf(budget: Budget, format_: str, *values: Value) -> str:
    """%s %d %u %f %F %e %E %g %G %x %X %o %b %c %%, with position, sign, padding, width and precision."""
    parts: list[str] = []
    position = used = 0
    for match in _DIRECTIVE.finditer(format_):
        parts.append(format_[position : match.start()])
        position = match.end()
        if match[5] == "%":
            parts.append("%")
            continue
        used += match[1] is None
        index = int(match[1]) - 1 if match[1] else used - 1
        if not 0 <= index < len(values):
            raise RowFailed("sprintf() has fewer values than its format names")
        parts.append(_formatted(budget, match, values[index]))
    rest = format_[position:]
    if "%" in rest:
        raise RowFailed("the format of sprintf() ends within a directive")
    budget.take_text(sum(map(len, parts)) + len(rest))
    return "".join(parts) + rest


def vsprintf(budget: Budget, format_: str, values: PhpArray) -> str:
    return sprintf(budget, format_, *values.values())


def _formatted(budget: Budget, match: re.Match[str], value: Value) -> str:
    flags = match[0][1 : match.start(3) - match.start()]
    flags = flags[len(match[1]) + 1 :] if match[1] else flags
    width = int(match[3] or 0)
    budget.take_text(width)
    pad, left, signed = " ", False, False
    position = 0
    while position < len(flags):
        flag = flags[position]
        pad = flags[position + 1] if flag == "'" else flag if flag in "0 " else pad
        left, signed = left or flag == "-", signed or flag == "+"
        position += 2 if flag == "'" else 1
    text = _converted(match[5], value, None if match[4] is None else int(match[4]), signed)
    if len(text) >= width:
        return text
    if left:
        return text.ljust(width, " " if pad == "0" and match[5] not in "s" else pad)
    if pad == "0" and text[:1] in ("-", "+") and match[5] in "dfFeEgG":
        return text[0] + text[1:].rjust(width - 1, "0")
    return text.rjust(width, pad)


def _converted(kind: str, value: Value, precision: int | None, signed: bool) -> str:
    plus = "+" if signed else ""
    if kind == "s":
        return to_text(value)[:precision]
    if kind == "d":
        return f"{to_int(value):{plus}d}"
    if kind in "fFeEgG":
        return _converted_float(kind, to_float(value), 6 if precision is None else min(precision, 53), plus)
    if kind == "c":
        return chr(to_int(value) % 128)
    if kind in "uxXob":
        return format(to_int(value) % 2**64, "d" if kind == "u" else kind)
    raise RowFailed("sprintf() does not know a directive of its format")


def _converted_float(kind: str, number: float, precision: int, plus: str) -> str:
    if kind in "fF":
        return f"{number:{plus}.{precision}f}"
    text = re.sub(r"([eE])([+-])0+(?=\d)", r"\1\2", f"{number:{plus}.{precision}{kind}}")
    return re.sub(r"^([+-]?\d)(?=[eE])", r"\1.0", text) if kind in "gG" else text


def checkdate(month: int, day: int, year: int) -> bool:
    if not (1 <= month <= 12 and 1 <= year <= 9999):
        return False
    return 1 <= day <= calendar.monthrange(year, month)[1]


def strtotime(datetime_: str) -> int | bool:
    """Seconds since 1970 of an ISO date (2024-12-31, with or without a time) or a German one (31.12.2024), as UTC."""
    text = datetime_.strip()
    if not text:
        return False
    match = _DATE.fullmatch(text)
    if match is None:
        raise RowFailed("strtotime() reads dates as 2024-12-31, 2024-12-31 23:59:00 or 31.12.2024 only")
    year, month, day = (int(match[n] or match[n + "2"]) for n in "ymd")
    hour, minute, second = (int(match[n] or 0) for n in "his")
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour <= 24 and minute <= 59 and second <= 59 and year):
        return False
    start = datetime.datetime(year, month, 1, tzinfo=datetime.UTC).timestamp()
    return int(start) + (day - 1) * 86400 + hour * 3600 + minute * 60 + second - _zone_seconds(match["z"])


def _zone_seconds(zone: str | None) -> int:
    if zone is None or zone == "Z":
        return 0
    seconds = int(zone[1:3]) * 3600 + int(zone[-2:]) * 60
    return seconds if zone[0] == "+" else -seconds


def date(format_: str, timestamp: int) -> str:
    """A time as text, in UTC."""
    try:
        moment = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(seconds=timestamp)
    except OverflowError:
        raise RowFailed("date() knows the years 1 to 9999") from None
    letters = iter(format_)
    return "".join(next(letters, "") if letter == "\\" else _date_part(letter, moment) for letter in letters)


def _date_part(letter: str, moment: datetime.datetime) -> str:
    hour = moment.hour % 12 or 12
    last = moment.day % 10 if moment.day not in (11, 12, 13) else 0
    days = calendar.monthrange(moment.year, moment.month)[1]
    week = moment.isocalendar()
    texts = {
        "d": f"{moment.day:02}",
        "j": str(moment.day),
        "D": _DAYS[moment.weekday()][:3],
        "l": _DAYS[moment.weekday()],
        "N": str(moment.isoweekday()),
        "w": str(moment.isoweekday() % 7),
        "z": str(moment.timetuple().tm_yday - 1),
        "S": {1: "st", 2: "nd", 3: "rd"}.get(last, "th"),
        "W": f"{week.week:02}",
        "o": str(week.year),
        "m": f"{moment.month:02}",
        "n": str(moment.month),
        "t": str(days),
        "L": str(int(calendar.isleap(moment.year))),
        "F": _MONTHS[moment.month - 1],
        "M": _MONTHS[moment.month - 1][:3],
        "Y": f"{moment.year:04}",
        "y": f"{moment.year % 100:02}",
        "a": "am" if moment.hour < 12 else "pm",
        "A": "AM" if moment.hour < 12 else "PM",
        "g": str(hour),
        "h": f"{hour:02}",
        "G": str(moment.hour),
        "H": f"{moment.hour:02}",
        "i": f"{moment.minute:02}",
        "s": f"{moment.second:02}",
        "u": "000000",
        "v": "000",
        "e": "UTC",
        "T": "UTC",
        "P": "+00:00",
        "O": "+0000",
        "p": "Z",
        "Z": "0",
        "I": "0",
        "U": str(int(moment.timestamp())),
        "c": f"{moment.year:04}-{moment:%m-%dT%H:%M:%S}+00:00",
        "r": f"{_DAYS[moment.weekday()][:3]}, {moment.day:02} {_MONTHS[moment.month - 1][:3]} "
        f"{moment.year:04} {moment:%H:%M:%S} +0000",
    }
    return texts.get(letter, letter)
