"""The answer to a held import, from Prefect's pages as from anywhere else: approve exactly this plan, or refuse it."""

from tasks.prefect_settings import prepare_prefect

prepare_prefect()

from prefect import flow, get_run_logger  # noqa: E402
from prefect.client.schemas.objects import State  # noqa: E402
from prefect.states import Completed  # noqa: E402
from pydantic import BaseModel, ConfigDict, Field  # noqa: E402

from flows.deployed import in_order, offer_profiles  # noqa: E402
from flows.import_users import run_request  # noqa: E402
from flows.occasion import REFUSED  # noqa: E402
from flows.request import ImportRequest, now  # noqa: E402
from tasks.ending import ENDING  # noqa: E402
from tasks.held import forget_held, read_held  # noqa: E402
from tasks.redact import safe_flow  # noqa: E402
from tasks.report import Report  # noqa: E402
from tasks.settings import Settings  # noqa: E402
from tasks.store.store import open_store  # noqa: E402


class Answer(BaseModel):
    """Approve the plan that you saw, or refuse it. As it stands, the form refuses."""

    model_config = ConfigDict(frozen=True, title="Answer", json_schema_extra=in_order)

    profile: str = Field(title="Profile", description="Whose import is held.", json_schema_extra=offer_profiles)
    checksum: str = Field(
        title="Checksum",
        pattern="^[0-9a-f]{32}$",
        description="Of the plan that you saw: the held run shows it. No other plan will be applied.",
    )
    approve: bool = Field(
        default=False,
        title="Approve",
        description="On: apply this plan. Off: refuse it and forget its file; nobody can approve it any more.",
    )


@flow(
    name="answer-held",
    flow_run_name="answer {answer.profile} {answer.checksum}",
    persist_result=False,
    **ENDING,
)
@safe_flow
async def answer_held(answer: Answer) -> Report | State[None]:
    """Applies a held plan, or refuses it."""
    store = open_store(Settings())
    if answer.approve:
        read_held(store, answer.profile, answer.checksum, now())
        return run_request(ImportRequest(profile=answer.profile, approve=answer.checksum))
    run = forget_held(store, answer.profile, answer.checksum, now())
    get_run_logger().info("run %s was refused", run)
    return Completed(name=REFUSED, message=f"Run {run} was refused; nothing was written and its file is forgotten.")
