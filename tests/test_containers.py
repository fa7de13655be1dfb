"""The Dockerfile and the compose file name only what exists; `tests/without_docker.py` carries them out."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.without_docker import FILES, ROOT, compose_text, instructions

DOCUMENTED = (ROOT / "docs" / "running.md").read_text("utf-8")


def services() -> dict[str, Any]:
    return yaml.safe_load(compose_text())["services"]


def ours() -> dict[str, Any]:
    """The services that run our image."""
    return {name: service for name, service in services().items() if "build" in service}


def test_what_the_dockerfile_copies_is_there() -> None:
    copied = [rest.split()[:-1] for word, rest in instructions() if word == "COPY" and not rest.startswith("--from")]

    missing = [name for names in copied for name in names if not (ROOT / name).exists()]
    assert copied and not missing


def test_what_the_package_needs_is_pinned_in_the_lock_file() -> None:
    import tomllib

    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "requirements.lock").read_text().splitlines()}

    names = {re.split(r"[\[<>=~!]", need)[0].lower() for need in wanted}
    assert names <= pinned, names - pinned


def test_the_image_runs_as_a_user_without_rights() -> None:
    users = [rest for word, rest in instructions() if word == "USER"]

    assert users and not users[-1].startswith(("0", "root"))
    assert all(service["read_only"] and service["cap_drop"] == ["ALL"] for service in ours().values())


def test_every_file_that_the_services_mount_is_there_or_made_by_the_documentation() -> None:
    compose = yaml.safe_load(compose_text())
    sources = [volume.split(":")[0] for service in services().values() for volume in service.get("volumes", [])]
    secrets = [secret["file"] for secret in compose["secrets"].values()]

    for source in (*sources, *secrets):
        made = source.startswith(".") and f"> deployments/{Path(source).name}" in DOCUMENTED
        assert source in compose["volumes"] or (FILES / source).exists() or made, source


def test_every_variable_of_the_compose_file_is_optional_or_made_by_the_documentation() -> None:
    found = set(re.findall(r"\$\{(\w+)(:-)?", compose_text()))

    required = {name for name, default in found if not default} - {name for name, default in found if default}
    assert required == set(re.findall(r"^(\w+)=\$\(", DOCUMENTED, re.MULTILINE))


def test_every_setting_of_the_services_is_one_that_somebody_reads() -> None:
    from prefect.settings import Settings as PrefectSettings

    from tasks.settings import Settings

    known = {f"ROLLCALL_{name.upper()}" for name in Settings.model_fields}
    known |= {"DO_NOT_TRACK", "PREFECT_SERVER_ENCRYPTION_KEY"}  # read from the environment itself
    known |= {name.upper() for name in _prefect_names(PrefectSettings)}
    given = {name for service in ours().values() for name in service.get("environment", {})}
    assert given <= known, given - known


def _prefect_names(settings: Any) -> set[str]:
    """The environment variables that Prefect reads."""
    names: set[str] = set()
    for name, field in settings.model_fields.items():
        nested = getattr(field.annotation, "model_fields", None)
        if nested is not None:
            names |= _prefect_names(field.annotation)
        prefix = str(settings.model_config.get("env_prefix", "PREFECT_"))
        names |= {f"{prefix}{name}", *(str(choice) for choice in getattr(field.validation_alias, "choices", ()))}
    return names


@pytest.mark.parametrize("name", sorted(ours()))
def test_what_a_service_runs_exists(name: str) -> None:
    from importlib.util import find_spec

    from deployments.cli import rollcall

    service = ours()[name]
    program = service.get("entrypoint", ["rollcall", *service.get("command", [])])
    if program[:2] == ["python", "-m"]:
        assert find_spec(program[2]) is not None
    else:
        command = rollcall.commands[program[1]]
        command.make_context(program[1], list(program[2:]))


def test_whoever_others_wait_for_says_whether_it_is_healthy() -> None:
    for service in services().values():
        for needed, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services()[needed]
