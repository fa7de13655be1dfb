"""HTTP digest authentication of phones that know user name and password of their own web page.

Nonces keep no state: each tells its time and is signed, together with the MAC that it was made for.
Source: RFC 7616; MD5, because that is what phones speak, and with `qop=auth` only.
"""

import hashlib
import hmac
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit
from urllib.request import parse_http_list, parse_keqv_list

NONCE_SECONDS: Final = 300
REALM: Final = "provisioning"


@dataclass(frozen=True, repr=False)
class Login:
    """Who may fetch the settings of one phone."""

    mac: str
    user: str
    password: str


def challenge(key: bytes, mac: str, *, stale: bool = False) -> str:
    """The value of WWW-Authenticate."""
    nonce = _signed(key, mac, f"{int(time.time()):x}")
    return f'Digest realm="{REALM}", qop="auth", algorithm=MD5, nonce="{nonce}"' + (", stale=true" if stale else "")


def is_authentic(header: str, request: tuple[str, str], login: Login, key: bytes) -> bool:
    """Whether an Authorization header proves the password. `request` is the method and the path."""
    given = _parameters(header)
    needed = {"username", "realm", "nonce", "uri", "response", "nc", "cnonce"}
    if not needed <= given.keys() or given.get("qop") != "auth" or not login.user or not login.password:
        return False
    method, path = request
    ha1 = _md5(f"{login.user}:{REALM}:{login.password}")
    ha2 = _md5(f"{method}:{given['uri']}")
    expected = _md5(":".join((ha1, given["nonce"], given["nc"], given["cnonce"], "auth", ha2)))
    return (
        hmac.compare_digest(expected.encode(), given["response"].lower().encode())
        and hmac.compare_digest(login.user.encode(), given["username"].encode())
        and urlsplit(given["uri"]).path == path
        and is_fresh(header, login.mac, key)
    )


def is_fresh(header: str, mac: str, key: bytes) -> bool:
    """Whether the nonce is ours, for this phone, and not too old."""
    nonce = _parameters(header).get("nonce", "")
    moment = nonce.partition(".")[0]
    if not hmac.compare_digest(_signed(key, mac, moment).encode(), nonce.encode()):
        return False
    return 0 <= time.time() - int(moment, 16) <= NONCE_SECONDS


def _parameters(header: str) -> dict[str, str]:
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "digest":
        return {}
    # A part without a value is no parameter, and the library's parser fails on it.
    return parse_keqv_list([part for part in parse_http_list(rest) if part.partition("=")[2]])


def _signed(key: bytes, mac: str, moment: str) -> str:
    return f"{moment}.{hmac.digest(key, f'{mac}.{moment}'.encode(), 'sha256').hex()[:32]}"


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
