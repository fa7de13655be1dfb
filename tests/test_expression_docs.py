"""The page for administrators holds what the code does."""

from pathlib import Path

from tasks.expression.functions import functions
from tasks.expression.reference import refreshed

PAGE = Path(__file__).parent.parent / "docs" / "expressions.md"


def test_the_table_of_functions_is_fresh() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == refreshed(page), "run `python -m tasks.expression.reference`"


def test_every_function_is_on_the_page_once() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert all(page.count(f"| `{name}(") == 1 for name in functions())


def test_every_signature_fits_its_implementation() -> None:
    for function in functions().values():
        code = getattr(function.implementation, "__code__", None)
        if code is None:
            continue
        fixed = code.co_argcount - function.costly
        assert fixed >= len([p for p in function.parameters if not p.variadic]), function.name
        assert bool(code.co_flags & 0x04) == any(p.variadic for p in function.parameters), function.name
