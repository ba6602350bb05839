"""What a deploy does to executions in flight: kinds of code change by execution model, each measured in a run.

One execution has done steps a and b and sleeps for an hour; after half of it all workers are restarted on changed code.
What comes of it is read from the effect ledger and the trace, and compared with what the old and the new code would
have done from the start.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from durable_sim import trace as kinds
from durable_sim.durations import HOUR
from durable_sim.models.registry import MODELS
from durable_sim.simulation.run import Recording, simulate
from durable_sim.simulation.scenario import Scenario
from durable_sim.studies.plans import Nap, Plan, Step, services, workflow_of
from durable_sim.world.faults import Deploy

A, B, C, D = (Step(name, name) for name in "abcd")
NAP = Nap("1h")
BASE: Plan = (A, B, NAP, C, D)
CHANGES: Mapping[str, Plan] = MappingProxyType(
    {
        "none": BASE,
        "insert a step before": (A, Step("x", "x"), B, NAP, C, D),
        "insert a step after": (A, B, NAP, C, Step("x", "x"), D),
        "remove a finished step": (A, NAP, C, D),
        "remove a step to come": (A, B, NAP, D),
        "rename a finished step": (A, Step("b2", "b"), NAP, C, D),
        "reorder finished steps": (B, A, NAP, C, D),
        "reorder steps to come": (A, B, NAP, D, C),
        "change arguments": (A, Step("b", "b", 2), NAP, C, D),
        "change the timer": (A, B, Nap("3h"), C, D),
    }
)
"""The code after the deploy, by what was changed. The code before it is `BASE`."""
_DONE = 2
"""How many steps of `BASE` are done when the deploy comes."""


class Fate(NamedTuple):
    """What became of the execution: `verdict` in the words of the checks, `words` what happened.

    completed: it ended, with no effect twice and none of the new code's missing. duplicate_effect: one was done again.
    lost_effect: the run was lost, or ended without an effect that the new code has. stuck: it does not end.
    """

    verdict: str
    words: str


def deploy_table(models: Iterable[str] = (), seed: int = 0) -> dict[str, dict[str, Fate]]:
    """What becomes of an execution in flight, by change and model; all models by default."""
    return {change: {model: fate_of(change, model, seed) for model in models or MODELS} for change in CHANGES}


def fate_of(change: str, model: str, seed: int = 0) -> Fate:
    """What becomes of an execution in flight under a model when the code is changed so."""
    new = CHANGES[change]
    deploy = Deploy(version="new", at="30m", rolling=False, downtime="1s")
    scenario = Scenario(
        workflow_of(BASE),
        ({"id": "e-1"},),
        services(),
        (deploy,),
        horizon="3d",
        versions={"new": workflow_of(new)},
    )
    return _judge(simulate(scenario, model, seed), new)


def _judge(recording: Recording, new: Plan) -> Fate:
    execution = recording.executions[0]
    if execution.status == "open":
        lost = any(record.kind == kinds.EXECUTION_LOST for record in recording.trace)
        return Fate("lost_effect", "the run is lost") if lost else Fate("stuck", "stuck until the code is rolled back")
    if execution.status == "failed":
        return Fate("lost_effect", "the execution fails")
    found = [entry.subject for entry in recording.ledger]
    again = [effect for effect, count in Counter(found).items() if count > 1]
    missing = [effect for effect in _effects(new) if effect not in found]
    timing = _timing(recording, new)
    if found == _effects(BASE):
        return Fate("completed", "; ".join(_as_before(found, missing, new) + timing) or "goes on")
    notes = [f"{effect} is done again" for effect in again] + [f"{effect} is left out" for effect in missing]
    notes += _late(list(dict.fromkeys(found)), new) + timing
    verdict = "duplicate_effect" if again else "lost_effect" if missing else "completed"
    return Fate(verdict, "; ".join(notes) or "goes on")


def _as_before(found: list[str], missing: list[str], new: Plan) -> list[str]:
    """Whether what came after the deploy was what the old code does, and the new code does not."""
    rest = len(found) - _DONE
    return ["goes on as the old code"] if missing or found[-rest:] != _effects(new)[-rest:] else []


def _late(found: list[str], new: Plan) -> list[str]:
    """The steps of the new code that came after what they were to come before."""
    if found == _effects(new):
        return []
    return [f"{effect} comes late" for effect in found if effect not in _effects(BASE)]


def _timing(recording: Recording, new: Plan) -> list[str]:
    """Whether a timer that was running kept its length."""
    (old_nap,), (new_nap,) = ([part for part in plan if isinstance(part, Nap)] for plan in (BASE, new))
    if old_nap == new_nap:
        return []
    ended_us = recording.executions[0].ended_us or 0
    return ["the timer keeps its old length"] if ended_us < 2 * HOUR else ["the timer takes its new length"]


def _effects(plan: Plan) -> list[str]:
    """What a plan does, in its order."""
    return [part.effect for part in plan if isinstance(part, Step)]


def as_text(table: Mapping[str, Mapping[str, Fate]]) -> str:
    """The table as lines: under each change what becomes of the execution, and under which models."""
    lines = []
    for change, row in table.items():
        lines.append(change)
        for words in dict.fromkeys(fate.words for fate in row.values()):
            models = [model for model, fate in row.items() if fate.words == words]
            lines.append(f"    {words:<68}  {', '.join(models)}")
    return "\n".join(lines)
