"""Automations as code: who is told of failed, held and missing imports, and what becomes of a run whose worker is lost.

A failure is told by the state of its run, not by our own event: a process that was killed sends none. People are told
through Prefect's own blocks (e-mail, Slack, webhook and the rest), named in ROLLCALL_NOTIFY as type/name; the
credentials stay in the block. What is told are the event's sentence and counts, no cell of a CSV.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import CallWebhook, ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import Automation, AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound

from deployments.deploy import TAG
from deployments.server import LEASE_SECONDS
from flows.occasion import END_NAMES
from tasks.events import PREFIX
from tasks.settings import Settings

OWN: Final = "rollcall: "
FLOWS: Final = ("import-users", "undo-import", "answer-held", "import-many")
WEBHOOK: Final = "webhook"
# Everything after which no heartbeat is to be expected, by the names that states have.
_ENDS: Final = (
    *("Completed", "Failed", "TimedOut", "Cancelled", "Cancelling", "Crashed", "Paused", "Suspended"),
    *("Scheduled", "AwaitingRetry", "Late", "Pending", *END_NAMES),
)
_OURS: Final = ResourceSpecification({"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{TAG}"})
_RUNS: Final = ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"})
# By the flow and not by a tag of the deployment: a run of the command line fails as well.
_OUR_FLOWS: Final = ResourceSpecification({"prefect.resource.role": "flow", "prefect.resource.name": list(FLOWS)})
# Cancelled too: on a slow machine Prefect cancels a run by itself whose slot was lost before it began.
_FAILURES: Final = ("Failed", "Crashed", "TimedOut", "Cancelled")
_PROFILES: Final = ResourceSpecification({"prefect.resource.id": "rollcall.profile.*"})
_SILENT: Final = "{{ labels.prefect.resource.id | string | replace('rollcall.profile.', '') }}"
# The state of the event: the run may have gone on since.
_STATE: Final = (
    "{{ flow_run.name }}: {{ event.payload.validated_state.name }}. "
    "{{ event.payload.validated_state.message | replace('Flow run encountered an exception: ', '') }}"
)
_HEADLINE: Final = "{{ event.payload.profile }}: {{ event.payload.message }}"


def install_notices(settings: Settings) -> list[str]:
    """Makes or renews our automations; gives the blocks of ROLLCALL_NOTIFY that do not exist."""
    missing: list[str] = []
    with get_client(sync_client=True) as client:
        wanted = [lost_worker()]
        blocks = [name.strip() for name in settings.notify.split(",") if name.strip()]
        for block in blocks:
            found = _block(client, block)
            if found is None:
                missing.append(block)
            else:
                wanted += notices(block, found, settings.notify_after_days)
        _replace(client, wanted)
    return missing


def lost_worker() -> AutomationCore:
    """A run whose heartbeat stops goes back to the pool, and another worker takes it up.

    Its earlier attempt may still be alive and merely slow: apply looks for the run's id under the lock, so that the
    second of two attempts changes nothing.
    """
    beat = "prefect.flow-run.heartbeat"
    message = "Its worker was lost; another one takes it up."
    again = ChangeFlowRunState(state=StateType.SCHEDULED, name="AwaitingRetry", message=message, force=False)
    return AutomationCore(
        name=f"{OWN}take up runs of lost workers",
        description="A flow run whose heartbeats stop is scheduled again.",
        trigger=EventTrigger(
            after={beat},
            expect={beat, *(f"prefect.flow-run.{end}" for end in _ENDS)},
            match=_RUNS,
            match_related=_OURS,
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=3 * LEASE_SECONDS),
        ),
        actions=[again],
    )


def notices(block: str, block_id: Any, after_days: int) -> Iterator[AutomationCore]:
    """What one block is told of."""
    failed = EventTrigger(
        expect={f"prefect.flow-run.{state}" for state in _FAILURES},
        match=_RUNS,
        match_related=_OUR_FLOWS,
        posture=Posture.Reactive,
        threshold=1,
    )
    yield _notice(f"{OWN}tell {block} of failed runs", failed, _telling(block, block_id, "Run not done", _STATE))
    held = EventTrigger(expect={f"{PREFIX}.held"}, match=_PROFILES, posture=Posture.Reactive, threshold=1)
    asking = _telling(block, block_id, "Import held: please answer", _HEADLINE)
    yield _notice(f"{OWN}tell {block} of held imports", held, asking)
    applied = f"{PREFIX}.applied"
    absent = EventTrigger(
        # A profile that never imported anything is missed, too: its first failure begins the time.
        after={applied, f"{PREFIX}.failed", f"{PREFIX}.held"},
        expect={applied},
        match=_PROFILES,
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=timedelta(days=after_days),
    )
    text = f"Profile {_SILENT} imported nothing for {after_days} days: look at its schedule and its last runs."
    telling = _telling(block, block_id, "Nothing imported", text)
    yield _notice(f"{OWN}tell {block} when nothing was imported for {after_days} days", absent, telling)


def _notice(name: str, trigger: EventTrigger, telling: SendNotification | CallWebhook) -> AutomationCore:
    return AutomationCore(name=name, trigger=trigger, actions=[telling])


def _telling(block: str, block_id: Any, subject: str, text: str) -> SendNotification | CallWebhook:
    if block.partition("/")[0] == WEBHOOK:
        # An object with a text is what Slack, Mattermost and Teams take, and what a program of one's own can read.
        said = f"{{% set said %}}{subject}. {text}{{% endset %}}"
        return CallWebhook(block_document_id=block_id, payload=f'{said}{{"text": {{{{ said | string | tojson }}}}}}')
    return SendNotification(block_document_id=block_id, subject=f"Rollcall: {subject}", body=text)


def _block(client: SyncPrefectClient, block: str) -> Any:
    kind, _, name = block.partition("/")
    try:
        return client.read_block_document_by_name(name, kind).id
    except ObjectNotFound:
        return None


def _replace(client: SyncPrefectClient, wanted: list[AutomationCore]) -> None:
    """Ours are renewed by name, ours that nobody wants any more are removed, all others are left alone."""
    existing: dict[str, Automation] = {one.name: one for one in client.read_automations() if one.name.startswith(OWN)}
    for automation in wanted:
        found = existing.pop(automation.name, None)
        if found is None:
            client.create_automation(automation)
        else:
            client.update_automation(found.id, automation.model_copy(update={"enabled": found.enabled}))
    for gone in existing.values():
        client.delete_automation(gone.id)
