"""The serializer `sealed`, under which Prefect stores what our steps return; found through `prefect.collections`."""

from contextvars import ContextVar
from typing import Any, Final, Literal, NamedTuple

from prefect.serializers import Serializer
from pydantic import Field

from tasks.key_file import open_keyring
from tasks.output import Output
from tasks.sealed import open_result, seal_result
from tasks.settings import Settings


class Opened(NamedTuple):
    """A stored result that the cache policy opened to prove it whole: handed on, so that it is not opened twice."""

    name: str
    sealed: bytes
    output: Any


opened: Final[ContextVar[Opened | None]] = ContextVar("opened", default=None)


class SealedSerializer(Serializer):  # pyright: ignore[reportMissingTypeArgument] - Prefect cannot register a parametrised one
    """Parquet under AES-256-GCM, no pickle; what Prefect notes beside a result is only this serializer's type."""

    type: Literal["sealed"] = Field(default="sealed", frozen=True)  # pyright: ignore[reportIncompatibleVariableOverride] - as Prefect's own serializers do

    def dumps(self, obj: Any) -> bytes:
        """An output under the name of its lineage; an exception under none, for it is never served from the cache."""
        name = obj.lineage if isinstance(obj, Output) else ""
        return seal_result(obj, name, open_keyring(Settings(), may_create=False))

    def loads(self, blob: bytes) -> Any:
        """What `dumps` sealed."""
        proved = opened.get()
        if proved is not None and proved.sealed is blob:
            opened.set(None)
            return proved.output
        return open_result(blob, open_keyring(Settings(), may_create=False))
