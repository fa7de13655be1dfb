"""Brings the deployments to the server: those of `prefect.yaml`, and the form of every profile's own one.

A deployment that is there already keeps its schedules and its switches: what an administrator set in Prefect's pages
survives a restart. Only what comes from the code and from the profiles folder is renewed: the form and the texts.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml
from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate, WorkPoolCreate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    DeploymentFilterTags,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectNotFound
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema
from prefect.workers.process import ProcessWorker

from deployments.server import POOL
from flows.deployed import PROFILE_TAG
from tasks.profile_file import profile_files
from tasks.settings import Settings

FILE: Final = Path(__file__).with_name("prefect.yaml")
TAG: Final = "rollcall"
PAGE: Final = 200
_GOING_ON: Final = (StateType.PENDING, StateType.RUNNING, StateType.CANCELLING)


def deploy_all(settings: Settings) -> list[str]:
    """Makes or renews every deployment; gives their names."""
    with get_client(sync_client=True) as client:
        _ensure_pool(client)
        names = [_deploy(client, definition) for definition in definitions()]
    renew_forms(settings)
    return names


def renew_forms(settings: Settings) -> None:
    """Renews the dropdown of every form but that of a profile that is gone: Prefect keeps a form to its parameters."""
    profiles = {file.stem for file in profile_files(settings)}
    with get_client(sync_client=True) as client:
        for deployment in deployments_tagged(client, TAG):
            is_gone = PROFILE_TAG in deployment.tags and _profile_of(deployment) not in profiles
            if deployment.entrypoint and not is_gone:
                form = _form(load_flow_from_entrypoint(deployment.entrypoint))
                client.update_deployment(
                    deployment.id, DeploymentUpdate(parameter_openapi_schema=form, tags=deployment.tags)
                )


def remove_gone(settings: Settings) -> list[str]:
    """Removes the schedules of profiles that are gone; gives those profiles' names, which whoever asks has to tell.

    Where there is no profile at all, none is removed: a folder that is not mounted looks like that.
    """
    profiles = {file.stem for file in profile_files(settings)}
    if not profiles:
        return []
    with get_client(sync_client=True) as client:
        found = deployments_tagged(client, PROFILE_TAG)
        gone = [deployment for deployment in found if _profile_of(deployment) not in profiles]
        for deployment in gone:
            remove_deployment(client, deployment)
    return sorted(_profile_of(deployment) for deployment in gone if deployment.schedules)


def remove_deployment(client: SyncPrefectClient, deployment: DeploymentResponse) -> None:
    """Ends a deployment's schedules, and the deployment itself unless one of its runs is going on.

    Prefect could not write down the end of a run whose deployment is gone. What stays is removed the next time.
    """
    for schedule in deployment.schedules:
        client.delete_deployment_schedule(deployment.id, schedule.id)
    going_on = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(_GOING_ON))))
    which = DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id]))
    if not client.read_flow_runs(deployment_filter=which, flow_run_filter=going_on, limit=1):
        client.delete_deployment(deployment.id)


def definitions() -> Iterator[dict[str, Any]]:
    """The deployments of `prefect.yaml`."""
    yield from yaml.safe_load(FILE.read_text("utf-8"))["deployments"]


def deployments_tagged(client: SyncPrefectClient, tag: str) -> list[DeploymentResponse]:
    """All deployments with a tag, page by page: the server gives no more at once."""
    tagged = DeploymentFilter(tags=DeploymentFilterTags(all_=[tag]))
    found: list[DeploymentResponse] = []
    while True:
        page = client.read_deployments(deployment_filter=tagged, limit=PAGE, offset=len(found))
        found += page
        if len(page) < PAGE:
            return found


def _ensure_pool(client: SyncPrefectClient) -> None:
    try:
        client.read_work_pool(POOL)
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        # A limit of the pool, not of a worker: without one a worker starts every waiting run at once, each a process.
        limit = max(2, os.cpu_count() or 2)
        pool = WorkPoolCreate(name=POOL, type="process", base_job_template=template, concurrency_limit=limit)
        client.create_work_pool(pool)


def _deploy(client: SyncPrefectClient, definition: dict[str, Any]) -> str:
    flow: Flow[..., Any] = load_flow_from_entrypoint(definition["entrypoint"])
    name = f"{flow.name}/{definition['name']}"
    told: dict[str, Any] = {
        "description": definition["description"],
        "entrypoint": definition["entrypoint"],
        "tags": definition["tags"],
        "parameter_openapi_schema": _form(flow),
    }
    try:
        existing = client.read_deployment_by_name(name)
    except ObjectNotFound:
        client.create_deployment(
            flow_id=client.create_flow(flow),
            name=definition["name"],
            parameters=definition.get("parameters", {}),
            work_pool_name=definition["work_pool"]["name"],
            enforce_parameter_schema=definition["enforce_parameter_schema"],
            schedules=[_schedule(entry) for entry in definition.get("schedules", [])],
            **told,
        )
    else:
        client.update_deployment(existing.id, DeploymentUpdate(**told))
    return name


def _form(flow: Flow[..., Any]) -> Any:
    return parameter_schema(flow).model_dump_for_openapi()


def _schedule(entry: dict[str, Any]) -> DeploymentScheduleCreate:
    return DeploymentScheduleCreate(
        schedule=CronSchedule(cron=entry["cron"], timezone=entry["timezone"]),
        active=entry["active"],
        slug=entry["slug"],
    )


def _profile_of(deployment: DeploymentResponse) -> str:
    return str(deployment.parameters.get("request", {}).get("profile", ""))
