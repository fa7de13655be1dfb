"""The import as a Prefect flow: each step a task, in the order that `flows.order` tells."""

from tasks.prefect_settings import prepare_prefect

prepare_prefect()

from prefect import flow  # noqa: E402  (Prefect's environment comes first)

from flows.gone_profile import end_schedule_of_gone_profile  # noqa: E402
from flows.held_question import ask  # noqa: E402
from flows.occasion import concluded, earlier_end, occasion  # noqa: E402
from flows.order import Job, as_task, run_import, simulate_import  # noqa: E402
from flows.request import ImportRequest, open_job  # noqa: E402
from tasks.ending import ENDING  # noqa: E402
from tasks.errors import RollcallError  # noqa: E402
from tasks.events import announce, announce_failure  # noqa: E402
from tasks.held import forget_held  # noqa: E402
from tasks.redact import safe_flow  # noqa: E402
from tasks.report import Report  # noqa: E402
from tasks.retry import STORE, call_with_retries  # noqa: E402
from tasks.settings import Settings  # noqa: E402
from tasks.uploads import forget_upload  # noqa: E402


# A synchronous flow waits a second for its heartbeat thread at its end; an asynchronous one does not. It has no
# timeout: Prefect could only abandon a thread, which might commit after the run has ended. What can take long (fetch,
# store, lock) has bounds of its own.
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
    return run_request(request)


def run_request(request: ImportRequest) -> Report:
    """What a request asks for, inside a flow run; its end is told to Prefect, what it used up is forgotten."""
    try:
        here, settings = occasion(), Settings()
        if (ended := earlier_end(here, settings)) is not None:
            return ended
        if here.deployed:
            end_schedule_of_gone_profile(request.profile, settings)
        job = call_with_retries(lambda: open_job(request, settings, here), STORE)
        report = simulate_import(job, as_task) if request.simulate else run_import(job, as_task)
    except RollcallError as error:
        announce_failure(request.profile, error)
        raise
    announce(report)
    if report.plan.held and report.outcome is not None:
        ask(report, job.profile, job.held_days)
    _forget(request, job, report)
    return concluded(report)


def _forget(request: ImportRequest, job: Job, report: Report) -> None:
    if report.outcome is None:
        return
    if request.upload is not None:
        forget_upload(job.store, request.upload)
    elif job.approve is not None and report.outcome.applied:
        forget_held(job.store, job.profile.name, job.approve, job.clock())
