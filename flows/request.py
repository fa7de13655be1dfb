"""What starts an import: the flow's one parameter. It names a profile and an upload, never a path, never a secret."""

import os
from datetime import UTC, datetime
from getpass import getuser
from importlib.metadata import version
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from flows.order import Job
from flows.sources import fetch_request
from flows.undo_order import UndoJob
from tasks.apply import Applying
from tasks.errors import RollcallError, WrongUseError
from tasks.output import Source, SourceFacts
from tasks.profile import Brakes, Profile
from tasks.profile_file import find_profile, load_profile, profile_files
from tasks.run import Run, new_run_id, timestamp
from tasks.settings import Settings
from tasks.snapshot import Circumstances
from tasks.source_file import SourceFile
from tasks.store.files import held_run_of, read_file
from tasks.store.read import facts_of_run
from tasks.store.runs import find_run
from tasks.store.store import Store, open_store


class ImportRequest(BaseModel):
    """The form of the flow in Prefect's UI."""

    model_config = ConfigDict(frozen=True)

    profile: str = Field(title="Profile", description="name of a profile in the profiles folder")
    upload: str | None = Field(default=None, title="Upload", description="id of an uploaded file; none for type url")
    approve: str | None = Field(default=None, title="Approve", description="checksum of the held plan that may pass")

    expected: str | None = Field(default=None, title="Expected", description="checksum of a saved plan: this or none")
    actor: str | None = Field(
        default=None, title="Actor", description="who asks for it; by default whose process it is"
    )

    @property
    def speaking_name(self) -> str:
        """The name of the flow run: profile, mode and file; nothing of what is in the file."""
        upload = _UPLOADS.get(self.upload or "")
        words = [f"import {Path(self.profile).stem}", *_mode_in_words(self.profile)]
        if upload:
            words.append(f"from {upload.name}")
        return " ".join(words) + (", approved" if self.approve else "")


class UndoRequest(BaseModel):
    """The form of the undo in Prefect's UI."""

    model_config = ConfigDict(frozen=True)

    run: str = Field(title="Run", description="id of the applied run that is taken back")
    approve: str | None = Field(default=None, title="Approve", description="checksum of the held undo that may pass")
    actor: str | None = Field(
        default=None, title="Actor", description="who asks for it; by default whose process it is"
    )

    @property
    def speaking_name(self) -> str:
        """The name of the flow run: the run that is taken back, whose history names the rest."""
        return f"undo of {self.run}" + (", approved" if self.approve else "")


_UPLOADS: dict[str, SourceFile] = {}


def _mode_in_words(profile: str) -> list[str]:
    """The mode of a profile; nothing where it cannot be read, which the flow itself will tell."""
    try:
        return [f"({load_profile(find_profile(profile, Settings())).mode})"]
    except RollcallError:
        return []


def offer_upload(file: SourceFile) -> str:
    """Makes a file known to this process as an upload, under an id that a run's parameters may show."""
    upload = f"upload-{len(_UPLOADS) + 1}"
    _UPLOADS[upload] = file
    return upload


def now() -> str:
    """The time as the store keeps it."""
    return timestamp(datetime.now(UTC))


def open_job(request: ImportRequest, settings: Settings | None = None) -> Job:
    """All that the import needs, from the settings of this installation.

    Raises: WrongUseError for an unknown profile or upload.
    """
    settings = settings or Settings()
    profile = load_profile(find_profile(request.profile, settings))
    if request.upload is not None and request.upload not in _UPLOADS:
        raise WrongUseError("upload-unknown", f"There is no upload {request.upload} here. Upload the file again.")
    store = open_store(settings)
    held = _held_source(request, profile, store) if request.upload is None and request.approve else None
    return Job(
        profile=profile,
        request=fetch_request(profile, _UPLOADS.get(request.upload or ""), settings, store),
        fetching=None if held is None else lambda _: held,
        store=store,
        run=new_run(profile, request.actor),
        clock=now,
        circumstances=circumstances_of(profile, settings),
        approve=request.approve,
        expected=request.expected,
    )


def _held_source(request: ImportRequest, profile: Profile, store: Store) -> Source | None:
    """The source of the held plan that is approved; None where the profile's URL is to be asked again.

    Raises: WrongUseError for an upload that is no longer kept.
    """
    with store.open() as connection:
        run = held_run_of(connection, profile.name, request.approve or "")
        data = read_file(connection, run, "source", store.keyring) if run else None
        facts = facts_of_run(connection, run) if run else None
    if data is not None and facts is not None:
        name, digest = facts.name, facts.digest
        return Source(data=data, facts=SourceFacts(name=name, digest=digest, size_bytes=len(data)))
    if profile.type == "url":
        return None
    raise WrongUseError(
        "held-plan-unknown",
        f"There is no held plan {request.approve} of {profile.name} whose file is still kept. "
        "Name the file again: `rollcall import PROFILE FILE --approve CHECKSUM`.",
    )


def new_run(profile: Profile, actor: str | None = None) -> Run:
    """A run that starts now, by default by whoever runs this process."""
    started = datetime.now(UTC)
    return Run(
        id=new_run_id(started),
        profile=profile.name,
        mode=profile.mode,
        started=timestamp(started),
        actor=actor or _actor(),
        version=version("rollcall"),
        profile_digest=profile.digest,
    )


def new_audited_run(kind: str) -> Run:
    """What somebody does to one person or phone outside an import: `rotate`, `reveal`."""
    started = datetime.now(UTC)
    return Run(
        id=new_run_id(started),
        kind=kind,
        profile="",
        mode=kind,
        started=timestamp(started),
        actor=_actor(),
        version=version("rollcall"),
    )


def circumstances_of(profile: Profile, settings: Settings) -> Circumstances:
    """The date, where the profile counts days, and the profiles that exist."""
    counts_days = profile.on_missing == "disable_then_remove"
    return Circumstances(
        today=now()[:10] if counts_days else "", profiles=tuple(path.stem for path in profile_files(settings))
    )


def open_undo(request: UndoRequest, settings: Settings | None = None) -> UndoJob:
    """All that the undo needs; its brakes and its pool are those of the run's profile, where that still exists."""
    settings = settings or Settings()
    store = open_store(settings)
    with store.open() as connection:
        target = find_run(connection, request.run)
    profile = _profile_of(target["profile"], settings) if target else None
    run = Run(
        id=new_run_id(datetime.now(UTC)),
        kind="undo",
        profile=target["profile"] if target else "",
        mode="undo",
        started=now(),
        actor=request.actor or _actor(),
        version=version("rollcall"),
        undoes=request.run,
    )
    return UndoJob(
        target=request.run,
        applying=Applying(run, store, now),
        approve=request.approve,
        pool_start=profile.pool_start if profile else 100,
        brakes=profile.brakes if profile else Brakes(),
    )


def _profile_of(name: str, settings: Settings) -> Profile | None:
    try:
        return load_profile(find_profile(name, settings))
    except WrongUseError:
        return None


def _actor() -> str:
    return os.environ.get("USER") or getuser()
