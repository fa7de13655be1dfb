"""Sends artifacts to Prefect's server beside the work: the steps of an import do not wait for their own pictures."""

import logging
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from contextvars import copy_context
from typing import Final

from httpx import HTTPError
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.exceptions import PrefectException

_log: Final = logging.getLogger("rollcall.steps")


class ArtifactSender:
    """One thread with one client, in the order of the calls; what it was given is sent before the process ends."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "artifacts")
        self._client: SyncPrefectClient | None = None
        self._opened = ExitStack()
        self._sent: list[Future[None]] = []

    def send(self, artifact: ArtifactCreate) -> None:
        """Hands an artifact over; one that the server does not take is told in the log and fails nothing."""
        self._sent.append(self._thread.submit(copy_context().run, self._send, artifact))

    def flush(self) -> None:
        """Returns when all is sent that was handed over so far."""
        sent, self._sent = [*self._sent, self._thread.submit(self._close)], []
        wait(sent)
        for error in filter(None, (one.exception() for one in sent)):
            _log.warning("an artifact could not be sent: %s", type(error).__name__)

    def _send(self, artifact: ArtifactCreate) -> None:
        try:
            # A client costs more than what it sends: certificates, a token against forged requests, a connection.
            if self._client is None:
                # Asked for with settings, it is one of our own, not the flow run's, which another thread uses.
                self._client = self._opened.enter_context(get_client(httpx_settings={}, sync_client=True))
            self._client.create_artifact(artifact)
        except (HTTPError, PrefectException) as error:
            _log.warning("the artifact %s could not be sent: %s", artifact.key, type(error).__name__)

    def _close(self) -> None:
        self._client = None
        self._opened.close()


SENDER: Final = ArtifactSender()
