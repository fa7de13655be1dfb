"""Writes the dumps of the newest schema: every statement that migrating an empty database runs.

`python -m tests.schemas.dump [FOLDER]`; older dumps are never written again.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

from tasks.store.connection import Connection, open_connection
from tasks.store.migrations import MIGRATIONS, migrate
from tests.servers import running_postgresql

PERSON = "INSERT INTO users (id, login, display_name) VALUES (1000, 'kept', 'Kept')"


class Recording(Connection):
    """A connection that remembers what changed the schema."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection._adbc, connection.kind)
        self.statements: list[str] = []

    def execute(self, statement: Any, parameters: Any = None) -> None:
        text, bound = self._compile(statement, parameters)
        for number, value in enumerate(() if bound is None else bound.row(0), start=1):
            text = text.replace("?" if self.kind == "sqlite" else f"${number}", repr(value), 1)
        if text.lstrip().startswith(("CREATE", "INSERT", "ALTER", "DROP", "UPDATE", "DO")):
            self.statements.append(text.strip())
        super().execute(statement, parameters)


def main(folder: str) -> None:
    """Both dumps into the folder."""
    with running_postgresql() as server, tempfile.TemporaryDirectory() as home:
        for url in (f"sqlite:///{home}/new.db", server.new_database()):
            with open_connection(url) as connection:
                recording = Recording(connection)
                migrate(recording)
            text = ";\n\n".join([*recording.statements, PERSON]) + ";\n"
            (Path(folder) / f"{len(MIGRATIONS)}-{recording.kind}.sql").write_text(text)


if __name__ == "__main__":
    main(*sys.argv[1:] or [str(Path(__file__).parent)])
