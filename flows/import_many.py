"""Several imports at once: one flow run a profile, taken by the pool's workers side by side."""

from tasks.prefect_settings import prepare_prefect

prepare_prefect()

from typing import Any  # noqa: E402

from prefect import flow  # noqa: E402
from prefect.client.schemas.objects import FlowRun  # noqa: E402
from prefect.deployments import arun_deployment  # noqa: E402
from pydantic import BaseModel, ConfigDict, Field  # noqa: E402

from flows.deployed import in_order, offer_profiles  # noqa: E402
from tasks.errors import ProfileError, WrongUseError  # noqa: E402
from tasks.events import announce_failure  # noqa: E402
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

    Raises: WrongUseError when a named profile is unknown or takes an upload; then none is started. WrongUseError when
    none was named and one cannot run, once all others are started.
    """
    settings = Settings()
    names, broken = (list(_named(request, settings)), []) if request.profiles else _all(settings)
    started: list[str] = []
    for name in names:
        parameters = {"request": {"profile": name, "simulate": request.simulate}}
        run: FlowRun = await arun_deployment("import-users/import", parameters=parameters, timeout=0, as_subflow=False)
        started.append(str(run.id))
    if broken:
        text = f"The imports of {', '.join(names) or 'no profile'} were started. Not started, mend them:"
        raise WrongUseError("profiles-broken", "\n".join([text, *broken]))
    return started


def _all(settings: Settings) -> tuple[list[str], list[str]]:
    """The profiles that fetch from a URL, and what is wrong with those that cannot run."""
    names: list[str] = []
    broken: list[str] = []
    for file in profile_files(settings):
        try:
            profile = load_profile(file)
        except (ProfileError, WrongUseError) as error:
            announce_failure(file.stem, error)
            broken.append(f"{file.stem}: {error.message.splitlines()[0]}")
        else:
            names += [profile.name] if profile.type == "url" else []
    return names, broken


def _named(request: ImportMany, settings: Settings) -> tuple[str, ...]:
    uploads = [name for name in request.profiles if load_profile(find_profile(name, settings)).type == "upload"]
    if uploads:
        raise WrongUseError(
            "profile-takes-upload", f"{', '.join(uploads)}: a profile of type upload is imported with its file."
        )
    return request.profiles
