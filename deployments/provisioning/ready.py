"""Whether provisioning may begin: it serves SIP secrets, so nothing is taken for granted; all faults come at once."""

from collections.abc import Iterator

from tasks.errors import WrongUseError
from tasks.settings import Settings


def refuse_half_settings(settings: Settings) -> None:
    """Does nothing where everything is said.

    Raises: WrongUseError with all that is missing, under the code of the first of it.
    """
    faults = list(_faults(settings))
    if faults:
        raise WrongUseError(faults[0][0], "\n".join(text for _, text in faults))


def _faults(settings: Settings) -> Iterator[tuple[str, str]]:
    if not settings.provisioning:
        yield "provisioning-off", "Provisioning is off. Set ROLLCALL_PROVISIONING=true to switch it on."
    if not settings.sip_registrar:
        yield (
            "sip-registrar-missing",
            "Phones need to know where to register: set ROLLCALL_SIP_REGISTRAR to host:port.",
        )
    if settings.provisioning_certificate is None and not settings.provisioning_lan:
        yield (
            "provisioning-in-clear",
            "SIP secrets need TLS: set ROLLCALL_PROVISIONING_CERTIFICATE (and _CERTIFICATE_KEY), or serve private "
            "addresses in clear with ROLLCALL_PROVISIONING_LAN=true.",
        )
    for name in ("provisioning_certificate", "provisioning_certificate_key"):
        path = getattr(settings, name)
        if path is not None and not path.is_file():
            yield (
                "provisioning-certificate",
                f"ROLLCALL_{name.upper()}: {path.absolute()} is not there. It names a PEM file.",
            )
