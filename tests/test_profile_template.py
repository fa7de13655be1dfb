"""The profile template that ships in the package: complete, fast, and as the contract says."""

from importlib.resources import files
from typing import Any

import pytest
from ruamel.yaml import YAML

from tasks.modules import MODULES
from tasks.profile import Profile
from tasks.rendering.structure import compile_structure
from tasks.structure import render_structure_rows
from tests.structures import table_of

TEMPLATE = files("tasks") / "template" / "users-from-csv.yaml"
COLUMNS = (
    *("displayname", "username", "password", "pin", "phone", "givenname", "surname", "email", "mobile", "homephone"),
    *("organisation", "fax", "phonemac", "phoneip", "phoneuser", "phonepass", "roles", "job"),
    *("inttimeout", "intdelay", "exttimeout", "extdelay", "quetimeout", "quedelay"),
)
CONSTANTS = ("createSoftphone", "createMobile")


@pytest.fixture
def template() -> dict[str, Any]:
    return YAML(typ="safe").load(TEMPLATE.read_text("utf-8"))


def test_it_is_a_profile_that_spells_out_the_defaults(template: dict[str, Any]) -> None:
    profile = Profile.model_validate(template)
    defaults = Profile(title="Users from CSV", structure=profile.structure, variables=profile.variables)
    assert profile == defaults
    assert {"mode", "type", "encoding", "delimiter", "line_separator", "enclosure", "escape", "prefilter"} < set(
        template
    )


def test_it_has_every_variable_as_its_column(template: dict[str, Any]) -> None:
    expected = {name: f'return $row["{name}"];\n' for name in COLUMNS} | dict.fromkeys(CONSTANTS, "return false;\n")
    assert template["variables"] == expected


def test_it_maps_every_variable_and_runs_as_columns(template: dict[str, Any]) -> None:
    structure = compile_structure(template["structure"])
    assert structure.mode == "columns"
    assert structure.warnings == ()
    assert structure.reads == set(template["variables"])
    assert structure.login_reads == {"username"}
    known = {
        f"{module.name}.{name}" for module in MODULES for name in module.fields if module.name in structure.modules
    }
    assert known - set(structure.field_reads) == {"identity.003use_auth_method", "phonebook.028pho_phone"}


def test_the_seeds_example_becomes_a_person_without_phone(template: dict[str, Any]) -> None:
    row = dict.fromkeys([*COLUMNS, *CONSTANTS], "") | {
        "displayname": "Max Muster",
        "username": "mmuster",
        "job": "Chef",
    }
    modules = render_structure_rows(table_of([row]), Profile.model_validate(template))
    assert {name: frame.height for name, frame in modules.frames.items()} == {
        "identity": 1,
        "phonebook": 1,
        "ipphone": 0,
        "softphone": 0,
        "external": 0,
    }
    assert modules.frames["phonebook"]["028pho_notes"].item() == "Chef"
    assert modules.issues.is_empty()


def test_a_mac_brings_a_phone_and_one_word_brings_the_other_devices(template: dict[str, Any]) -> None:
    row = dict.fromkeys([*COLUMNS, *CONSTANTS], "1")
    modules = render_structure_rows(table_of([row]), Profile.model_validate(template))
    assert all(frame.height == 1 for frame in modules.frames.values())
    assert modules.frames["ipphone"].row(0)[4:] == ("1",) * 10
