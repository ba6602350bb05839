"""Runs this package's own workflow functions: the one implementation of the seam in `runner`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from durable_sim.models.replay.events import Event
from durable_sim.models.replay.instance import Instance
from durable_sim.randomness import Randomness
from durable_sim.workflows.context import WorkflowInfo
from durable_sim.workflows.definitions import Build, definition_of

if TYPE_CHECKING:
    from durable_sim.workflows.guard import Guard


class NativeRunner:
    """Runs this package's own workflow functions: one build of them. See `runner.CodeRunner`."""

    __slots__ = ("_build", "_deadlock_us", "_guard", "_make_info", "_strict")

    def __init__(
        self,
        build: Build,
        make_info: Callable[[str, dict[str, Any]], WorkflowInfo],
        *,
        strict: bool = False,
        guard: Guard | None = None,
        deadlock_us: int | None = None,
    ) -> None:
        self._build = build
        self._make_info = make_info
        self._strict = strict
        self._guard = guard
        self._deadlock_us = deadlock_us

    def instance(self, started: Event, run_id: str) -> Instance:
        """A new instance for the run of this id, whose history begins with this event."""
        options: dict[str, Any] = {"strict": self._strict, "guard": self._guard, "deadlock_us": self._deadlock_us}
        return Instance(self._build, partial(self._make_info, run_id), **options)

    def activity(self, name: str) -> Callable[..., Any] | None:
        """The activity of that name, if this build has one."""
        return self._build.activity(name)


def info_of(run_id: str, started: dict[str, Any], randomness: Randomness) -> WorkflowInfo:
    """The identity of a run, from its first event.

    Its random numbers go with the run id recorded there: a run made by a reset begins with those of the run that it
    came from.
    """
    workflow_id, own = started["workflow_id"], started["run_id"]
    name = ("workflow", workflow_id) if own == workflow_id else ("workflow", workflow_id, own)
    return WorkflowInfo(
        workflow_id,
        run_id,
        started["workflow_type"],
        lambda: randomness.stream(*name),
        started.get("attempt") or 1,
        started.get("task_queue") or "main",
        started.get("continued_run_id"),
        started.get("parent"),
        started.get("memo") or {},
        started.get("search_attributes") or {},
    )


def replay_history(
    workflows: Callable[..., Any] | Iterable[Callable[..., Any]],
    history: Sequence[Event],
    *,
    strict: bool = False,
    seed: int = 0,
) -> Instance:
    """Run workflow code over a whole history, as the real SDK's Replayer does; gives the instance at its end.

    `workflows` are the functions of the build to try, `seed` that of the simulation that made the history. With
    `strict`, arguments, time-outs, timer lengths and whom signals are for are compared too, which the real engine lets
    pass.

    Raises:
        NonDeterminismError: the code does not issue the commands that the history has.
        WorkflowTaskError: the code raised something that is no workflow failure.
    """
    functions = [workflows] if callable(workflows) else list(workflows)
    build = Build(None, {definition_of(function).name: function for function in functions})

    def make_info(started: dict[str, Any]) -> WorkflowInfo:
        return info_of(started["run_id"], started, Randomness(seed))

    return Instance(build, make_info, strict=strict).replay(history)
