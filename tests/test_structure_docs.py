"""docs/structure.md says what the code does."""

import re
from pathlib import Path

from tasks.modules import MODULES
from tasks.rendering.sandbox import FILTERS, METHODS
from tasks.rendering.structure import compile_structure

PAGE = (Path(__file__).parent.parent / "docs" / "structure.md").read_text("utf-8")


def test_its_example_runs_as_columns_without_a_warning() -> None:
    example = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)[0]
    structure = compile_structure(example)
    assert (structure.mode, structure.warnings) == ("columns", ())


def test_it_names_every_module_field_filter_and_method() -> None:
    named = set(re.findall(r"`([^`\n]+)`", PAGE))
    modules = {key for module in MODULES for key in module.keys}
    fields = {name for module in MODULES for name in (*module.fields, *module.ignored)}
    assert (modules | fields | set(FILTERS) | METHODS) <= named
