"""Which engine for what: what a step costs, what a crash and a bad deploy cost, how much is kept, who can be talked to.

Each figure is measured in runs of the same plan under each execution model; only whether a model takes signals and
queries is stated by the model itself. Always holds: no figure is typed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from durable_sim.durations import duration_us, seconds
from durable_sim.models.registry import MODELS
from durable_sim.simulation.run import Recording, simulate
from durable_sim.simulation.scenario import Scenario
from durable_sim.studies.deploys import Fate, fate_of
from durable_sim.studies.plans import CALL, Plan, Step, services, workflow_of
from durable_sim.world.faults import Crash, Fault

FEW, MANY = 5, 50
BAD_DEPLOY = "rename a finished step"
REALISTIC: Mapping[str, Mapping[str, Any]] = {"replay": {"rpc_latency": "2ms"}}
"""Settings that a simulation is quick without, and a comparison of latencies not fair: messages take time."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of one model. Times in microseconds; None where the execution does not come to its end.

    `step_us` is what a step costs beyond its own call, `many_us` how long a run of fifty steps takes; `crash_us` how
    much later a run ends because a worker died in the middle of a step, and `crash` what that came to; `kept` how many
    records the engine has of a run, for each step; `talks` how it can be talked to.
    """

    model: str
    step_us: int | None
    many_us: int | None
    crash_us: int | None
    crash: str
    deploy: Fate
    kept: float
    talks: str

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON data."""
        return asdict(self) | {"deploy": self.deploy._asdict()}


def choice_table(models: Iterable[str] = (), seed: int = 0) -> list[Measured]:
    """One line a model; all models by default."""
    return [measure(model, seed) for model in models or MODELS]


def measure(model: str, seed: int = 0) -> Measured:
    """Measure one model."""
    few, many = (_run(model, seed, _plan(count)) for count in (FEW, MANY))
    struck = _run(model, seed, _plan(FEW), Crash(after="request_sent", of="email.send", nth=3))
    few_us, many_us, struck_us = (_took_us(recording) for recording in (few, many, struck))
    return Measured(
        model,
        None if few_us is None or many_us is None else (many_us - few_us) // (MANY - FEW) - duration_us(CALL),
        many_us,
        None if few_us is None or struck_us is None else struck_us - few_us,
        _came_to(struck),
        fate_of(BAD_DEPLOY, model, seed),
        (_kept(many) - _kept(few)) / (MANY - FEW),
        MODELS[model].talks,
    )


def _plan(count: int) -> Plan:
    return [Step(f"step_{number + 1}", f"effect-{number + 1}") for number in range(count)]


def _run(model: str, seed: int, plan: Plan, *faults: Fault) -> Recording:
    scenario = Scenario(workflow_of(plan), ({"id": "e-1"},), services(), faults, model_options=REALISTIC)
    return simulate(scenario, model, seed)


def _took_us(recording: Recording) -> int | None:
    execution = recording.executions[0]
    return None if execution.ended_us is None else execution.ended_us - execution.arrived_us


def _came_to(recording: Recording) -> str:
    if recording.executions[0].status == "open":
        return "lost"
    subjects = [entry.subject for entry in recording.ledger]
    again = len(subjects) - len(set(subjects))
    return f"{again} done again" if again else "nothing done again"


def _kept(recording: Recording) -> int:
    return recording.engine[0].stored(recording.executions[0])


def as_text(table: Iterable[Measured]) -> str:
    """The table in columns."""
    heads = ("model", "a step", "50 steps", "a crash", "and in it", "a renamed step", "kept a step", "talked to")
    rows = [heads, *map(_row, table)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
                     for row in rows)  # fmt: skip


def _row(one: Measured) -> tuple[str, ...]:
    times = [None if us is None else seconds(us) for us in (one.step_us, one.many_us, one.crash_us)]
    step, many, crash = (time or "-" for time in times)
    return (one.model, step, many, crash, one.crash, one.deploy.words, f"{one.kept:.1f}", one.talks)
