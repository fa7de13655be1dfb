"""`rollcall provisioning`: listens where phones can reach it, over TLS, or in clear where that is switched on."""

import logging

from deployments.provisioning.app import provisioning_app
from flows.request import now
from tasks.errors import WrongUseError
from tasks.settings import Settings
from tasks.store.store import open_store


def serve(settings: Settings, host: str, port: int) -> None:
    """Serves until it is stopped.

    Raises: WrongUseError when provisioning is off, or there is neither a certificate nor the LAN switch.
    """
    import uvicorn

    certificate, key = settings.provisioning_certificate, settings.provisioning_certificate_key
    if certificate is None and not settings.provisioning_lan:
        raise WrongUseError(
            "provisioning-in-clear",
            "SIP secrets need TLS: set ROLLCALL_PROVISIONING_CERTIFICATE (and _CERTIFICATE_KEY), or serve private "
            "addresses in clear with ROLLCALL_PROVISIONING_LAN=true.",
        )
    app = provisioning_app(settings, open_store(settings), now)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    # The access log would hold the token of every path.
    uvicorn.run(
        app,
        host=host,
        port=port,
        access_log=False,
        server_header=False,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
