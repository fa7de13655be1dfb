"""`rollcall provisioning`: listens where phones can reach it, over TLS, or in clear where that is switched on."""

import logging

from deployments.provisioning.app import provisioning_app
from deployments.provisioning.ready import refuse_half_settings
from flows.request import now
from tasks.settings import Settings
from tasks.store.store import open_store


def serve(settings: Settings, host: str, port: int) -> None:
    """Serves until it is stopped.

    Raises: WrongUseError when provisioning is off, or what it needs is not said.
    """
    import uvicorn

    refuse_half_settings(settings)
    app = provisioning_app(settings, open_store(settings), now)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    # The access log would hold the token of every path.
    uvicorn.run(
        app,
        host=host,
        port=port,
        access_log=False,
        server_header=False,
        ssl_certfile=settings.provisioning_certificate,
        ssl_keyfile=settings.provisioning_certificate_key,
    )
