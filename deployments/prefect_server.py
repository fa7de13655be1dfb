"""Prefect's server, as it has to be started with SQLAlchemy 2.1: `python -m deployments.prefect_server`.

Prefect 3.8 was made for SQLAlchemy 2.0, where a bulk insert left out what is no column. 2.1 refuses instead, and so
the scheduler inserted no run of any schedule (`InvalidRequestError` in its log). Here the old way is given back to
Prefect's own classes, before the server starts; a test sees a schedule fire. The first Prefect that needs none of it
makes this file superfluous.
"""

import runpy
import sys
from typing import Any


def mend_bulk_inserts() -> list[str]:
    """Lets computed attributes of Prefect's flow runs be left out of bulk inserts; gives their names."""
    import sqlalchemy as sa
    from prefect.server.database.orm_models import FlowRun
    from sqlalchemy.ext.hybrid import hybrid_property

    descriptors: Any = sa.inspect(FlowRun).all_orm_descriptors
    kind: Any = hybrid_property
    computed: dict[str, Any] = {name: one for name, one in descriptors.items() if isinstance(one, kind)}
    for one in computed.values():
        if one.bulk_dml_setter is None:
            one.bulk_dml_setter = _leave_out
    return sorted(computed)


def _leave_out(_: type[Any], mapping: dict[str, Any], value: object) -> None:
    """The value is computed from columns that are inserted."""


def main() -> None:
    """`prefect server start`, mended; options follow as they are."""
    mend_bulk_inserts()
    sys.argv = ["prefect", "server", "start", *sys.argv[1:]]
    runpy.run_module("prefect", run_name="__main__")


if __name__ == "__main__":
    main()
