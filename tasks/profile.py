"""A profile: one YAML file that says where a CSV comes from and what each row becomes.

The model is pure data and frozen. `tasks.profile_file` loads it and proves it; what compiles lives with its language.
"""

import hashlib
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from tasks.encoding import canonical_name
from tasks.fetch_options import FetchOptions, checked_url

Percent = Annotated[float, Field(ge=0, le=100)]


def _known_encoding(encoding: str) -> str:
    if encoding != "auto":
        try:
            canonical_name(encoding)
        except LookupError:
            raise ValueError(f"there is no text encoding {encoding!r}: use utf-8, windows-1252 or auto") from None
    return encoding


def _one_character_or(*words: str) -> AfterValidator:
    def check(value: str) -> str:
        if value not in words and len(value) != 1:
            raise ValueError(f"expected one character{''.join(f' or {word}' for word in words)}, found {value!r}")
        if value in {"\r", "\n"}:
            raise ValueError("a line end cannot be used here")
        return value

    return AfterValidator(check)


class Brakes(BaseModel):
    """When a plan is held instead of applied.

    Units: percentages of the records that the profile owns; `remove_floor` is a number of records.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    remove_percent: Percent = 20
    remove_floor: Annotated[int, Field(ge=0)] = 10
    update_percent: Percent = 50
    shrink_percent: Percent = 30


class PasswordPolicy(BaseModel):
    """What a password of the file must be.

    Units: `minimum_length` in characters; `classes` of lower case, upper case, digits and signs, 0 to 4.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    minimum_length: Annotated[int, Field(ge=1, le=128)] = 8
    classes: Annotated[int, Field(ge=0, le=4)] = 0


class Profile(BaseModel):
    """How one CSV is read and mapped; the file's stem is its name and owns the records that it creates."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="Rollcall profile", hide_input_in_errors=True)

    name: str = Field(default="", description="set by the loader: the stem of the file")
    title: str = Field(description="what people call this import")
    comments: str = Field(default="", description="documentation for people")
    mode: Literal["sync", "upsert"] = Field(
        default="sync",
        description="sync = create, update and remove what previous imports brought; upsert = create and update",
    )
    type: Literal["upload", "url"] = "upload"
    url: str | None = Field(
        default=None, validate_default=True, description="for type url; credentials by name, never in clear"
    )
    fetch: FetchOptions = Field(default=FetchOptions(), validate_default=True)
    encoding: Annotated[str, AfterValidator(_known_encoding)] = Field(
        default="utf-8", description="any Python codec name, or auto"
    )
    delimiter: Annotated[str, _one_character_or("auto")] = ","
    line_separator: Literal["windows", "unix", "mac", "auto"] = "auto"
    enclosure: Annotated[str, _one_character_or("none", "auto"), Field(validate_default=True)] = '"'
    escape: Annotated[str, Field(pattern=r"^(none|\\)$")] = "none"
    prefilter: str = "return true;\n"
    variables: dict[str, str] = Field(default_factory=dict)
    structure: str
    pool_start: Annotated[int, Field(ge=10, description="first number the pool of extensions gives out")] = 100
    brakes: Brakes = Brakes()
    password_policy: PasswordPolicy = PasswordPolicy()
    login_cleanup: Literal["strip", "transliterate", "reject"] = Field(
        default="strip",
        description="what happens to characters that a login cannot have: removed, ä to ae, or an error",
    )
    on_existing: Literal["adopt", "skip", "conflict"] = Field(
        default="adopt",
        description="a user whom no import made; stated as adopt, it also takes over from profiles that are gone",
    )
    on_missing: Literal["remove", "disable", "disable_then_remove"] = Field(
        default="remove", description="mode sync: what happens to a person who is no longer in the file"
    )
    remove_after_days: Annotated[
        int, Field(ge=1, description="for disable_then_remove, counted from going missing")
    ] = 30
    secrets: Literal["sealed", "fingerprint"] = Field(
        default="sealed",
        description="what is kept of passwords, pins and phonepass: the value, sealed, for reveal, provisioning and "
        "undo; or only what tells whether it changes (what lies sealed already stays until then)",
    )
    contact_key: str = Field(
        default="",
        description="the variable by which a contact without a user is known again; display name and phone otherwise",
    )
    empty_cells: Literal["clear", "keep"] = Field(default="clear", description="what an empty cell does to its field")
    preview: Literal["rows", "counts"] = Field(
        default="rows",
        description="what Prefect's UI shows of each step: first rows of harmless columns, or only counts",
    )

    # Checks of one setting beside another are the later one's, so that all problems are told, each with its place.
    @field_validator("url")
    @classmethod
    def _url_belongs_to_type_url(cls, url: str | None, info: ValidationInfo) -> str | None:
        kind = info.data.get("type")
        if kind == "url" and not url:
            raise ValueError("type is url, but there is no url: add `url: https://…`, or use type: upload")
        if kind == "upload" and url:
            raise ValueError("there is a url, but type is upload: use type: url, or remove the url")
        if url:
            checked_url(url)
        return url

    @field_validator("fetch")
    @classmethod
    def _fetch_states_what_the_url_needs(cls, fetch: FetchOptions, info: ValidationInfo) -> FetchOptions:
        if missing := fetch.missing_for(info.data.get("url") or ""):
            raise ValueError(missing)
        return fetch

    @field_validator("enclosure")
    @classmethod
    def _enclosure_is_not_the_delimiter(cls, enclosure: str, info: ValidationInfo) -> str:
        if enclosure != "auto" and enclosure == info.data.get("delimiter"):
            raise ValueError(f"delimiter and enclosure are both {enclosure!r}: change one")
        return enclosure

    @field_validator("escape")
    @classmethod
    def _escape_is_neither(cls, escape: str, info: ValidationInfo) -> str:
        if escape != "none" and escape in {info.data.get("delimiter"), info.data.get("enclosure")}:
            raise ValueError("the escape is the delimiter or the enclosure as well: change one")
        return escape

    def part(self, fields: tuple[str, ...]) -> dict[str, Any]:
        """The named settings as plain data: what a step reads, and so what its cache key covers."""
        return self.model_dump(mode="json", include=set(fields))

    @property
    def digest(self) -> str:
        """Tells versions of a profile apart; SHA-256 of its settings."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()
