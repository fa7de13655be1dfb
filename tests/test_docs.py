"""What the documents say is what the program does."""

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from deployments import cli
from tests.world import TEMPLATE

ROOT = Path(__file__).parent.parent
_SPEC = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
assert _SPEC is not None and _SPEC.loader is not None
generate = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(generate)


@pytest.mark.parametrize("name", list(generate.PAGES))
def test_a_generated_page_is_fresh(name: str) -> None:
    """If this fails: python docs/generate.py"""
    assert (ROOT / "docs" / name).read_text("utf-8") == generate.PAGES[name]()


@pytest.mark.parametrize("profile", [*sorted((ROOT / "profiles").glob("*.yaml")), TEMPLATE], ids=lambda path: path.name)
def test_shipped_profiles_fit_the_schema(profile: Path) -> None:
    schema = json.loads((ROOT / "docs" / "profile.schema.json").read_text("utf-8"))

    jsonschema.validate(YAML(typ="safe").load(profile.read_text("utf-8")), schema)


def test_the_seeds_profile_is_the_template() -> None:
    assert (ROOT / "profiles" / "users-from-csv.yaml").read_text("utf-8") == TEMPLATE.read_text("utf-8")


def commands_of_the_readme() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    return [line.partition("#")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


@pytest.mark.parametrize("command", [line for line in commands_of_the_readme() if line.startswith("make ")])
def test_the_readmes_make_targets_exist(command: str) -> None:
    target = shlex.split(command)[1]

    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("command", [line for line in commands_of_the_readme() if line.startswith("rollcall ")])
def test_the_readmes_commands_are_commands(command: str) -> None:
    words = shlex.split(command)

    result = CliRunner().invoke(cli.rollcall, [words[1], "--help"])

    assert result.exit_code == 0, result.output
    options = [word.partition("=")[0] for word in words if word.startswith("--")]
    assert [option for option in options if option not in result.output] == []


def test_the_demo_shows_plan_user_and_a_second_run_with_nothing_to_do() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "ROLLCALL_"))}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"

    done = subprocess.run(
        ["sh", "deployments/demo.sh"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    commands = done.stdout.split("\n$ ")
    assert len(commands) == 7
    assert "would: 1 create" in commands[2] and "\n1 create, 0 update" in commands[3] and "Max Muster" in commands[4]
    assert "nothing to do: 0 create, 0 update, 0 remove, 1 unchanged" in commands[5]


def test_the_files_named_in_the_readmes_table_exist() -> None:
    named = re.findall(r"`(tasks/\w+\.py)`", (ROOT / "README.md").read_text("utf-8"))

    assert len(named) == 11 and [name for name in named if not (ROOT / name).is_file()] == []
