"""Artifacts are sent beside the work, and one that cannot be sent fails nothing."""

import logging
from uuid import uuid4

import pytest
from prefect.client.schemas.actions import ArtifactCreate
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from tasks.artifact_sender import ArtifactSender
from tests.conftest import PrefectServer
from tests.servers import free_port


def artifact(key: str) -> ArtifactCreate:
    return ArtifactCreate(key=key, type="markdown", data="seven rows", description="what came in")


def test_all_artifacts_are_at_the_server_after_a_flush_and_more_may_follow(prefect_server: PrefectServer) -> None:
    from prefect.client.orchestration import get_client

    sender, key = ArtifactSender(), f"sent-{uuid4().hex}"
    for _ in range(3):
        sender.send(artifact(key))
    sender.flush()
    sender.send(artifact(key))
    sender.flush()

    with get_client(sync_client=True) as client:
        found = [one for one in client.read_artifacts() if one.key == key]
    assert [one.data for one in found] == ["seven rows"] * 4


def test_a_client_that_the_caller_uses_is_left_to_it(
    prefect_server: PrefectServer, caplog: pytest.LogCaptureFixture
) -> None:
    from prefect.client.orchestration import get_client
    from prefect.context import SyncClientContext

    sender, key = ArtifactSender(), f"sent-{uuid4().hex}"
    with SyncClientContext.get_or_create() as context, caplog.at_level(logging.WARNING, "rollcall.steps"):
        sender.send(artifact(key))
        sender.flush()
        assert context.client.hello().status_code == 200

    assert caplog.text == ""
    with get_client(sync_client=True) as client:
        assert key in [one.key for one in client.read_artifacts()]


def test_a_server_that_is_gone_is_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    sender = ArtifactSender()

    nowhere = {PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api", PREFECT_CLIENT_MAX_RETRIES: 0}
    with temporary_settings(nowhere), caplog.at_level(logging.WARNING, "rollcall.steps"):
        sender.send(artifact("lost"))
        sender.flush()

    assert "the artifact lost could not be sent: ConnectError" in caplog.text
