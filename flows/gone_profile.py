"""A scheduled import whose profile is gone: it says so once and takes its own schedule away.

Else it would fail night after night, until somebody starts `rollcall up` or makes another profile.
"""

from typing import Final

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.responses import DeploymentResponse
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound

from flows.deployed import PROFILE_TAG
from tasks.errors import WrongUseError
from tasks.profile_file import profile_files
from tasks.settings import Settings

CODE: Final = "profile-gone"


def end_schedule_of_gone_profile(profile: str, settings: Settings) -> None:
    """Does nothing where the profile is there, or where the run is not of the profile's own deployment.

    Raises: WrongUseError when the profile is gone. Its schedule stays where no profile is left at all: a folder that
    is not mounted looks like that.
    """
    names = {file.stem for file in profile_files(settings)}
    if profile in names:
        return
    with get_client(sync_client=True) as client:
        own = _own_deployment(client)
        if own is None:
            return
        if not names:
            raise WrongUseError(
                CODE,
                f"Profile {profile} is gone, and so is every other one: is {settings.profiles} the profiles folder, "
                f"and is it mounted? The schedule stays; `rollcall automate {profile} --off` removes it.",
            )
        # Not the deployment: Prefect could not write down the end of this very run any more.
        for schedule in own.schedules:
            client.delete_deployment_schedule(own.id, schedule.id)
    raise WrongUseError(
        CODE,
        f"Profile {profile} is gone; its schedule was removed. Nothing was imported, its people stay as they are: "
        "`rollcall profiles` lists them.",
    )


def _own_deployment(client: SyncPrefectClient) -> DeploymentResponse | None:
    """The deployment that started this run, when it is one profile's own."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    if run is None or run.deployment_id is None:
        return None
    try:
        found = client.read_deployment(run.deployment_id)
    except ObjectNotFound:
        return None
    return found if PROFILE_TAG in found.tags else None
