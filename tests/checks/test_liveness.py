"""Liveness: when faults have stopped everything ends, or it is said what it waits for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

import durable_sim as ds
from durable_sim import trace as kinds
from durable_sim.checks.liveness import last_fault_us, liveness
from durable_sim.checks.waiting import why_open
from durable_sim.models.executions import Status
from durable_sim.simulation.injector import Strike
from durable_sim.simulation.scenario import Scenario
from tests.checks.ledgers import execution, nothing, recording, told, traced

DAY_US = 24 * 3600 * 1_000_000
ID = {"order_id": "o-1"}


def scenario(horizon: str) -> Scenario:
    """A scenario that is observed for so long."""
    return Scenario(nothing, (ID,), {}, horizon=horizon)


def found(
    *,
    status: Status = "open",
    pending: str | None = "a timer",
    arrived_us: int = 0,
    horizon: str = "2d",
    **changes: Any,
) -> list[object]:
    """What liveness has against one execution."""
    one = execution("o-1", status, arrived_us=arrived_us)
    given = {"pending": {"o-1": pending}, "scenario": scenario(horizon), **changes}
    return told("liveness", liveness()(recording(executions=(one,), **given)))


def struck(time_us: int | None) -> Strike:
    """A crash that struck then, or never."""
    return Strike(ds.Crash(at="0s"), time_us)


def sent(time_us: int, data: Mapping[str, Any] | None) -> tuple[int, str, dict[str, Any]]:
    """A request that was sent."""
    return time_us, kinds.REQUEST_SENT, {"execution": "o-1", "data": data}


# --- when -----------------------------------------------------------------------------------------------------------
def test_an_execution_that_is_open_long_after_the_last_fault_is_found() -> None:
    """With what it waits for, and when the last fault was."""
    assert found(strikes=(struck(DAY_US // 2),)) == [
        ("o-1", "execution", "open: a timer", "an end (the last fault struck at 43200.000s)", None)
    ]
    assert found() == [("o-1", "execution", "open: a timer", "an end (there was no fault)", None)]


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_one_that_has_ended_is_fine(status: Status) -> None:
    """Whichever way."""
    assert found(status=status) == found(status=status, pending=None) == []


@pytest.mark.parametrize(("time_us", "count"), [(DAY_US - 1, 1), (DAY_US, 0), (DAY_US + 1, 0)])
def test_patience_is_measured_from_the_last_fault_and_from_the_arrival_to_the_horizon(time_us: int, count: int) -> None:
    """To the microsecond; it is a day, if nothing else is said."""
    assert len(found(strikes=(struck(0), struck(time_us), struck(1), struck(None)))) == count
    assert len(found(stimuli=(struck(time_us),))) == count
    assert len(found(trace=traced(sent(time_us, {"fault": "error"})))) == count
    assert len(found(arrived_us=time_us)) == count
    assert len(found(arrived_us=time_us, strikes=(struck(1),))) == count


@pytest.mark.parametrize(("beyond_us", "count"), [(0, 0), (1, 1)])
def test_without_faults_patience_is_measured_from_the_start(beyond_us: int, count: int) -> None:
    """To the microsecond."""
    assert len(found(horizon=f"{DAY_US + beyond_us}us")) == count


@pytest.mark.parametrize(("patience", "count"), [("47h", 1), ("48h", 0)])
def test_patience_can_be_chosen(patience: str, count: int) -> None:
    """For workflows that rightly take longer."""
    one = recording(executions=(execution("o-1", "open"),), pending={"o-1": "a timer"}, scenario=scenario("2d"))
    assert len(list(liveness(patience)(one))) == count


def test_what_nothing_will_ever_move_is_found_at_once() -> None:
    """No patience helps."""
    assert found(pending=None, horizon="1s", strikes=(struck(5),)) == [
        ("o-1", "execution", "open: nothing will ever move it", "an end (the last fault struck at 0.000s)", None)
    ]


def test_every_open_execution_is_found_and_ended_ones_hide_none() -> None:
    """In the order of the scenario."""
    names = {"o-1": "open", "o-2": "completed", "o-3": "open"}
    executions = tuple(execution(name, status) for name, status in names.items())  # type: ignore[arg-type]
    one = recording(executions=executions, pending={"o-1": None, "o-3": None})
    assert [violation.execution for violation in liveness()(one)] == ["o-1", "o-3"]
    assert {violation.kind for violation in liveness()(one)} == {"liveness"}


def test_the_last_fault_is_that_of_a_process_of_a_call_or_from_outside() -> None:
    """Calls that went well are none; where nothing happened, there is no time."""
    calls = traced(sent(1, {"fault": "slow"}), sent(5, {"fault": "refuse"}), sent(9, None), sent(10, {"other": 1}))
    assert last_fault_us(recording()) is None
    assert last_fault_us(recording(strikes=(struck(None),))) is None
    assert last_fault_us(recording(trace=calls)) == 5
    assert last_fault_us(recording(trace=calls, strikes=(struck(7), struck(6)))) == 7
    assert last_fault_us(recording(trace=calls, strikes=(struck(3),), stimuli=(struck(8), struck(None)))) == 8
    assert last_fault_us(recording(strikes=(struck(0),))) == 0
    replies = traced((4, kinds.REPLY_RECEIVED, {"execution": "o-1", "data": {"fault": "error"}}))
    assert last_fault_us(recording(trace=replies)) is None


# --- why ------------------------------------------------------------------------------------------------------------
def why(*records: tuple[int, str, dict[str, Any]], pending: str | None = None) -> str:
    """Why an execution is open after these records."""
    given = [(time_us, kind, {"execution": "o-1", **fields}) for time_us, kind, fields in records]
    return why_open(recording(pending={"o-1": pending}, trace=traced(*given)), "o-1")


BEGUN = (0, kinds.EXECUTION_STARTED, {"worker": "w1"})
LOST = (2_000_000, kinds.EXECUTION_LOST, {"worker": "w1"})
AGAIN = (3_000_000, kinds.EXECUTION_RESTARTED, {"worker": "w2"})
FAILED = (4_000_000, kinds.WORKFLOW_TASK_FAILED, {"data": {"message": "KeyError: x", "attempt": 3}})
TRIED = (5_000_000, kinds.TASK_STARTED, {"subject": "charge", "attempt": 2})


def test_without_further_knowledge_it_is_what_the_engine_says() -> None:
    """Or that nothing will move it."""
    assert why(BEGUN, pending="a timer due at 9s") == "a timer due at 9s"
    assert why(BEGUN) == why() == "nothing will ever move it"


def test_a_lost_run_is_named_with_its_worker_until_it_is_begun_again() -> None:
    """Without the record of its beginning, too."""
    lost = "nothing will ever move it; the run on w1 was lost at 2.000s"
    assert why(BEGUN, LOST) == why(LOST) == lost
    assert why(BEGUN, LOST, pending="will be rerun at 3s") == "will be rerun at 3s; the run on w1 was lost at 2.000s"
    assert why(BEGUN, LOST, AGAIN) == "nothing will ever move it"
    assert why(BEGUN, LOST, AGAIN, LOST) == "nothing will ever move it; the run on w1 was lost at 3.000s"


def test_a_failing_workflow_task_is_told_with_its_message_until_the_code_moves_on() -> None:
    """The last one, with its attempt; a step, a timer or a child that it asks for later is a move."""
    told = "nothing will ever move it; its last workflow task failed (attempt 3, at 4.000s): KeyError: x"
    earlier = (1, kinds.WORKFLOW_TASK_FAILED, {"data": {"message": "ValueError: y", "attempt": 1}})
    assert why(BEGUN, earlier, FAILED) == told
    assert why(BEGUN, (1, kinds.TIMER_STARTED, {}), FAILED) == told
    for move in (kinds.TASK_SCHEDULED, kinds.TIMER_STARTED, kinds.CHILD_STARTED):
        assert why(BEGUN, FAILED, (5_000_000, move, {})) == "nothing will ever move it"


def test_the_last_attempt_that_was_begun_comes_last() -> None:
    """Its number and its time."""
    assert why(
        BEGUN, (1, kinds.TASK_STARTED, {"subject": "reserve", "attempt": 1}), TRIED, pending="running on w1"
    ) == ("running on w1; last begun: charge, attempt 2, at 5.000s")


def test_records_of_others_do_not_count() -> None:
    """They are other stories."""
    one = recording(pending={"o-1": None}, trace=traced((1, kinds.EXECUTION_LOST, {"execution": "o-2"})))
    assert why_open(one, "o-1") == "nothing will ever move it"


# --- whole runs -----------------------------------------------------------------------------------------------------
async def ship(ctx: ds.ActivityContext) -> Any:
    """A parcel."""
    return await ctx.service("shipping").schedule(ctx.workflow_id)


async def ships(ctx: ds.WorkflowContext, order: Any) -> None:
    """Tries for ever."""
    await ctx.execute_activity(ship, start_to_close_timeout="30s")


async def waits(ctx: ds.WorkflowContext, order: Any) -> None:
    """Waits for what never comes."""
    await ctx.execute_activity(ship, start_to_close_timeout="30s")
    await ctx.wait_condition(lambda: False)


async def waits_an_hour(ctx: ds.WorkflowContext, order: Any) -> None:
    """Waits for what never comes, and not longer than is right."""
    try:
        await ctx.wait_condition(lambda: False, timeout="1h")
    except TimeoutError:
        pass


async def breaks(ctx: ds.WorkflowContext, order: Any) -> None:
    """Has a mistake in it, which an engine takes for one that a deploy will mend."""
    raise KeyError("no such column")


def run(workflow: Any, *faults: Any, **options: Any) -> ds.Run:
    """One execution."""
    return ds.run(workflow, ID, faults=faults, **options)


def words(run: ds.Run) -> list[str]:
    """What liveness finds."""
    return [violation.found for violation in liveness()(run.recording)]


def test_a_run_that_was_lost_with_its_process_is_found_and_its_twin_is_not() -> None:
    """Regular code dies with its worker; an engine goes on."""
    crash = ds.Crash(after="task_started")
    lost = run(ships, crash, model="regular")
    (found,) = words(lost)
    assert found.startswith("open: nothing will ever move it; the run on w1 was lost at 0.0")
    assert lost.violations[0].kind == "stuck"
    assert lost.violations[0].found == f"open, and{found.removeprefix('open:')}"
    assert words(run(ships, crash)) == []


def test_code_that_waits_for_ever_is_found_with_the_line_where_it_waits() -> None:
    """And with the last thing that it did; the twin with a time-out ends."""
    (found,) = words(run(waits))
    line = waits.__code__.co_firstlineno + 3
    assert "nothing will ever move it; its code waits in waits (" in found
    assert f"test_liveness.py:{line})" in found
    assert "; last begun: ship, attempt 1, at " in found
    assert words(run(waits_an_hour)) == []


def test_code_that_fails_whenever_it_is_run_is_found_with_its_error() -> None:
    """The engine tries again and again, and it never helps."""
    (found,) = words(run(breaks, horizon="1h"))
    assert "nothing will ever move it; its last workflow task failed (attempt " in found
    assert found.endswith("KeyError: 'no such column'")


def test_a_service_that_is_down_for_ever_excuses_and_one_that_is_calm_again_does_not() -> None:
    """As long as faults strike nothing can be said; when they have stopped, the parcel is sent."""
    down = ds.library.shop(shipping={"faults": ds.Mixture(refuse=1.0)})
    never = run(ships, services=down, horizon="25h")
    assert never.verdicts == {"inconclusive": 1} and words(never) == []
    calm = Scenario(ships, (ID,), down, calm_after="1h")
    ended = ds.run_scenario(calm)
    assert ended.verdicts == {"completed": 1} and words(ended) == []


def test_a_refusal_that_is_tried_for_ever_is_found() -> None:
    """The order is refused without any fault, and no retry will change that (planted bug)."""

    async def charges(ctx: ds.ActivityContext) -> None:
        await ctx.service("payments").charge("ada", 40, card="card_declined")

    def charging(retry: ds.RetryPolicy) -> Any:
        async def pays(ctx: ds.WorkflowContext, order: Any) -> None:
            await ctx.execute_activity(charges, start_to_close_timeout="30s", retry_policy=retry)

        return pays

    (found,) = words(run(charging(ds.RetryPolicy()), horizon="25h"))
    assert found.startswith("open: activity charges, attempt ") and "of unlimited, next at " in found
    assert "its code waits" not in found
    assert words(run(charging(ds.RetryPolicy(non_retryable_error_types=["CardDeclined"])))) == []
