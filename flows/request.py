"""What starts an import: the flow's one parameter. It names a profile and an upload, never a path, never a secret."""

import os
from datetime import UTC, datetime
from getpass import getuser
from importlib.metadata import version
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from flows.deployed import (
    FormText,
    Occasion,
    as_plain_text,
    in_order,
    offer_profiles,
    refuse_what_only_a_terminal_may,
)
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
from tasks.store.runs import facts_of_run, find_run
from tasks.store.store import Store, open_store
from tasks.uploads import find_upload


class ImportRequest(BaseModel):
    """Which profile, which file, and how far to go."""

    model_config = ConfigDict(frozen=True, title="Import", json_schema_extra=in_order)

    profile: str = Field(
        title="Profile",
        description="Whose CSV and whose rules. A new one: `rollcall new NAME`, or the console.",
        json_schema_extra=offer_profiles,
    )
    upload: FormText = Field(
        default=None,
        title="Upload",
        json_schema_extra=as_plain_text,
        description="Id of an uploaded file, from the console or `rollcall upload FILE`. "
        "Leave it empty for a profile that fetches from its URL.",
    )
    simulate: bool = Field(
        default=False, title="Simulate", description="Make and show the plan, write nothing. The upload is kept."
    )
    approve: FormText = Field(
        default=None,
        title="Approve",
        json_schema_extra=as_plain_text,
        description="Checksum of the held plan that may pass, as the held run shows it. Any other plan is refused.",
    )

    # Only the command line and the console say these, in their own process: they have no place in the form.
    expected: SkipJsonSchema[str | None] = None
    actor: SkipJsonSchema[str | None] = None

    @property
    def speaking_name(self) -> str:
        """The name of the flow run: profile, mode and file; nothing of what is in the file."""
        file = _LOCAL_FILES.get(self.upload or "")
        origin = file.name if file else self.upload
        words = ["simulate" if self.simulate else "import", Path(self.profile).stem, *_mode_in_words(self.profile)]
        if origin:
            words.append(f"from {origin}")
        return " ".join(words) + (", approved" if self.approve else "")


class UndoRequest(BaseModel):
    """Which run is taken back."""

    model_config = ConfigDict(frozen=True, title="Undo", json_schema_extra=in_order)

    run: str = Field(title="Run", description="Id of the applied run that is taken back: `rollcall runs` lists them.")
    approve: FormText = Field(
        default=None,
        title="Approve",
        json_schema_extra=as_plain_text,
        description="Checksum of the held undo that may pass, as the held run shows it.",
    )
    actor: SkipJsonSchema[str | None] = None

    @property
    def speaking_name(self) -> str:
        """The name of the flow run: the run that is taken back, whose history names the rest."""
        return f"undo of {self.run}" + (", approved" if self.approve else "")


_LOCAL_FILES: dict[str, SourceFile] = {}


def _mode_in_words(profile: str) -> list[str]:
    """The mode of a profile; nothing where it cannot be read, which the flow itself will tell."""
    try:
        return [f"({load_profile(find_profile(profile, Settings())).mode})"]
    except RollcallError:
        return []


def offer_upload(file: SourceFile) -> str:
    """Makes a file known to this process as an upload, under an id that a run's parameters may show.

    It is for a run in this process: nothing is copied. Runs elsewhere take uploads from the database (`tasks.uploads`).
    """
    upload = f"local-{len(_LOCAL_FILES) + 1}"
    _LOCAL_FILES[upload] = file
    return upload


def now() -> str:
    """The time as the store keeps it."""
    return timestamp(datetime.now(UTC))


def open_job(request: ImportRequest, settings: Settings | None = None, occasion: Occasion | None = None) -> Job:
    """All that the import needs, from the settings of this installation.

    Raises: WrongUseError for an unknown profile or upload, or a worker that does not know where its state lies.
    """
    settings, occasion = settings or Settings(), occasion or Occasion()
    if occasion.deployed:
        refuse_what_only_a_terminal_may(request.profile, settings)
    profile = load_profile(find_profile(request.profile, settings))
    store = open_store(settings)
    held = _held_source(request, profile, store) if request.upload is None and request.approve else None
    return Job(
        profile=profile,
        request=fetch_request(profile, _file(request, store), settings, store),
        fetching=None if held is None else lambda _: held,
        store=store,
        run=new_run(profile, request.actor, occasion),
        clock=now,
        circumstances=circumstances_of(profile, settings),
        approve=request.approve,
        expected=request.expected,
        failed_days=settings.failed_days,
        held_days=settings.held_days,
    )


def _file(request: ImportRequest, store: Store) -> SourceFile | None:
    if request.upload is None:
        return None
    return _LOCAL_FILES.get(request.upload) or find_upload(store, request.upload, datetime.now(UTC))


def _held_source(request: ImportRequest, profile: Profile, store: Store) -> Source | None:
    """The source of the held plan that is approved; None where the profile's URL is to be asked again.

    Raises: WrongUseError for an upload that is no longer kept.
    """
    with store.open() as connection:
        run = held_run_of(connection, profile.name, request.approve or "", now())
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


def new_run(profile: Profile, actor: str | None = None, occasion: Occasion | None = None) -> Run:
    """A run that starts now, by default by whoever runs this process; attempts of one flow run are one run."""
    occasion = occasion or Occasion()
    started = occasion.created or datetime.now(UTC)
    return Run(
        id=new_run_id(started, occasion.identity),
        profile=profile.name,
        mode=profile.mode,
        started=timestamp(started),
        actor=_actor(occasion) if occasion.deployed else actor or _actor(),
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


def open_undo(request: UndoRequest, settings: Settings | None = None, occasion: Occasion | None = None) -> UndoJob:
    """All that the undo needs; its brakes and its pool are those of the run's profile, where that still exists."""
    settings, occasion = settings or Settings(), occasion or Occasion()
    store = open_store(settings)
    with store.open() as connection:
        target = find_run(connection, request.run)
    profile = _profile_of(target["profile"], settings) if target else None
    run = Run(
        id=occasion.run_id(),
        kind="undo",
        profile=target["profile"] if target else "",
        mode="undo",
        started=now(),
        actor=request.actor or _actor(occasion),
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


def _actor(occasion: Occasion | None = None) -> str:
    return "prefect" if occasion and occasion.deployed else os.environ.get("USER") or getuser()
