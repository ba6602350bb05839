"""The steps of a run: where in its trace they pass, how they went, and how far their support reaches."""

from __future__ import annotations

from typing import Any

import pytest

from durable_sim.search.passages import Step, passages_of, reach_of
from durable_sim.search.trial import trial_of
from durable_sim.simulation.scenario import Scenario
from durable_sim.trace import Trace
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import workflow
from durable_sim.world.faults import Crash, Fault, Script
from tests.search.scenes import GIVE_BACK, ID, PAYMENTS, charge, of_two


@workflow
async def pays_twice(ctx: WorkflowContext, order: Any) -> None:
    """Two steps of one name."""
    for _ in range(2):
        await ctx.execute_activity(charge, order, start_to_close_timeout="30s")


@workflow
async def nothing_to_do(ctx: WorkflowContext, order: Any) -> None:
    """No step at all."""


def trace_of(scenario: Scenario, *faults: Fault, executions: int | None = 1) -> Trace:
    """What a run leaves behind."""
    return trial_of(scenario, "replay", 0, executions).run(faults).trace


def test_steps_reach_from_neighbour_to_neighbour() -> None:
    """A step reaches from the end of the one before to the beginning of the one after."""
    trace = trace_of(GIVE_BACK)
    passages = passages_of(trace)
    one, two = Step("o-1", "charge", 1), Step("o-1", "refund", 1)
    assert list(passages) == [one, two]
    assert reach_of(passages, len(trace)) == {one: (0, passages[two].first), two: (passages[one].last, len(trace))}


def test_steps_of_one_name_are_counted() -> None:
    """The second one has another number, and the executions do not count each other's."""
    steps = [*passages_of(trace_of(of_two(Scenario(pays_twice, (ID,), PAYMENTS)), executions=None))]
    assert sorted(steps) == [Step(execution, "charge", nth) for execution in ("o-1", "o-2") for nth in (1, 2)]


def test_steps_at_the_same_time_share_their_neighbours() -> None:
    """Steps that overlap reach over each other."""
    late = Script("payments", "charge", 1, "late_effect", late_by="1h")
    trace = trace_of(Scenario(pays_twice, (ID,), PAYMENTS), late)
    one, two = passages_of(trace).values()
    assert one.last > two.first
    assert [*reach_of(passages_of(trace), len(trace)).values()] == [(0, len(trace)), (0, len(trace))]


@pytest.mark.parametrize(
    "faults",
    [
        (),
        (Script("payments", "charge", 1, "lose_reply"),),
        (Script("payments", "charge", 1, "late_effect", late_by="1h"),),
        (Crash(after="effect_applied", restart_after="2s"),),
    ],
)
def test_every_record_lies_in_the_reach_of_a_step(faults: tuple[Fault, ...]) -> None:
    """With and without faults, of each execution."""
    trace = trace_of(of_two(GIVE_BACK), *faults, executions=None)
    reach = reach_of(passages_of(trace), len(trace))
    for execution in ("o-1", "o-2"):
        own = [bounds for step, bounds in reach.items() if step.execution == execution]
        assert all(any(since <= place <= until for since, until in own) for place in range(len(trace)))


def test_a_step_went_another_way_if_it_was_tried_again() -> None:
    """How a step went tells of attempts and errors, but not of times."""
    calm, again, slow = (
        passages_of(trace_of(GIVE_BACK, *faults))[Step("o-1", "charge", 1)].way
        for faults in ((), (Script("payments", "charge", 1, "refuse"),), (Script("payments", "charge", 1, "slow"),))
    )
    assert calm != again and {attempt for _, _, attempt, _ in again} >= {1, 2}
    assert calm == slow


def test_an_execution_without_steps_is_one() -> None:
    """Where no record tells of a step, an execution is a step as a whole."""
    passages = passages_of(trace_of(Scenario(nothing_to_do, (ID,), PAYMENTS)))
    assert [step.execution for step in passages] == ["o-1"]
