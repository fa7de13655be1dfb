"""How a profile's names hang together: which CSV columns stand behind the login, behind each field, behind secrets.

Static analysis of the profile against a header; decisions 13, 14 and 28 rest on it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from tasks.expression.compiled import Expression, compile_expression
from tasks.names import Names
from tasks.profile import Profile
from tasks.rendering.structure import Structure, compile_structure, untouched_fields, untouched_modules

SECRET_KEYS: Final = ("identity.003use_pw", "identity.011acc_pin", "ipphone.071ipp_pw")
_WHOLE_RECORDS: Final = frozenset({"identity", "contact"})
SECRET_NAMES: Final = frozenset({"password", "pin", "phonepass"})


@dataclass(frozen=True)
class Mapping:
    """A profile's compiled expressions and Structure, and what they read."""

    prefilter: Expression
    variables: dict[str, Expression]
    structure: Structure

    def columns_behind(self, names: Iterable[str], header: Names) -> frozenset[str] | None:
        """The CSV columns, as written, that these names of the Structure read; None = any of them."""
        found: set[str] = set()
        variables = Names(self.variables)
        for name in names:
            variable = variables.find(name)
            if variable is None:
                found.add(header.find(name) or name)
                continue
            reads = self.variables[variable].reads
            if reads is None:
                return None
            found |= {header.find(read) or read for read in reads}
        return frozenset(found)

    def is_present(self, name: str, header: Names) -> bool:
        """Whether a name of the Structure has anything to read in this header; a constant always has."""
        variable = Names(self.variables).find(name)
        if variable is not None and self.variables[variable].constant:
            return True
        columns = self.columns_behind([name], header)
        return columns is None or any(header.find(column) is not None for column in columns)

    def untouched(self, header: Names) -> tuple[str, ...]:
        """What stays as it is on update, since all columns that it reads are absent (decision 14).

        "module.field" names, and modules of a person of which absent columns alone decide whether a record is there.
        """

        def present(name: str) -> bool:
            return self.is_present(name, header)

        modules = [name for name in untouched_modules(self.structure, present) if name not in _WHOLE_RECORDS]
        return (*untouched_fields(self.structure, present), *modules)

    def readers_of(self, column: str, header: Names) -> frozenset[str]:
        """The "module.field" names and modules that a column has a say in; one that may read any column counts."""
        whole = {module: frozenset[str]().union(*reads) for module, reads in self.structure.deciding_reads.items()}
        behind = {
            key: self.columns_behind(reads, header) for key, reads in {**self.structure.field_reads, **whole}.items()
        }
        return frozenset(key for key, columns in behind.items() if columns is None or column in columns)

    def secret_names(self, header: Names, known: frozenset[str] = frozenset()) -> frozenset[str]:
        """Every column and variable that flows into a secret, whatever it is called; `known` columns are secret."""
        read = {name for key in SECRET_KEYS for name in self.structure.printed_reads.get(key, frozenset[str]())}
        behind = self.columns_behind(read, header)
        columns = known | (frozenset(header.header) if behind is None else behind)
        tainted = columns | {name for name, variable in self.variables.items() if _touches(variable, columns, header)}
        named = {name for name in (*header.header, *self.variables) if name.casefold() in SECRET_NAMES}
        return frozenset(read) | tainted | named


def mapping_of(profile: Profile) -> Mapping:
    """The compiled profile; compiled once a process.

    Raises: ExpressionError, StructureError; a profile that `load_profile` gave raises neither.
    """
    return _compiled(profile.prefilter, tuple(profile.variables.items()), profile.structure)


@lru_cache(maxsize=64)
def _compiled(prefilter: str, variables: tuple[tuple[str, str], ...], structure: str) -> Mapping:
    return Mapping(
        prefilter=compile_expression(prefilter, name="prefilter"),
        variables={name: compile_expression(source, name=name) for name, source in variables},
        structure=compile_structure(structure),
    )


def _touches(variable: Expression, columns: frozenset[str], header: Names) -> bool:
    reads = variable.reads
    return reads is None or any((header.find(read) or read) in columns for read in reads)
