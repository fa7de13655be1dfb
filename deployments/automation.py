"""Automate: a profile's own deployment with its schedule.

Prefect limits concurrency per deployment, so that a profile that shall never run twice at once needs one of its own.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectNotFound
from prefect.utilities.callables import parameter_schema
from pydantic import ValidationError

from deployments.deploy import PROFILE_TAG, TAG, deployments_tagged, remove_deployment
from deployments.server import POOL
from flows.import_users import import_users
from tasks.errors import WrongUseError
from tasks.profile import Profile

TIMES_SHOWN: Final = 5
ENTRYPOINT: Final = "flows.import_users.import_users"


@dataclass(frozen=True)
class Automation:
    """When a profile imports by itself; `times` are the next ones."""

    profile: str
    cron: str
    timezone: str
    active: bool
    times: tuple[datetime, ...] = ()


def automate(profile: Profile, cron: str, timezone: str) -> Automation:
    """Makes or changes the profile's deployment.

    Raises: WrongUseError for a schedule or a time zone that is none.
    """
    schedule, times = _schedule(cron, timezone), next_times(cron, timezone)
    with get_client(sync_client=True) as client:
        client.create_deployment(
            flow_id=client.create_flow(import_users),
            name=deployment_name(profile.name),
            description=f"{profile.title}. {profile.comments}".strip(),
            parameters={"request": {"profile": profile.name}},
            parameter_openapi_schema=parameter_schema(import_users).model_dump_for_openapi(),
            enforce_parameter_schema=True,
            entrypoint=ENTRYPOINT,
            work_pool_name=POOL,
            tags=[TAG, PROFILE_TAG],
            schedules=[DeploymentScheduleCreate(schedule=schedule, active=True, slug="rollcall-automate")],
            concurrency_limit=1,
            concurrency_options=ConcurrencyOptions(collision_strategy=ConcurrencyLimitStrategy.ENQUEUE),
        )
    return Automation(profile.name, cron, timezone, active=True, times=times)


def stop_automation(profile: str) -> bool:
    """Removes the profile's deployment and with it its schedule; False where there was none."""
    with get_client(sync_client=True) as client:
        try:
            found = client.read_deployment_by_name(f"{import_users.name}/{deployment_name(profile)}")
        except ObjectNotFound:
            return False
        remove_deployment(client, found)
        return True


def automations() -> dict[str, Automation]:
    """What is automated, by profile."""
    found: dict[str, Automation] = {}
    with get_client(sync_client=True) as client:
        for deployment in deployments_tagged(client, PROFILE_TAG):
            profile = str(deployment.parameters["request"]["profile"])
            for entry in deployment.schedules:
                if isinstance(entry.schedule, CronSchedule):
                    cron, timezone = entry.schedule.cron, entry.schedule.timezone or "UTC"
                    active = entry.active and not deployment.paused
                    found[profile] = Automation(profile, cron, timezone, active, next_times(cron, timezone))
    return found


def next_times(cron: str, timezone: str, after: datetime | None = None) -> tuple[datetime, ...]:
    """The next times of a schedule, by the reckoning of the scheduler itself (summer time included).

    Raises: WrongUseError for a schedule or a time zone that is none.
    """
    from prefect.server.schemas.schedules import CronSchedule as Reckoning

    _schedule(cron, timezone)
    try:
        dates = asyncio.run(Reckoning(cron=cron, timezone=timezone).get_dates(TIMES_SHOWN, after or datetime.now(UTC)))
    except ValueError:
        raise WrongUseError("schedule-invalid", f"{cron!r} names a day that never comes. Choose another one.") from None
    return tuple(dates)


def deployment_name(profile: str) -> str:
    """The name of a profile's own deployment."""
    return f"profile-{profile}"


def _schedule(cron: str, timezone: str) -> CronSchedule:
    try:
        return CronSchedule(cron=cron, timezone=timezone)
    except ValidationError as error:
        is_timezone = error.errors()[0]["loc"][0] == "timezone"
        kind = "time zone" if is_timezone else "cron schedule"
        found, example = (timezone, "Europe/Berlin") if is_timezone else (cron, '"0 12 * * *" (every noon)')
        raise WrongUseError(
            "schedule-invalid",
            f"{found!r} is no {kind}. Write for example {example}.",
        ) from None
