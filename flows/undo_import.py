"""The undo of a run as a Prefect flow."""

from tasks.prefect_settings import prepare_prefect

prepare_prefect()

from prefect import flow  # noqa: E402  (its environment comes first)

from flows.occasion import concluded, earlier_end, occasion  # noqa: E402
from flows.order import as_task  # noqa: E402
from flows.request import UndoRequest, open_undo  # noqa: E402
from flows.undo_order import run_undo  # noqa: E402
from tasks.ending import ENDING  # noqa: E402
from tasks.errors import RollcallError  # noqa: E402
from tasks.events import announce_failure, announce_undo  # noqa: E402
from tasks.redact import safe_flow  # noqa: E402
from tasks.report import Report  # noqa: E402
from tasks.retry import STORE, call_with_retries  # noqa: E402
from tasks.settings import Settings  # noqa: E402


@flow(
    name="undo-import",
    flow_run_name="undo {request.run}",
    validate_parameters=True,
    persist_result=False,
    **ENDING,
)
@safe_flow
async def undo_import(request: UndoRequest) -> Report:
    """Takes an applied run back: created goes, updated gets its values back, removed comes back."""
    here, settings = occasion(), Settings()
    if (ended := earlier_end(here, settings)) is not None:
        return ended
    job = call_with_retries(lambda: open_undo(request, settings, here), STORE)
    try:
        report = run_undo(job, as_task)
    except RollcallError as error:
        announce_failure(job.applying.run.profile, error)
        raise
    announce_undo(report)
    return concluded(report)
