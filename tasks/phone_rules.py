"""The phones that the rows ask for: MAC in any notation, IP, FollowMe times; what cannot be read stays as it is.

Decision 18: a bad or doubled MAC or a bad IP is an error of the phone; the user still gets in, and the phone that he
has stays.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, TypeAlias

import polars as pl

from tasks.issue import issues_of_rows, no_issues
from tasks.keyring import Keyring
from tasks.output import LINE, ROW, Modules
from tasks.user import FOLLOW_ME, FOLLOW_ME_DEFAULTS

IDENTITY: Final = "#identity"
INDEX: Final = "#index"
MODULE_KINDS: Final = {"ipphone": "ip_phone", "softphone": "softphone", "external": "mobile"}
PHONE_TEXTS: Final = {"mac": "071ipp_mac", "ip": "071ipp_ip", "web_user": "071ipp_user", "web_password": "071ipp_pw"}
PHONE_SCHEMA: Final = pl.Schema(
    {
        ROW: pl.Int64,
        LINE: pl.Int64,
        "login": pl.String,
        "kind": pl.String,
        **dict.fromkeys((*PHONE_TEXTS, "number"), pl.String()),
        **dict.fromkeys(FOLLOW_ME.values(), pl.Int64()),
        "keep": pl.Boolean,
        "web_password_fingerprint": pl.String,
    }
)


Fault: TypeAlias = tuple[pl.DataFrame, str, str, str | pl.Expr]
"""Devices that break a rule, the column that does it, the code, and what to say."""


@dataclass(frozen=True)
class WantedPhones:
    """The devices that the rows ask for, the kinds that the Structure speaks of, and what is wrong."""

    frame: pl.DataFrame
    kinds: tuple[str, ...]
    issues: pl.DataFrame


def wanted_phones(modules: Modules, users: pl.DataFrame, keyring: Keyring, columns: dict[str, str]) -> WantedPhones:
    """The devices of the users that passed.

    Shape: `users` has `#row`, `#identity`, `login`; `frame` has PHONE_SCHEMA, one row a device.
    """
    parts: list[pl.DataFrame] = []
    issues: list[pl.DataFrame] = [no_issues()]
    spoken_of = [module for module in MODULE_KINDS if module in modules.frames and not _is_untouched(module, modules)]
    kinds = tuple(MODULE_KINDS[module] for module in spoken_of)
    for module, kind in MODULE_KINDS.items():
        rendered = modules.frames.get(module)
        if rendered is None:
            continue
        untouched = frozenset(name for name in modules.untouched if name.startswith(f"{module}."))
        devices = _devices(rendered, module, kind, untouched)
        devices = devices.join(users, on=[ROW, IDENTITY], how="inner", maintain_order="left")
        judged, found = _judged(devices, module, columns)
        parts.append(judged)
        issues += found
    frame = pl.concat(parts) if parts else pl.DataFrame(schema=PHONE_SCHEMA)
    prints = fingerprints(keyring, frame["login"], "web_password", frame["web_password"])
    return WantedPhones(
        frame.with_columns(web_password_fingerprint=prints).select(PHONE_SCHEMA.names()), kinds, pl.concat(issues)
    )


def fingerprints(keyring: Keyring, logins: pl.Series, field: str, values: pl.Series) -> pl.Series:
    """Keyed fingerprints as hexadecimal text, "" where there is no value."""
    given = values.to_frame("value").select(pl.when(pl.col("value") != "").then("value")).to_series()
    return keyring.fingerprint_series(logins, field, given).bin.encode("hex").fill_null("")


def vendor_of(mac: pl.Expr, vendors: dict[str, str]) -> pl.Expr:
    """The vendor by the prefix of a clean MAC; "Phone" for an unknown one."""
    return mac.str.head(6).replace_strict(vendors, default="Phone", return_dtype=pl.String)


def _is_untouched(module: str, modules: Modules) -> bool:
    """Decision 18: no `phonemac` column in the file, and the phones stay as they are; so do devices whose block only
    absent columns decide on.
    """
    by_mac = module == "ipphone" and f"ipphone.{PHONE_TEXTS['mac']}" in modules.untouched
    return by_mac or module in modules.untouched


def _devices(rendered: pl.DataFrame, module: str, kind: str, untouched: frozenset[str]) -> pl.DataFrame:
    """The devices with their texts; null = stays as it is: the Structure or the file has no such field."""

    def text(key: str, owner: str) -> pl.Expr:
        present = module == owner and key in rendered.columns
        if not present:
            return pl.lit(None, dtype=pl.String)
        return pl.when(pl.col(key) != "").then(pl.col(key)) if f"{module}.{key}" in untouched else pl.col(key)

    texts = {name: text(key, "ipphone") for name, key in PHONE_TEXTS.items()}
    devices = rendered.select(
        ROW,
        LINE,
        IDENTITY,
        INDEX,
        kind=pl.lit(kind),
        mac=clean_mac(texts["mac"]),
        ip=texts["ip"].str.strip_chars(),
        web_user=texts["web_user"].str.strip_chars(),
        web_password=texts["web_password"],
        number=text("number", "external").str.strip_chars(),
        **{name: text(key, "ipphone").str.strip_chars() for key, name in FOLLOW_ME.items()},
    )
    if kind == "mobile":
        return devices
    # A phone block with an empty MAC is as good as none: the template skips it, other profiles may not.
    devices = devices.filter(pl.col("mac").fill_null("") != "") if kind == "ip_phone" else devices
    # A person has one softphone, and a phone that stands twice in one person's blocks is one phone.
    return devices.unique([ROW, IDENTITY, "mac"], keep="first", maintain_order=True)


def _judged(devices: pl.DataFrame, module: str, columns: dict[str, str]) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    if devices.is_empty():
        return pl.DataFrame(schema=PHONE_SCHEMA), []
    devices = devices.with_columns(ip=_clean_ips(devices["ip"]))
    faults = _faults(devices, module, columns)
    place = [ROW, IDENTITY, INDEX]
    broken = pl.concat([devices.select(place).clear(), *(rows.select(place) for rows, *_ in faults)]).unique()
    devices = devices.join(broken.with_columns(keep=pl.lit(True)), on=place, how="left", maintain_order="left")
    seconds = [
        pl.when(pl.col(name) == "").then(FOLLOW_ME_DEFAULTS[name]).otherwise(pl.col(name).cast(pl.Int64, strict=False))
        for name in FOLLOW_ME.values()
    ]
    named = [expression.alias(name) for expression, name in zip(seconds, FOLLOW_ME.values(), strict=True)]
    judged = devices.with_columns(pl.col("keep").fill_null(False), *named, web_password_fingerprint=pl.lit(""))
    return judged.select(PHONE_SCHEMA.names()), [issues_of_rows(*fault) for fault in faults if not fault[0].is_empty()]


def _faults(devices: pl.DataFrame, module: str, columns: dict[str, str]) -> list[Fault]:
    def column(key: str) -> str:
        return columns.get(f"{module}.{key}", key)

    faults: list[Fault] = []
    if module == "ipphone":
        mac, ip = column("071ipp_mac"), column("071ipp_ip")
        unreadable = ~pl.col("mac").str.contains(r"^[0-9a-f]{12}$")
        # IEEE 802: the lowest bit of the first byte says that many listen there, as at the broadcast address.
        of_no_phone = ~unreadable & ((pl.col("mac") == "0" * 12) | pl.col("mac").str.contains(r"^.[13579bdf]"))
        faults += [
            (
                devices.filter(unreadable),
                mac,
                "mac-invalid",
                pl.format(
                    "{}: found {} letters and digits, expected 12 hexadecimal digits; the phone stays as it is",
                    pl.lit(mac),
                    pl.col("mac").str.len_chars(),
                ),
            ),
            (
                devices.filter(of_no_phone),
                mac,
                "mac-invalid",
                f"{mac}: no phone has this address (all zeros, broadcast or multicast); the phone stays as it is",
            ),
            (
                devices.filter(pl.col("ip") == "?"),
                ip,
                "ip-invalid",
                f"{ip}: expected an IPv4 or IPv6 address; the phone stays as it is",
            ),
            _mac_twice(devices.filter(~unreadable & ~of_no_phone), mac),
            *_follow_me_faults(devices, columns),
        ]
    if module == "external":
        number = column("number")
        empty = devices.filter(pl.col("number") == "")
        faults.append((empty, number, "mobile-number-missing", f"{number}: the mobile device needs a number"))
    return faults


def _follow_me_faults(devices: pl.DataFrame, columns: Mapping[str, str]) -> Iterator[Fault]:
    for key, name in FOLLOW_ME.items():
        column = columns.get(f"ipphone.{key}", key)
        bad = devices.filter(~pl.col(name).str.contains(r"^([0-9]{1,3})?$"))
        yield bad, column, "follow-me-invalid", f"{column}: expected whole seconds from 0 to 999"


def _mac_twice(devices: pl.DataFrame, column: str) -> Fault:
    meeting = devices.filter(pl.col("mac").is_duplicated())
    together = meeting.group_by("mac").agg(together=pl.col(ROW).cast(pl.String).head(10).str.join(", "))
    message = pl.format(
        "{}: “{}” stands in rows {}; only one of them can have the phone", pl.lit(column), "mac", "together"
    )
    return meeting.join(together, on="mac", how="left", maintain_order="left"), column, "mac-twice", message


def clean_mac(raw: pl.Expr) -> pl.Expr:
    """The digits without whatever separates them; a group of one digit has lost its leading 0 (`0:4:13:a3:1:6f`)."""
    lower = raw.str.to_lowercase()
    groups = lower.str.strip_chars().str.replace_all(r"\b([0-9a-f])\b", "0${1}")
    whole = pl.when(lower.str.contains(r"^\s*[0-9a-f]{1,2}([:-][0-9a-f]{1,2}){5}\s*$")).then(groups).otherwise(lower)
    return whole.str.replace_all(r"[^\p{Alphabetic}\p{N}]", "")


def _clean_ips(raw: pl.Series) -> pl.Series:
    """Canonical addresses; "?" where a text is none. Distinct texts only, since ipaddress is Python a value."""
    texts = raw.drop_nulls().unique().to_list()
    cleaned = raw.replace_strict(texts, [_clean_ip(text) for text in texts], default=None, return_dtype=pl.String)
    return cleaned.alias("ip")


def _clean_ip(text: str) -> str:
    """IPv6 in its short form (RFC 5952), an IPv4 address in IPv6 clothes as what it is."""
    if not text:
        return ""
    try:
        address = ip_address(text)
    except ValueError:
        return "?"
    if address.version == 4:
        return str(address)
    # A scope names an interface of one machine: nobody else can reach that address.
    return "?" if address.scope_id else str(address.ipv4_mapped or address)
