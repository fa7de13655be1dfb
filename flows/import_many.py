"""Several imports at once: one flow run a profile, taken by the pool's workers side by side."""

from tasks.prefect_settings import prepare_prefect

prepare_prefect()

from typing import Any  # noqa: E402

from prefect import flow  # noqa: E402
from prefect.client.schemas.objects import FlowRun  # noqa: E402
from prefect.deployments import arun_deployment  # noqa: E402
from pydantic import BaseModel, ConfigDict, Field  # noqa: E402

from flows.deployed import in_order, offer_profiles  # noqa: E402
from tasks.errors import WrongUseError  # noqa: E402
from tasks.profile_file import find_profile, load_profile, profile_files  # noqa: E402
from tasks.redact import safe_flow  # noqa: E402
from tasks.settings import Settings  # noqa: E402


def _offer_each(schema: dict[str, Any]) -> None:
    offer_profiles(schema["items"])


class ImportMany(BaseModel):
    """Which profiles; each of them fetches from its URL."""

    model_config = ConfigDict(frozen=True, title="Import many", json_schema_extra=in_order)

    profiles: tuple[str, ...] = Field(
        default=(),
        title="Profiles",
        description="Profiles of type url. None named: all of them.",
        json_schema_extra=_offer_each,
    )
    simulate: bool = Field(default=False, title="Simulate", description="Make and show the plans, write nothing.")


@flow(name="import-many", flow_run_name="import many", persist_result=False)
@safe_flow
async def import_many(request: ImportMany) -> list[str]:
    """Starts one import a profile and does not wait for them: each run tells its own end.

    Raises: WrongUseError when a profile is unknown or takes an upload; then none is started.
    """
    names = _profiles(request, Settings())
    started: list[str] = []
    for name in names:
        parameters = {"request": {"profile": name, "simulate": request.simulate}}
        run: FlowRun = await arun_deployment("import-users/import", parameters=parameters, timeout=0, as_subflow=False)
        started.append(str(run.id))
    return started


def _profiles(request: ImportMany, settings: Settings) -> list[str]:
    if not request.profiles:
        loaded = (load_profile(file) for file in profile_files(settings))
        return [profile.name for profile in loaded if profile.type == "url"]
    uploads = [name for name in request.profiles if load_profile(find_profile(name, settings)).type == "upload"]
    if uploads:
        raise WrongUseError(
            "profile-takes-upload", f"{', '.join(uploads)}: a profile of type upload is imported with its file."
        )
    return list(request.profiles)
