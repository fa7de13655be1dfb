"""The phones that the rows ask for: MAC in any notation, IP, FollowMe times; what cannot be read stays as it is.

Decision 18: a bad or doubled MAC or a bad IP is an error of the phone; the user still gets in, and the phone that he
has stays.
"""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

import polars as pl

from tasks.issue import issues_of_rows, no_issues
from tasks.keyring import Keyring
from tasks.output import LINE, ROW, Modules
from tasks.user import FOLLOW_ME

IDENTITY: Final = "#identity"
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
        devices = _devices(rendered, module, kind).join(users, on=[ROW, IDENTITY], how="inner", maintain_order="left")
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
    """Decision 18: no `phonemac` column in the file, and the phones stay as they are."""
    return module == "ipphone" and f"ipphone.{PHONE_TEXTS['mac']}" in modules.untouched


def _devices(rendered: pl.DataFrame, module: str, kind: str) -> pl.DataFrame:
    def text(key: str) -> pl.Expr:
        return pl.col(key) if key in rendered.columns else pl.lit(None, dtype=pl.String)

    texts = {
        name: text(key) if module == "ipphone" else pl.lit(None, dtype=pl.String) for name, key in PHONE_TEXTS.items()
    }
    devices = rendered.select(
        ROW,
        LINE,
        IDENTITY,
        kind=pl.lit(kind),
        mac=_clean_mac(texts["mac"]),
        ip=texts["ip"].str.strip_chars(),
        web_user=texts["web_user"].str.strip_chars(),
        web_password=texts["web_password"],
        number=(text("number") if module == "external" else pl.lit(None, dtype=pl.String)).str.strip_chars(),
        **{name: text(key).str.strip_chars() for key, name in FOLLOW_ME.items()},
    )
    # A phone block with an empty MAC is as good as none: the template skips it, other profiles may not.
    return devices.filter(pl.col("mac").fill_null("") != "") if kind == "ip_phone" else devices


def _judged(devices: pl.DataFrame, module: str, columns: dict[str, str]) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    devices = devices.with_columns(ip=_clean_ips(devices["ip"]))
    faults = _faults(devices, module, columns)
    broken = pl.concat([rows.select(ROW, IDENTITY) for rows, *_ in faults]).unique() if faults else None
    keep = (
        devices.select(ROW, IDENTITY)
        .join(
            broken.with_columns(keep=pl.lit(True))
            if broken is not None
            else devices.select(ROW, IDENTITY).clear().with_columns(keep=pl.lit(True)),
            on=[ROW, IDENTITY],
            how="left",
            maintain_order="left",
        )["keep"]
        .fill_null(False)
    )
    seconds = [pl.col(name).cast(pl.Int64, strict=False) for name in FOLLOW_ME.values()]
    judged = devices.with_columns(keep.alias("keep"), *seconds, web_password_fingerprint=pl.lit(""))
    return judged.select(PHONE_SCHEMA.names()), [issues_of_rows(*fault) for fault in faults if not fault[0].is_empty()]


def _faults(
    devices: pl.DataFrame, module: str, columns: dict[str, str]
) -> list[tuple[pl.DataFrame, str, str, str | pl.Expr]]:
    def column(key: str) -> str:
        return columns.get(f"{module}.{key}", key)

    faults: list[tuple[pl.DataFrame, str, str, str | pl.Expr]] = []
    if module == "ipphone":
        mac, ip = column("071ipp_mac"), column("071ipp_ip")
        bad_mac = ~pl.col("mac").str.contains(r"^[0-9a-f]{12}$") | pl.col("mac").is_in(["0" * 12, "f" * 12])
        faults += [
            (
                devices.filter(bad_mac),
                mac,
                "mac-invalid",
                f"{mac}: expected 12 hexadecimal digits; the phone stays as it is",
            ),
            (
                devices.filter(pl.col("ip") == "?"),
                ip,
                "ip-invalid",
                f"{ip}: expected an IPv4 or IPv6 address; the phone stays as it is",
            ),
            _mac_twice(devices.filter(~bad_mac), mac),
        ]
    if module == "external":
        number = column("number")
        empty = devices.filter(pl.col("number").fill_null("") == "")
        faults.append((empty, number, "mobile-number-missing", f"{number}: the mobile device needs a number"))
    for key, name in FOLLOW_ME.items():
        text = pl.col(name).fill_null("")
        bad = devices.filter((text != "") & ~text.str.contains(r"^[0-9]{1,3}$"))
        faults.append((bad, column(key), "follow-me-invalid", f"{column(key)}: expected whole seconds from 0 to 999"))
    return faults


def _mac_twice(devices: pl.DataFrame, column: str) -> tuple[pl.DataFrame, str, str, pl.Expr]:
    meeting = devices.filter(pl.col("mac").is_duplicated())
    together = meeting.group_by("mac").agg(together=pl.col(ROW).cast(pl.String).head(10).str.join(", "))
    message = pl.format(
        "{}: “{}” stands in rows {}; only one of them can have the phone", pl.lit(column), "mac", "together"
    )
    return meeting.join(together, on="mac", how="left", maintain_order="left"), column, "mac-twice", message


def _clean_mac(raw: pl.Expr) -> pl.Expr:
    return raw.str.to_lowercase().str.replace_all(r"[\s:.\-_/]", "")


def _clean_ips(raw: pl.Series) -> pl.Series:
    """Canonical addresses; "?" where a text is none. Distinct texts only, since ipaddress is Python a value."""
    texts = raw.fill_null("").unique().to_list()
    return (
        raw.fill_null("").replace_strict(texts, [_clean_ip(text) for text in texts], return_dtype=pl.String).alias("ip")
    )


def _clean_ip(text: str) -> str:
    if not text:
        return ""
    try:
        return str(ip_address(text))
    except ValueError:
        return "?"
