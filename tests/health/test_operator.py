"""The operator's view: what each open execution hangs on at any instant, those that need help first."""

from __future__ import annotations

from typing import Any

import pytest

from durable_sim.durations import MINUTE, SECOND
from durable_sim.errors import UserError
from durable_sim.health.operator import OpenExecution, OperatorView, operator_view
from durable_sim.library.orders import correct_order
from durable_sim.library.shop import shop
from durable_sim.models.registry import MODELS
from durable_sim.randomness import Constant
from durable_sim.simulation.run import Recording, simulate
from durable_sim.simulation.scenario import Arrivals, Scenario
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import workflow
from durable_sim.workflows.retry import RetryPolicy
from durable_sim.world.faults import Crash, Fault, Mixture
from tests.health.worlds import a_day, charge, orders, outage

REFUSED = "ServiceUnavailable: payments.charge: 503 service unavailable; nothing was done"


@workflow
async def mixed(ctx: WorkflowContext, order: dict[str, Any]) -> None:
    """Does what the order says: sleeps, waits for ever, charges for a while, or breaks."""
    match order["what"]:
        case "sleep":
            await ctx.sleep("1h")
        case "hang":
            await ctx.wait_condition(lambda: False)
        case "break":
            raise LookupError("no such order")
        case _:
            policy = RetryPolicy(initial_interval="4s", maximum_interval="4s", maximum_attempts=9)
            await ctx.execute_activity(charge, order, start_to_close_timeout="30s", retry_policy=policy)


def some(*what: str, model: str = "replay", faults: tuple[Fault, ...] = (), **payments: Any) -> Recording:
    """One order of each kind, a second apart; charges take 10 s."""
    inputs = tuple({"order_id": f"o-{number}", "what": one} for number, one in enumerate(what))
    services = shop(payments={"latency": Constant("10s"), "client_timeout": "1m", **payments})
    return simulate(Scenario(mixed, inputs, services, faults, arrivals=Arrivals("1s")), model, 0)


def told(view: OperatorView) -> list[tuple[str, str]]:
    """Who is shown, in order, and in which state."""
    return [(one.id, one.state) for one in view.open]


def test_stuck_ones_come_first_then_failing_then_the_oldest() -> None:
    """At 8 s: one waits for ever, one runs workflow code that breaks, two charge, one sleeps."""
    view = operator_view(some("sleep", "charge", "hang", "break", "charge"), 8 * SECOND)
    assert told(view) == [
        ("o-2", "stuck"),
        ("o-3", "failing"),
        ("o-1", "running"),
        ("o-4", "running"),
        ("o-0", "waiting"),
    ]
    assert [one.age_us // SECOND for one in view.open] == [6, 5, 7, 4, 8]
    assert view.open[0].waits_for == "nothing"
    assert "no such order" in (view.open[1].last_error or "")
    assert view.open[4].waits_for == "a timer, due at 60 min"


def test_a_pending_step_is_told_with_its_attempts_and_its_next_retry() -> None:
    """Refused at 0, 8 and 16 s (4 s for the two ways of a charge of 10 s, then 4 s back-off): at 13 s the third attempt
    is 3 s away, at 17 s it is under way, and has the error of the second."""
    recording = some("charge", faults=(), outage=outage("0s", "1m"))
    waiting = operator_view(recording, 13 * SECOND).open[0].steps[0]
    assert (waiting.name, waiting.attempt, waiting.attempts_max) == ("charge", 2, 9)
    assert (waiting.next_retry_us, waiting.worker, waiting.last_error) == (16 * SECOND, None, REFUSED)
    running = operator_view(recording, 17 * SECOND).open[0]
    assert (running.steps[0].attempt, running.steps[0].next_retry_us, running.state) == (3, None, "failing")
    assert (running.steps[0].worker, running.last_error) == ("w2", REFUSED)
    assert "charge, attempt 2 of 9  in 3 s" in str(operator_view(recording, 13 * SECOND))


@pytest.mark.parametrize(("model", "limit"), [("replay", 0), ("steps", 5), ("status_columns", None)])
def test_the_most_attempts_come_from_the_engine_where_it_says_them(model: str, limit: int | None) -> None:
    """Without limit under `replay`, four retries after the first attempt under `steps`, unknown elsewhere."""
    view = operator_view(simulate(a_day(60, outage=outage("1m", "5m")), model, 0), 5 * MINUTE)
    assert view.count("failing") > 20
    assert {step.attempts_max for one in view.open for step in one.steps} == {limit}
    assert {one.last_error for one in view.open if one.state == "failing"} == {REFUSED}


def test_of_those_that_fail_the_one_with_most_attempts_comes_first() -> None:
    """At 8.5 s the first order is in its second attempt, the other, refused at 5 s, still has its first behind it."""
    view = operator_view(some("charge", "charge", outage=outage("0s", "1m")), 8_500_000)
    assert [(one.id, one.steps[0].attempt) for one in view.open] == [("o-0", 2), ("o-1", 1)]


def test_nothing_after_the_instant_is_seen() -> None:
    """An order that will fail is running; one that has ended is counted; one that has not come is not there."""
    recording = some("charge", "charge", outage=outage("0s", "1s"))
    assert told(operator_view(recording, 0)) == [("o-0", "running")]
    view = operator_view(recording, 12 * SECOND)
    assert (told(view), view.ended) == ([("o-0", "failing")], 1)
    assert operator_view(recording).open == ()
    assert operator_view(recording).ended == 2


def test_what_is_stuck_in_the_end_is_not_stuck_while_it_still_moves() -> None:
    """A run in memory that dies with its worker at 5 s: running before, lost after."""
    recording = some("charge", model="regular", faults=(Crash(at="5s"),))
    assert told(operator_view(recording, 4 * SECOND)) == [("o-0", "running")]
    after = operator_view(recording, 6 * SECOND)
    assert told(after) == [("o-0", "stuck")]
    assert after.open[0].waits_for == "nothing: its run was lost"


def test_late_are_those_older_than_expected() -> None:
    """Not those that are just as old."""
    view = operator_view(some("charge", "charge"), 6 * SECOND, expected="5s")
    assert [(one.id, one.late) for one in view.open] == [("o-0", True), ("o-1", False)]
    assert "running, late" in str(view)


def test_steps_side_by_side_show_the_one_with_most_attempts() -> None:
    """The others are counted."""
    one = OpenExecution("o-1", "failing", 0, False, ())
    assert one.told(0)[3] == ""

    @workflow
    async def both(ctx: WorkflowContext, order: dict[str, Any]) -> None:
        """Two charges at once."""
        await ctx.gather(*(ctx.execute_activity(charge, order, start_to_close_timeout="30s") for _ in range(2)))

    recording = simulate(Scenario(both, orders(1), shop(payments={"latency": Constant("10s")})), "replay", 0)
    (shown,) = operator_view(recording, SECOND).open
    assert len(shown.steps) == 2
    assert shown.told(SECOND)[3] == "charge, attempt 1 of unlimited (+1)"


@pytest.mark.parametrize("model", MODELS)
def test_whoever_is_open_is_shown_at_every_instant_in_every_model(model: str) -> None:
    """Ended and open together are those that have come; an attempt under way belongs to a living pending step."""
    scenario = Scenario(
        correct_order(),
        orders(8),
        shop(payments={"faults": Mixture(refuse=0.3, lose_reply=0.2)}),
        (Crash(at="3s"), Crash(at="12s")),
        arrivals=Arrivals("2s"),
    )
    recording = simulate(scenario, model, 2)
    for at_us in range(0, 40 * SECOND, 500_000):
        view = operator_view(recording, at_us)
        come = [one for one in recording.executions if one.arrived_us <= at_us]
        assert len(view.open) + view.ended == len(come)
        assert {one.id for one in view.open} <= {one.id for one in come}
        assert all(step.since_us <= at_us for one in view.open for step in one.steps)
        retries = [step.next_retry_us for one in view.open for step in one.steps if step.next_retry_us is not None]
        assert all(retry_us >= at_us for retry_us in retries)


def test_a_long_list_is_cut_in_print_only() -> None:
    """Thirty are printed, all are there; HTML is the same text."""
    view = operator_view(simulate(a_day(60, outage=outage("0s", "30m")), "replay", 0), 9 * MINUTE)
    lines = str(view).splitlines()
    assert lines[0] == "at 9 min: 55 open (54 failing, 1 running), 0 ended"
    assert (len(lines), lines[-1]) == (33, "... and 25 more")
    assert len(view.open) == 55
    assert view._repr_html_().startswith('<pre style="font-family:') and ">at 9 min" in view._repr_html_()


def test_an_instant_before_the_start_is_refused() -> None:
    """Time begins at 0."""
    with pytest.raises(UserError, match="at_us is -1"):
        operator_view(some("sleep"), -1)
