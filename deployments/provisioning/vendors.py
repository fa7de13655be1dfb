"""Which phone asks, and in which format: vendors' phones ask for a file whose name holds their MAC."""

import re
from dataclasses import dataclass
from typing import Final

from tasks.user import VENDORS


@dataclass(frozen=True)
class Format:
    """How a vendor's phones take their settings: the template, its media type, its words for languages."""

    template: str
    media_type: str
    languages: dict[str, str]


_CODES: Final = {code: code for code in ("en", "de", "fr", "es", "it", "nl")}
_YEALINK: Final = {"en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian", "nl": "Dutch"}
_SNOM: Final = {
    "en": "English",
    "de": "Deutsch",
    "fr": "Français",
    "es": "Español",
    "it": "Italiano",
    "nl": "Nederlands",
}

FORMATS: Final = {
    "Snom": Format("snom.xml.j2", "text/xml", _SNOM),
    "Yealink": Format("yealink.cfg.j2", "text/plain", _YEALINK),
    "Grandstream": Format("grandstream.xml.j2", "text/xml", _CODES),
}
GENERIC: Final = Format("generic.json.j2", "application/json", _CODES)

_MAC: Final = r"([0-9a-f]{12})"
_FILES: Final = (
    (re.compile(rf"snom[a-z0-9]+-{_MAC}\.html?"), "Snom"),
    (re.compile(rf"{_MAC}\.cfg"), "Yealink"),
    (re.compile(rf"cfg{_MAC}\.xml"), "Grandstream"),
)
_BARE: Final = re.compile(r"[0-9a-f]{2}([:.-]?[0-9a-f]{2}){5}")


def asked_for(file: str) -> tuple[str, str] | None:
    """The MAC (12 lower-case hex digits) and the vendor that a file name tells; None for any other file.

    A bare MAC, in any notation, is answered in the format of its own vendor.
    """
    name = file.lower()
    for pattern, vendor in _FILES:
        found = pattern.fullmatch(name)
        if found:
            return found[1], vendor
    if _BARE.fullmatch(name):
        mac = re.sub("[:.-]", "", name)
        return mac, VENDORS.get(mac[:6], "")
    return None


def format_of(vendor: str) -> Format:
    """The vendor's format, or the generic one."""
    return FORMATS.get(vendor, GENERIC)
