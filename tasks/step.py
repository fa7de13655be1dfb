"""Makes a Prefect task of a step's function: cached by lineage, sealed, previewed, retried, with safe errors only.

The function stays what it is and needs no Prefect; the task is made on its first call. So `import tasks.parse` costs
what parsing costs, and `rollcall simulate`, which calls the functions, never waits for an orchestrator.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, ParamSpec, TypeVar

from tasks.key_file import open_keyring
from tasks.lineage import Recipe
from tasks.prefect_settings import prepare_prefect
from tasks.retry import RetryPolicy
from tasks.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")

ORDER: Final = (
    "fetch",
    "decode",
    "parse",
    "prefilter",
    "map-variables",
    "render-structure",
    "validate",
    "reconcile",
    "assign-phones",
    "apply",
    "report",
)
"""The steps of an import as they follow each other; their artifacts sort by it."""


@dataclass(frozen=True)
class Conduct:
    """How a step behaves as a task: what it is for the cache, whether it is cached, which failures it tries again."""

    recipe: Recipe
    cached: bool
    retries: RetryPolicy | None

    @property
    def artifact_key(self) -> str:
        """The name of the step with its place in the import: `01-fetch`."""
        name = self.recipe.name
        return f"{ORDER.index(name) + 1:02}-{name}" if name in ORDER else name


class Step(Generic[P, R]):
    """A function that runs as a task when it is called in a flow; `function` is the function itself."""

    def __init__(self, function: Callable[P, R], conduct: Conduct) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.conduct = conduct
        self._tasks: dict[Settings, Callable[..., Any]] = {}

    def __repr__(self) -> str:
        return f"<step {self.name}>"

    @property
    def name(self) -> str:
        """The name of the task and of its runs."""
        return self.conduct.recipe.name

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs the function as a task of the flow that calls it.

        Raises: RollcallError, whatever the function raised; WrongUseError when there is no key to seal its output.
        """
        settings = Settings()
        if self.conduct.cached:
            open_keyring(settings, may_create=False)
        if settings not in self._tasks:
            self._tasks[settings] = _task(self.function, self.conduct, settings)
        return self._tasks[settings](*args, **kwargs)


def step(
    name: str, *, version: int, reads: tuple[str, ...] = (), cached: bool = True, retries: RetryPolicy | None = None
) -> Callable[[Callable[P, R]], Step[P, R]]:
    """Makes a step of a function, with the function's own signature.

    `version` changes whenever the code would give another output for the same input; `reads` are the settings of the
    profile that it uses: no other one makes it run again. A cached step returns an `Output`.
    """
    conduct = Conduct(Recipe(name, version, reads), cached, retries)
    return lambda function: Step(function, conduct)


def _task(function: Callable[..., Any], conduct: Conduct, settings: Settings) -> Callable[..., Any]:
    prepare_prefect()
    from tasks.prefect_task import make_task

    return make_task(function, conduct, settings)
