"""Changes a profile's YAML as a careful person would: only the setting that changed, every comment kept."""

import hashlib
import re
from collections.abc import Mapping
from io import StringIO
from typing import Any, Final

from tasks.profile import Profile

BASIC: Final = (
    *("title", "comments", "mode", "type", "url", "encoding", "delimiter", "line_separator", "enclosure", "escape"),
)
CREDENTIALS: Final = ("user", "password", "token", "header")
NEEDED: Final = {"none": (), "basic": ("user", "password"), "bearer": ("token",), "header": ("token", "header")}
"""How a server is asked who one is, and the names that this needs."""
BRAKES: Final = ("remove_percent", "remove_floor", "update_percent", "shrink_percent")


_NO_BLOCK: Final = re.compile("[\r\x85\u2028\u2029]")
"""What YAML takes for the end of a line, so that a block cannot hold it."""


def version_of(text: str) -> str:
    """Tells two versions of a profile apart."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def with_basic(text: str, choices: Mapping[str, str]) -> str:
    """The profile with other basic data; a setting that is already so stays as it is written."""
    document = _load(text)
    defaults = {name: setting.default for name, setting in Profile.model_fields.items()}
    for name in BASIC:
        if name not in choices:
            continue
        value = choices[name].replace("\r\n", "\n")
        if name == "url" and not value.strip():
            document.pop("url", None)
        elif str(document.get(name, defaults.get(name) or "")) != value:
            document[name] = _block(value) if "\n" in value else value
    _set_credentials(document, choices)
    return _dump(document)


def _set_credentials(document: Any, choices: Mapping[str, str]) -> None:
    """How the source is asked: `fetch` keeps what else stands in it; without credentials an empty one goes."""
    chosen = choices.get("auth", "")
    if not chosen:
        return
    fetch = document["fetch"] if document.get("fetch") else _yaml().map()
    if fetch.get("auth", "none") != chosen:
        fetch["auth"] = chosen
    for name in CREDENTIALS:
        value = choices.get(name, "").strip() if name in NEEDED[chosen] else ""
        if value and fetch.get(name) != value:
            fetch[name] = value
        elif not value:
            fetch.pop(name, None)
    if chosen == "none":
        fetch.pop("auth", None)
    if fetch:
        document["fetch"] = fetch
    else:
        document.pop("fetch", None)


def with_snippet(text: str, name: str, source: str) -> str:
    """The profile with another pre-filter or Structure."""
    document = _load(text)
    _set_block(document, name, source)
    return _dump(document)


def with_variables(text: str, variables: Mapping[str, str]) -> str:
    """The profile with exactly these variables, in their order; those that stay keep their comments and places."""
    document = _load(text)
    if "variables" not in document or document["variables"] is None:
        document["variables"] = _yaml().map()
    present = document["variables"]
    tail = _take_comment(present, list(present)[-1]) if present else ""
    for name in [name for name in present if name not in variables]:
        _remove(present, name)
    for name, source in variables.items():
        _set_block(present, name, source)
    if present:
        _add_comment(present, list(present)[-1], tail)
    return _dump(document)


def with_brakes(text: str, brakes: Mapping[str, float]) -> str:
    """The profile with other brakes."""
    document = _load(text)
    if "brakes" not in document or document["brakes"] is None:
        document["brakes"] = _yaml().map()
    for name, value in brakes.items():
        if document["brakes"].get(name) != value:
            document["brakes"][name] = int(value) if float(value).is_integer() else float(value)
    return _dump(document)


def _set_block(parent: Any, name: str, source: str) -> None:
    if name not in parent or _same(parent[name]) != _same(source):
        parent[name] = _block(source)


def _block(source: str) -> Any:
    """A text as a block, letter by letter: a tab or a blank at the end of a line may stand inside a string."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

    text = source.replace("\r\n", "\n").strip("\n") + "\n"
    return DoubleQuotedScalarString(text) if _NO_BLOCK.search(text) else LiteralScalarString(text)


def _same(source: object) -> str:
    return str(source).replace("\r\n", "\n").strip("\n")


def _remove(mapping: Any, name: str) -> None:
    """Takes a setting out; the comment behind it belongs to what follows, so it goes to the one before."""
    names = list(mapping)
    at = names.index(name)
    comment = _take_comment(mapping, name)
    del mapping[name]
    if at > 0:
        _add_comment(mapping, names[at - 1], comment)


# ruamel keeps the comment that follows a setting as the third of the four comments of its key.
_BEHIND: Final = 2


def _take_comment(mapping: Any, name: str) -> str:
    comments = mapping.ca.items.get(name)
    if not comments or comments[_BEHIND] is None:
        return ""
    token = comments[_BEHIND]
    comments[_BEHIND] = None
    return token.value


def _add_comment(mapping: Any, name: str, comment: str) -> None:
    if not comment:
        return
    from ruamel.yaml.error import CommentMark
    from ruamel.yaml.tokens import CommentToken

    text = _take_comment(mapping, name) + comment
    comments = mapping.ca.items.setdefault(name, [None, None, None, None])
    comments[_BEHIND] = CommentToken(text, CommentMark(0), None)


def _yaml() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 200
    return yaml


def _load(text: str) -> Any:
    return _yaml().load(text)


def _dump(document: Any) -> str:
    out = StringIO()
    _yaml().dump(document, out)
    return out.getvalue()
