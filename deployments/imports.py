"""Simulate and import from the command line: the same plan by the same code, without and with the flow."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flows.order import simulate_import
from flows.request import ImportRequest, UndoRequest, offer_upload, open_job, open_undo
from flows.undo_order import simulate_undo_of
from tasks.errors import RollcallError, WrongUseError
from tasks.prefect_server import start_server
from tasks.prefect_settings import leave_the_terminal_to_the_command
from tasks.profile_file import find_profile, load_profile
from tasks.report import Report
from tasks.settings import Settings
from tasks.source_file import SourceFile
from tasks.store.store import open_store
from tasks.uploads import UploadLimits, forget_expired_uploads, keep_upload


def simulate_file(profile: str, file: SourceFile | None, settings: Settings) -> Report:
    """The plan for a file; nothing is written."""
    return simulate_import(open_job(request_for(profile, file, settings), settings))


def import_file(
    profile: str,
    file: SourceFile | None,
    settings: Settings,
    *,
    approve: str | None = None,
    expected: str | None = None,
) -> Report:
    """Runs the flow in this process and gives its report.

    Raises: RollcallError with the text for a person, whichever step failed.
    """
    request = request_for(profile, file, settings, approve).model_copy(update={"expected": expected})
    return run_flow(request)


def run_flow(request: ImportRequest) -> Report:
    """As `import_file`, for a request that is already made."""
    leave_the_terminal_to_the_command()
    # Before Prefect is imported: a server that is started for this run gets ready meanwhile.
    server_is_ready = start_server()
    from flows.import_users import import_users

    server_is_ready()
    return asyncio.run(import_users(request))


def request_for(profile: str, file: SourceFile | None, settings: Settings, approve: str | None = None) -> ImportRequest:
    """The request for a file on this machine, refused early when profile and file do not fit together.

    A held plan that is approved has its file already.
    """
    kind = load_profile(find_profile(profile, settings)).type
    if kind == "upload" and file is None and approve is None:
        raise WrongUseError("file-missing", f"Profile {profile} takes an upload: name the CSV file after the profile.")
    if kind == "url" and file is not None:
        raise WrongUseError("file-not-wanted", f"Profile {profile} fetches from its URL: leave {file} out.")
    if file is not None and not file.is_file():
        raise RollcallError("file-unreadable", f"There is no file {file}. Nothing was written.")
    return ImportRequest(profile=profile, upload=offer_upload(file) if file else None, approve=approve)


def upload_file(file: Path, settings: Settings) -> str:
    """Keeps a file sealed in the database; gives the id by which a run may name it.

    Raises: WrongUseError when it cannot be read, is empty or too large.
    """
    limits = UploadLimits(settings.upload_limit_bytes, timedelta(hours=settings.upload_hours))
    store, now = open_store(settings), datetime.now(UTC)
    forget_expired_uploads(store, now)
    try:
        with file.open("rb") as content:
            return keep_upload(store, content, file.name, now, limits).id
    except OSError as error:
        raise WrongUseError("file-unreadable", f"{file} cannot be read: {error.strerror}.") from None


def save_plan(report: Report, plan: Path) -> None:
    """Keeps a plan, without secrets, for `import --plan`.

    Raises: WrongUseError when the file cannot be written.
    """
    try:
        plan.write_text(json.dumps(report.document(), ensure_ascii=False, indent=2), "utf-8")
    except OSError as error:
        raise WrongUseError("plan-unwritable", f"{plan} cannot be written: {error.strerror}.") from None


def saved_checksum(plan: Path) -> str:
    """The checksum of a saved plan.

    Raises: WrongUseError when the file is none.
    """
    try:
        return str(json.loads(plan.read_text("utf-8"))["checksum"])
    except (OSError, ValueError, KeyError, TypeError):
        raise WrongUseError(
            "plan-unreadable", f"{plan} is no plan that `rollcall simulate PROFILE FILE --save {plan}` wrote."
        ) from None


def simulate_undo(run: str, settings: Settings) -> Report:
    """What an undo would do; nothing is written."""
    return simulate_undo_of(open_undo(UndoRequest(run=run), settings))


def undo_run(run: str, settings: Settings, approve: str | None = None) -> Report:
    """Takes an applied run back.

    Raises: WrongUseError when there is nothing to take back.
    """
    simulate_undo(run, settings)
    return run_undo_flow(UndoRequest(run=run, approve=approve))


def run_undo_flow(request: UndoRequest) -> Report:
    """As `undo_run`, for a request that is already made."""
    leave_the_terminal_to_the_command()
    server_is_ready = start_server()
    from flows.undo_import import undo_import

    server_is_ready()
    return asyncio.run(undo_import(request))
