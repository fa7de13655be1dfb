"""The TLS side of a fetch: who the server must be, who we are, and in words what went wrong between the two.

Files are proved before the first connection: OpenSSL asks at the terminal for the passphrase of a locked key, which
nobody answers at night, and names none of the files that it cannot read.
"""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from urllib3.util.ssl_ import create_urllib3_context

from tasks.errors import SourceError, TransientSourceError, WrongUseError
from tasks.fetch_options import FetchOptions

EXPIRED: Final = 10
OTHER_HOST: Final = frozenset({62, 64})
WANTS_CERTIFICATE: Final = frozenset({"TLSV13_ALERT_CERTIFICATE_REQUIRED", "TLSV1_ALERT_CERTIFICATE_REQUIRED"})
REFUSES_CERTIFICATE: Final = frozenset(
    {
        "TLSV1_ALERT_UNKNOWN_CA",
        "TLSV1_ALERT_ACCESS_DENIED",
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "SSLV3_ALERT_CERTIFICATE_REVOKED",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
    }
)
"""Alerts of a server that has seen our certificate, or has missed it where TLS 1.2 knows no better word."""


def tls_context(options: FetchOptions, passphrase: str | None, *, shows_certificate: bool) -> ssl.SSLContext:
    """How a connection is secured; the client certificate is in it where this server may see it.

    Raises: WrongUseError for a file that cannot be used, with the setting that names it.
    """
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED if options.verify else ssl.CERT_NONE)
    if options.verify and options.ca_file:
        _readable("ca_file", options.ca_file)
        try:
            context.load_verify_locations(options.ca_file)
        except ssl.SSLError:
            raise _unusable("ca_file", "holds no certificate in PEM form (`-----BEGIN CERTIFICATE-----`)") from None
    if options.client_key and not options.client_certificate:
        raise _unusable("client_key", "belongs to a certificate: name that in `fetch.client_certificate`")
    if options.client_certificate and shows_certificate:
        _load_certificate(context, options, passphrase)
    return context


def tls_fault(shown: str, error: BaseException) -> SourceError:
    """What went wrong between us and a server, from what a library raised."""
    cause = next((one for one in all_causes(error) if isinstance(one, ssl.SSLError)), None)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return SourceError("tls-failed", _distrust(shown, cause.verify_code))
    if isinstance(cause, ssl.SSLEOFError):
        return TransientSourceError("connection-failed", f"{shown} ended the TLS handshake without a word.")
    reason = getattr(cause, "reason", None) or ""
    if reason in WANTS_CERTIFICATE:
        return SourceError(
            "client-certificate-wanted",
            f"{shown} wants a client certificate and got none: name its file in `fetch.client_certificate`.",
        )
    if reason in REFUSES_CERTIFICATE:
        return SourceError(
            "client-certificate-refused",
            f"{shown} ends the TLS handshake: it refuses `fetch.client_certificate` (expired, or of an authority that "
            "it does not know), or wants one where the profile names none. Ask its administrator.",
        )
    return SourceError(
        "tls-failed", f"No TLS connection to {shown} comes about: check that its port speaks TLS 1.2 or newer."
    )


def _load_certificate(context: ssl.SSLContext, options: FetchOptions, passphrase: str | None) -> None:
    certificate, key = options.client_certificate or "", options.client_key
    _readable("client_certificate", certificate)
    if key:
        _readable("client_key", key)
    asked: list[bool] = []

    def answer() -> str:
        asked.append(True)
        return passphrase or ""

    try:
        context.load_cert_chain(certificate, key, password=answer)
    except (ssl.SSLError, ValueError) as error:
        raise _unusable_pair(options, getattr(error, "reason", None), was_asked=bool(asked)) from None


def _unusable_pair(options: FetchOptions, reason: str | None, *, was_asked: bool) -> WrongUseError:
    setting = "client_key" if options.client_key else "client_certificate"
    if was_asked and options.client_key_password:
        return _unusable(setting, f"is not opened by the passphrase in the credential {options.client_key_password}")
    if was_asked:
        return _unusable(
            setting, "is locked: name the credential that holds its passphrase in `fetch.client_key_password`"
        )
    if reason == "KEY_VALUES_MISMATCH":
        return _unusable(setting, "holds the key of another certificate than `fetch.client_certificate`")
    return _unusable(
        "client_certificate", f"and its key cannot be read: both must be PEM, the key in `fetch.{setting}`"
    )


def _readable(setting: str, file: str) -> None:
    try:
        with Path(file).open("rb"):
            return
    except OSError as error:
        reason = f"cannot be read ({error.strerror}); its path is looked up where the import runs"
        raise _unusable(setting, reason) from None


def _unusable(setting: str, reason: str) -> WrongUseError:
    return WrongUseError("tls-file-unusable", f"The file that the profile names in `fetch.{setting}` {reason}.")


def _distrust(shown: str, verify_code: int) -> str:
    if verify_code == EXPIRED:
        return f"The certificate of {shown} has expired: its administrator must renew it."
    if verify_code in OTHER_HOST:
        return f"The certificate of {shown} is for another host: use the name that stands in it, or mend the server."
    return f"The certificate of {shown} is not trusted. Name its authority in `fetch.ca_file`, or mend the server."


def all_causes(error: BaseException) -> Iterator[object]:
    """The error and all that it wraps, as requests and urllib3 wrap: in `args`, `reason` or the cause."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
