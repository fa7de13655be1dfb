"""The installation's Prefect server as the console meets it: perhaps there, perhaps not, perhaps back tomorrow.

Prefect settles its server when it is imported. The console lives longer than that answer, so it names the server anew
each time it speaks to it.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from deployments.server import POOL, answers, known_server, spare_loopback_the_proxy
from tasks.prefect_settings import prepare_prefect
from tasks.settings import Settings

CLIENT: Final = ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING")
"""What a client of a server needs, as the environment names it."""
PATIENCE_SECONDS: Final = 1.0


def server_there(settings: Settings) -> dict[str, str] | None:
    """What a client of the server that answers now needs; None where none answers."""
    spare_loopback_the_proxy()
    url = os.environ.get("PREFECT_API_URL")
    known = None if url else known_server(settings)
    if url:
        told = {name: value for name in CLIENT if (value := os.environ.get(name))}
    elif known is not None:
        told = known.client_environment()
    else:
        return None
    return told if answers(told["PREFECT_API_URL"], PATIENCE_SECONDS) else None


@contextmanager
def talking_to(server: dict[str, str]) -> Generator[None]:
    """Inside, Prefect's clients talk to this server."""
    prepare_prefect()
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    named = {"PREFECT_API_URL": PREFECT_API_URL, "PREFECT_API_AUTH_STRING": PREFECT_API_AUTH_STRING}
    with temporary_settings({named[name]: value for name, value in server.items()}):
        yield


def workers_online() -> int:
    """How many workers take runs of the pool now; call it while talking to the server."""
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        try:
            workers = client.read_workers_for_work_pool(POOL)
        except ObjectNotFound:
            return 0
    return sum(worker.status == "ONLINE" for worker in workers)
