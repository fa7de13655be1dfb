"""The Prefect half of `tasks.step`; importing it imports Prefect."""

import functools
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.transactions import get_transaction
from prefect.utilities.annotations import opaque, quote

from tasks.artifacts import show_output
from tasks.cache_policy import LineagePolicy, ResultStorage, ShelfStorage
from tasks.errors import TransientSourceError
from tasks.output import Output
from tasks.progress import listener
from tasks.progress_bar import ProgressBar
from tasks.redact import safe
from tasks.retry import RetryPolicy, waited
from tasks.seal_results import SealedSerializer, opened
from tasks.settings import Settings
from tasks.shelf import key_shelf, result_shelf

if TYPE_CHECKING:
    from tasks.step import Conduct


def make_task(function: Callable[..., Any], conduct: "Conduct", settings: Settings) -> Callable[..., Any]:
    """A callable that runs the function as a task of the current flow."""
    recipe, retries = conduct.recipe, conduct.retries
    made: Any = Task(
        _attempt(function, conduct),
        name=recipe.name,
        task_run_name=recipe.name,
        version=str(recipe.version),
        retries=len(retries.delays_seconds) if retries else 0,
        retry_delay_seconds=list(retries.delays_seconds) if retries else None,
        retry_jitter_factor=retries.jitter if retries else None,
        retry_condition_fn=_retry_condition(retries) if retries else None,
        cache_policy=_policy(conduct, settings) if conduct.cached else NO_CACHE,
        cache_expiration=timedelta(days=settings.cache_days) if conduct.cached else None,
        persist_result=conduct.cached,
        result_serializer=SealedSerializer(),
        cache_result_in_memory=False,
        on_completion=[functools.partial(show_output, recipe.name, conduct.artifact_key)],
    )
    # Prefect accepts only blocks that its server knows; a shelf belongs to this machine's settings.
    made.result_storage = ResultStorage.of(result_shelf(settings)) if conduct.cached else None

    def call(*args: Any, **kwargs: Any) -> Any:
        return made(*map(_untraversed, args), **{name: _untraversed(value) for name, value in kwargs.items()})

    return call


def _policy(conduct: "Conduct", settings: Settings) -> LineagePolicy:
    return LineagePolicy(key_storage=ShelfStorage.of(key_shelf(settings)), recipe=conduct.recipe, settings=settings)


def _untraversed(value: object) -> object:
    """Outputs keep their edge in the run's graph, all else has none; Prefect does not walk through any of them."""
    return opaque(value) if isinstance(value, Output) else quote(value)


def _attempt(function: Callable[..., Any], conduct: "Conduct") -> Callable[..., Any]:
    bounded = safe(function)

    @functools.wraps(function)
    def attempt(*args: Any, **kwargs: Any) -> Any:
        opened.set(None)
        token = listener.set(ProgressBar(conduct.artifact_key, listener.get()))
        try:
            output = bounded(*args, **kwargs)
        except TransientSourceError as error:
            failure = _waited_out(error, conduct.retries)
        else:
            return _with_lineage(output, conduct)
        finally:
            listener.reset(token)
        raise failure

    return attempt


def _with_lineage(output: object, conduct: "Conduct") -> object:
    if not conduct.cached:
        return output
    if not isinstance(output, Output):
        raise TypeError(f"the cached step {conduct.recipe.name} returned a {type(output).__name__}, not an Output")
    transaction = get_transaction()
    return replace(output, lineage=(transaction.key if transaction else None) or "")


def _waited_out(error: TransientSourceError, retries: RetryPolicy | None) -> TransientSourceError:
    run = _current_run()
    if retries is None or run is None or not retries.allows(error, run.run_count, _elapsed_seconds(run)):
        return error
    time.sleep(retries.asked_seconds(error))
    return waited(error)


def _current_run() -> TaskRun | None:
    context = TaskRunContext.get()
    return context.task_run if context else None


def _elapsed_seconds(run: TaskRun) -> float:
    return (datetime.now(UTC) - run.start_time).total_seconds() if run.start_time else 0.0


def _retry_condition(retries: RetryPolicy) -> Callable[[Any, TaskRun, State[Any]], bool]:
    def is_worth_another_attempt(task: Any, run: TaskRun, state: State[Any]) -> bool:
        error = state.data
        return isinstance(error, BaseException) and retries.allows(error, run.run_count, _elapsed_seconds(run))

    return is_worth_another_attempt
