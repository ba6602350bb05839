"""Stories: what happened to one execution, one line an instant, and nothing that goes without saying."""

from __future__ import annotations

import re
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.library.orders import article_order, correct_order
from durable_sim.views.story import story_lengths
from durable_sim.world.faults import ServerRestart

ORDER = {"order_id": "o-1", "total": 40}
LINE = re.compile(r"  +(\d+\.\d{3})s  (w\d)?  .*")


def test_a_story_begins_with_the_verdict_and_ends_with_the_violations() -> None:
    """Between them stand the instants, in the order of time."""
    run = ds.run(article_order, ORDER, model="regular", faults=[ds.Crash(after="effect_applied", of="payments.charge")])
    first, *middle = run.story().splitlines()
    assert first == "o-1 under regular: orphaned_effect (the engine says: open)"
    told = [line for line in middle if line.startswith("  => ")]
    assert middle[-len(told) :] == told
    assert len(told) == len(run.execution("o-1").violations)
    times = [float(match[1]) for line in middle[: -len(told)] if (match := LINE.fullmatch(line))]
    assert len(times) == len(middle) - len(told)
    assert times == sorted(times)


def test_the_blow_stands_where_it_fell() -> None:
    """After the effect, before the loss, and naming the worker."""
    run = ds.run(article_order, ORDER, model="regular", faults=[ds.Crash(after="effect_applied", of="payments.charge")])
    lines = [line.split("s  ", 1)[1] for line in run.story().splitlines() if LINE.fullmatch(line)]
    assert lines == [
        "w1   the workflow starts",
        "w1   -> payments.charge",
        "w1      ** payments.charge takes effect: 4000 (ledger 0)",
        "w1   !! the worker crashes",
        "w1   the run is lost",
    ]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (ds.Deploy(at="200ms"), "!! a deploy stops the worker"),
        (ds.Pause(at="200ms"), "!! the worker freezes"),
        (ds.Script("payments", "charge", 1, "error"), "<- payments.charge: ServerError"),
        (ds.Script("payments", "charge", 1, "lose_reply"), "<- payments.charge: no answer, given up"),
        (ds.Script("payments", "charge", 1, "error"), "charge_card: tries again in 1s"),
        (ds.Script("payments", "charge", 1, "error"), "-> payments.charge (attempt 2)"),
        (ds.Crash(after="request_sent"), "charge_card: the engine stops waiting for attempt 1 (START_TO_CLOSE)"),
    ],
)
def test_what_goes_wrong_is_told_in_words(fault: ds.Crash, words: str) -> None:
    """Each kind of trouble has its own line, which a calm story lacks."""
    assert words in ds.run(correct_order(), ORDER, faults=[fault]).story()
    assert words not in ds.run(correct_order(), ORDER).story()


def test_an_undo_names_what_it_undoes() -> None:
    """A compensated order shows the compensation and the effects it takes back."""
    refused = [ds.Script("shipping", "schedule", number, "error") for number in (1, 2, 3, 4)]
    run = ds.run(correct_order(), ORDER, faults=refused)
    text = run.story()
    assert run.verdicts == {"compensated": 1}
    assert "compensation refund_charge begins" in text
    assert "payments.refund takes effect: -4000, undoes ledger 0" in text
    assert text.index("compensation void_label begins") < text.index("compensation refund_charge begins")
    assert "the workflow ends: failed (" in text


def test_status_columns_tell_their_updates_and_their_restarts() -> None:
    """And keep quiet about the calls that keep the columns."""
    run = ds.run(article_order, ORDER, model="status_columns", faults=[ds.Crash(after="effect_applied")])
    assert "column charge_card updated" in run.story()
    assert "the workflow starts again from the top (run 2)" in run.story()
    assert "-> status." not in run.story()


def test_a_story_tells_of_one_execution_only() -> None:
    """The other orders of the run, and blows that did not hit it, are left out."""
    inputs = [{"order_id": "o-1", "total": 11}, {"order_id": "o-2", "total": 22}]
    crash = ds.Crash(after="effect_applied", of="payments.charge", nth=2)
    run = ds.run(article_order, inputs=inputs, arrivals=ds.Arrivals("1h"), model="regular", faults=[crash])
    assert "!!" not in run.story("o-1")
    assert "2200" not in run.story("o-1")
    assert "!! the worker crashes" in run.story("o-2")


def test_among_equals_the_shortest_story_is_told() -> None:
    """An order of one item has less to tell than an order of four; both complete."""
    inputs = [{"order_id": "o-1", "items": [{"sku": f"s{n}", "quantity": 1} for n in range(4)]}, {"order_id": "o-2"}]
    run = ds.run(article_order, inputs=inputs, model="replay")
    assert run.verdicts == {"completed": 2}
    lengths = story_lengths(run.recording)
    assert lengths["o-2"] < lengths["o-1"]
    assert run.story("o-2").count("\n") < run.story("o-1").count("\n")
    assert run.worst.execution.id == "o-2"


def test_what_workflows_say_to_each_other_is_told_in_words() -> None:
    """Children, signals, requests to cancel, the next run, a timer that is called off."""

    async def child(ctx: ds.WorkflowContext) -> str:
        words: list[str] = []
        ctx.set_signal_handler("nudge", words.append)
        async with ctx.timeout("1h"):
            await ctx.wait_condition(lambda: bool(words))
        return words[0]

    async def parent(ctx: ds.WorkflowContext, order: Any, again: bool = True) -> None:
        begun = await ctx.start_child_workflow(child, id=f"child-{again}")
        await begun.signal("nudge", "go")
        await begun.result
        if again:
            ctx.continue_as_new(order, False)
        last = await ctx.start_child_workflow(child, id="child-last")
        await last.cancel()

    lines = [line.split("s  ", 1)[1].strip() for line in ds.run(parent, ORDER).story().splitlines() if "s  " in line]
    told = [line for line in lines if line.split()[0] in ("child", "signal", "continues", "somebody", "calls")]
    assert told == [
        "child child-True starts",
        "signal nudge arrives",
        "calls a timer off",
        "child child-True ends: COMPLETED",
        "continues as new (run 2)",
        "child child-False starts",
        "signal nudge arrives",
        "calls a timer off",
        "child child-False ends: COMPLETED",
        "child child-last starts",
        "somebody asks it to stop",
        "calls a timer off",
    ]


@pytest.mark.parametrize("model", ["replay", "steps"])
def test_a_restart_of_the_server_is_told_to_whom_it_concerns(model: str) -> None:
    """An order that is open on the server then has it in its story; one that has ended has not."""
    inputs = [{"order_id": "o-1"}, {"order_id": "o-2"}]
    restart = ServerRestart(after="effect_applied", execution="o-2")
    run = ds.run(correct_order(), inputs=inputs, arrivals=ds.Arrivals("1d"), model=model, faults=[restart])
    told = ["!! the server comes up again, with what was stored" in run.story(name) for name in ("o-1", "o-2")]
    assert told == [False, True]


@ds.activity
async def charge(ctx: ds.ActivityContext, order: Any) -> None:
    await ctx.service("payments").charge("ada", order["total"])


@ds.workflow
async def insist(ctx: ds.WorkflowContext, order: Any) -> None:
    retry = ds.RetryPolicy(initial_interval="1s", backoff_coefficient=2)
    await ctx.execute_activity(charge, order, start_to_close_timeout="30s", retry_policy=retry)


@pytest.mark.parametrize(("calls", "times"), [(4, 0), (5, 4), (60, 59)])
def test_what_goes_on_in_the_same_way_is_told_once(calls: int, times: int) -> None:
    """A call, its refusal and the back-off, however long it is by then; four rounds are told in full."""
    refused = [ds.Script("payments", "charge", call, "refuse") for call in range(1, calls + 1)]
    story = ds.run(insist, ORDER, faults=refused).story()
    assert story.count("payments.charge: ServiceUnavailable") == (1 if times else calls)
    assert (f"the same {times} more times, until " in story) == (times > 0)
    assert "** payments.charge takes effect" in story


def test_effects_are_never_folded() -> None:
    """Each of seven charges stands in the story of an order that is charged with each lost reply."""
    lost = [ds.Script("payments", "charge", call, "lose_reply") for call in range(1, 7)]
    assert ds.run(insist, ORDER, faults=lost).story().count("** payments.charge takes effect") == 7


def test_a_long_story_is_told_by_its_beginning_and_its_end() -> None:
    """And says how much it leaves out; the trace has it all."""

    @ds.workflow
    async def subscribe(ctx: ds.WorkflowContext, order: Any) -> None:
        for _ in range(100):
            await ctx.execute_activity(charge, order, start_to_close_timeout="30s")

    lines = ds.run(subscribe, ORDER).story().splitlines()
    (left_out,) = [line for line in lines if line.endswith("lines are left out here")]
    assert len(lines) < 200 < int(left_out.split()[1].replace(",", "")) + len(lines)
    assert "the workflow starts" in lines[1] and "completed" in lines[0]


async def pay_for_both(ctx: ds.WorkflowContext, order: Any) -> None:
    async def charge(ctx: ds.ActivityContext, customer: str) -> None:
        await ctx.service("payments").charge(customer, order["total"])

    for customer in order["customers"]:
        await ctx.execute_activity(charge, customer, start_to_close_timeout="30s")


def test_for_whom_an_effect_is_is_told_where_there_are_several() -> None:
    """Of two customers each charge says whose it is; of one there is nothing to say."""
    both = ds.run(pay_for_both, {"order_id": "o-1", "customers": ["ada", "bob"], "total": 40}).story()
    assert "** payments.charge for ada takes effect: 4000 (ledger 0)" in both
    assert "** payments.charge for bob takes effect: 4000 (ledger 1)" in both
    one = ds.run(pay_for_both, {"order_id": "o-1", "customers": ["ada", "ada"], "total": 40}).story()
    assert one.count("** payments.charge takes effect: 4000") == 2 and "ada" not in one
