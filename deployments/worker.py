"""`rollcall worker`: a worker of the pool, and whether the one of this machine is at work.

A worker is named after its machine, for a pool knows its workers by name alone; a container is a machine of its own.
"""

import os
import socket
import sys

from deployments.server import POOL, connect, merged, worker_environment
from tasks.errors import WrongUseError
from tasks.settings import Settings


def worker_command() -> tuple[str, ...]:
    """A worker of the pool. Without --limit, which can end a worker; the pool's own limit does the same."""
    worker = (sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process")
    return (*worker, "--name", f"{_machine()}{os.getpid()}")


def run_worker(settings: Settings) -> None:
    """Becomes a worker of the pool, for the server that PREFECT_API_URL names or that `rollcall up` started."""
    connect(settings)
    os.umask(0o077)
    command = worker_command()
    os.execve(command[0], command, merged(worker_environment(settings)))  # noqa: S606 - our own interpreter


def check_worker(settings: Settings) -> str:
    """Which worker of this machine is online, by what Prefect's server heard of it.

    Raises: WrongUseError when there is none.
    """
    url = connect(settings)
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        try:
            workers = client.read_workers_for_work_pool(POOL)
        except ObjectNotFound:
            workers = []
    here = (worker.name for worker in workers if worker.name.startswith(_machine()) and worker.status == "ONLINE")
    found = next(here, None)
    if found is None:
        raise WrongUseError("worker-offline", f"No worker of this machine is online at {url}. Look at its log.")
    return found


def _machine() -> str:
    return f"{socket.gethostname()}-"
