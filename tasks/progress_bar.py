"""The bar of a task run in Prefect's UI; importing it imports Prefect."""

from typing import Any
from uuid import UUID

from prefect import artifacts

from tasks.progress import Listener


class ProgressBar:
    """Appears with the first word of progress; its key sorts it beside the artifact of its step.

    Whoever listened before hears of it too.
    """

    def __init__(self, artifact_key: str, before: Listener | None) -> None:
        self.key = f"{artifact_key}-progress"
        self.before = before
        self.artifact: UUID | None = None

    def __call__(self, description: str, percent: float) -> None:
        """Moves the bar."""
        if self.before is not None:
            self.before(description, percent)
        # `_sync`, because a step runs beside the event loop of its flow and cannot await.
        calls: Any = artifacts
        if self.artifact is None:
            self.artifact = calls.create_progress_artifact(percent, key=self.key, description=description, _sync=True)
        else:
            calls.update_progress_artifact(self.artifact, percent, description=description, _sync=True)
