"""The replay stepper: history beside code."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.errors import UnknownNameError, UserError
from durable_sim.library.orders import article_charge_card, article_order, article_schedule_shipping
from durable_sim.widgets import stepper
from durable_sim.widgets.replay_steps import replay_steps, takeovers

ORDER = {"order_id": "o-1"}


@cache
def crashed() -> ds.Run:
    """A worker dies after the reservation, another takes over."""
    return ds.run(article_order, ORDER, faults=[ds.Crash(after="reply_received", of="inventory.reserve")])


@ds.workflow(name="fulfill_order_article")
async def ships_first(ctx: ds.WorkflowContext, order: Any) -> None:
    """Code that asks for something else at the second step."""
    await ctx.execute_activity(article_charge_card, order, start_to_close_timeout="30s")
    await ctx.execute_activity(article_schedule_shipping, order, start_to_close_timeout="30s")


@ds.workflow
async def sleeper(ctx: ds.WorkflowContext, order: Any) -> None:
    """Code that is still waiting when the simulation is cut off; it must never be closed."""
    try:
        await ctx.sleep("1d")
    finally:
        await ctx.sleep("1s")


def test_every_event_is_a_step() -> None:
    """In the order of the history, the ones that the new worker was given first."""
    ((_, given),) = takeovers(crashed().recording, "o-1")
    steps = replay_steps(crashed().recording, "o-1").steps
    assert [step.event.id for step in steps] == list(range(1, len(steps) + 1))
    assert [step.origin for step in steps] == ["history"] * given + ["new"] * (len(steps) - given)


def test_the_code_stands_at_the_activity_that_it_asked_for_last() -> None:
    """After each request, the line where it waits is the one that makes it."""
    replayed = replay_steps(crashed().recording, "o-1")
    lines = dict(enumerate(replayed.lines, start=replayed.first_line))
    asked = [step for step in replayed.steps if step.event.type == "ActivityTaskScheduled"]
    standing = [lines[replayed.lines_at(step.position)[-1]] for step in asked]
    names = ("article_charge_card", "reserve", "confirm", "ship", "complete")
    assert len(standing) == len(names)
    source = inspect.getsource(article_order).splitlines()
    for line, name in zip(standing, names, strict=True):
        assert line in source
        assert f"execute_activity({name}" in line or "execute_activity(" in line


def test_the_code_moves_only_where_a_task_is_completed() -> None:
    """Between two of them it stands still; before the first it has not begun, after the end it is nowhere."""
    steps = replay_steps(crashed().recording, "o-1").steps
    moves = [one.event.type for one, other in zip(steps[1:], steps, strict=False) if one.position != other.position]
    assert set(moves) == {"WorkflowTaskCompleted"}
    assert steps[0].position is None
    assert steps[-1].position is None


def test_what_is_on_record_is_not_done_again() -> None:
    """The same request is told otherwise when it is new."""
    steps = replay_steps(crashed().recording, "o-1").steps
    told = {step.origin: step.told for step in steps if step.event.type == "ActivityTaskScheduled"}
    assert told == {
        "history": "the code asks for this again; it is on record, so nothing is done",
        "new": "the code asks for this; it is put on record and done",
    }


def test_how_much_is_known_can_be_set() -> None:
    """With no event on record, all are new."""
    steps = replay_steps(crashed().recording, "o-1", known=0).steps
    assert {step.origin for step in steps} == {"new"}


def test_other_code_departs_where_it_asks_for_something_else() -> None:
    """The steps end there, and the last says what is recorded and what was asked for."""
    steps = replay_steps(crashed().recording, "o-1", code=ships_first).steps
    assert [step.problem for step in steps[:-1]] == [None] * (len(steps) - 1)
    assert (steps[-1].event.type, steps[-1].name) == ("ActivityTaskScheduled", "reserve_inventory")
    assert "schedule_shipping" in str(steps[-1].problem)


def test_the_code_of_an_open_run_is_left_alone() -> None:
    """It waits at its sleep, and its finally never runs, not even when the panel is dropped."""
    run = ds.run(sleeper, ORDER, horizon="1h")
    replayed = replay_steps(run.recording, "o-1")
    assert replayed.lines[replayed.lines_at(replayed.steps[-1].position)[-1] - replayed.first_line].strip() == (
        'await ctx.sleep("1d")'
    )


def test_the_panel_goes_event_by_event() -> None:
    """Buttons and slider do the same; the words name event, origin and place; the ends hold."""
    panel = stepper(crashed())
    assert panel.alt.startswith("event=1 WorkflowExecutionStarted")
    panel.back.click()
    assert panel.step.value == 1
    for _ in range(3):
        panel.next.click()
    assert panel.alt.startswith("event=4 WorkflowTaskCompleted ; from=history; code at=article_order (")
    assert panel.alt.split("; from")[0] in panel.picture.value
    panel.step.value = panel.step.max
    panel.next.click()
    assert panel.step.value == panel.step.max


def test_the_panel_shows_both_sides() -> None:
    """The line where the code waits is marked, and each event shown says where it comes from."""
    panel = stepper(crashed())
    panel.step.value = 18
    assert panel.picture.value.count("▶") == 1
    assert ">history</td>" in panel.picture.value
    assert ">new</td>" in panel.picture.value


def test_a_takeover_sets_how_much_is_known() -> None:
    """Nobody took over: all is on record."""
    panel = stepper(crashed())
    panel.takeover.value = len(panel.replayed.steps)
    assert {step.origin for step in panel.replayed.steps} == {"history"}


def test_the_panel_says_where_other_code_departs() -> None:
    """In its words and in the page."""
    panel = stepper(crashed(), code=ships_first)
    panel.step.value = panel.step.max
    assert "problem=[TMPRL1100]" in panel.alt


def test_what_cannot_be_stepped_through_is_refused() -> None:
    """Another model, and nobody of that name."""
    with pytest.raises(UserError, match="found a run under steps"):
        stepper(ds.run(article_order, ORDER, model="steps"))
    with pytest.raises(UnknownNameError, match="o-1"):
        stepper(crashed(), "o-2")
