"""The page on sources: its profiles are profiles, and it leaves no setting out."""

import re
from io import StringIO
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tasks.fetch_options import FetchOptions
from tasks.profile_file import parse_profile
from tests.world import TEMPLATE

PAGE = (Path(__file__).parent.parent / "docs" / "sources.md").read_text("utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.partition("url: ")[2].partition(":")[0])
def test_an_example_is_a_profile(example: str) -> None:
    yaml = YAML()
    document = yaml.load(TEMPLATE.read_text("utf-8"))
    document.update(yaml.load(example))
    whole = StringIO()
    yaml.dump(document, whole)

    assert parse_profile(whole.getvalue(), "staff", "docs/sources.md").type == "url"


def test_every_setting_of_a_fetch_is_told() -> None:
    assert [name for name in FetchOptions.model_fields if f"{name}" not in PAGE] == []


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("connect_timeout_seconds", "| 10 and 30 |"),
        ("size_limit_mib", "512 MiB"),
        ("unpacked_limit_mib", "2048 MiB"),
        ("ratio_limit", "200 times"),
        ("redirects_limit", "| 5;"),
    ],
)
def test_a_default_is_the_one_that_is_told(name: str, told: str) -> None:
    value = FetchOptions.model_fields[name].default

    assert told in PAGE
    assert f"{value:g}" in told
