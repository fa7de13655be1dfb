"""The import as a Prefect flow: each step a task, in the order that `flows.order` tells."""

from tasks.prefect_settings import prepare_prefect

prepare_prefect()

from prefect import flow  # noqa: E402  (its environment comes first)

from flows.order import as_task, run_import  # noqa: E402
from flows.request import ImportRequest, open_job  # noqa: E402
from tasks.ending import ENDING  # noqa: E402
from tasks.redact import safe_flow  # noqa: E402
from tasks.report import Report  # noqa: E402


# A synchronous flow waits a second for its heartbeat thread at its end; an asynchronous one does not.
@flow(
    name="import-users",
    flow_run_name="{request.speaking_name}",
    validate_parameters=True,
    persist_result=False,
    **ENDING,
)
@safe_flow
async def import_users(request: ImportRequest) -> Report:
    """Brings the phone system in line with a CSV of users."""
    return run_import(open_job(request), as_task)
