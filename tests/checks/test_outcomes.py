"""Outcomes: the same business state, another one, or nothing that can be said; by hand, and in whole runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

import durable_sim as ds
from durable_sim import trace as kinds
from durable_sim.checks.outcomes import Ending, Outcomes, compare_outcomes, fault_free, same_outcome
from durable_sim.errors import UserError
from durable_sim.library.orders import correct_order
from durable_sim.models.executions import Status
from durable_sim.simulation.run import Recording
from durable_sim.trace import Trace
from durable_sim.world.ledger import Entry
from tests.checks.ledgers import CHARGE, MAIL, RESERVE, SHIP, SORRY, did, execution, recording, traced, undid

BOOK = did(RESERVE, subject="book")


def side(*entries: Entry, status: Status = "completed", trace: Trace | None = None, **changes: Any) -> Recording:
    """One execution, how it ended and what it did."""
    return recording(*entries, executions=(execution("o-1", status),), trace=trace or traced(), **changes)


def answers(left: Recording, right: Recording) -> set[str]:
    """The answers in both directions."""
    return {compare_outcomes(left, right).answer, compare_outcomes(right, left).answer}


# --- endings --------------------------------------------------------------------------------------------------------
def test_the_same_needs_no_excuse() -> None:
    """Only what is inconclusive has a reason."""
    (one,) = compare_outcomes(side(BOOK), side(BOOK)).executions
    assert (one.execution, one.answer, one.why) == ("o-1", "same", "")


def test_time_order_and_ids_do_not_count() -> None:
    """The same effects in another order, at other times, by other steps."""
    left = side(did(CHARGE, 1, step=1), did(RESERVE, 2, step=2, subject="book"))
    right = side(did(RESERVE, 7, step=5, subject="book"), did(CHARGE, 9, step=6)._replace(reference="ch_7", call=4))
    assert answers(left, right) == {"same"}


def test_what_is_undone_does_not_count() -> None:
    """Nor does the undo."""
    assert answers(side(did(CHARGE), undid(0, CHARGE), status="failed"), side(status="failed")) == {"same"}


@pytest.mark.parametrize(
    "other",
    [
        side(BOOK, status="failed"),
        side(BOOK, BOOK),
        side(),
        side(did(RESERVE, subject="lamp")),
        side(did(RESERVE, subject="book", quantity=2)),
        side(BOOK, did(SHIP)),
    ],
    ids=["status", "twice", "nothing", "subject", "quantity", "more"],
)
def test_another_status_or_other_effects_are_different(other: Recording) -> None:
    """One of it is enough."""
    assert answers(side(BOOK), other) == {"different"}


def test_mails_count_once_where_it_completed_and_not_at_all_where_it_failed() -> None:
    """How often a mail was sent says nothing; nobody takes it back after a failure; best effort never counts."""
    assert answers(side(did(MAIL), did(MAIL)), side(did(MAIL))) == {"same"}
    assert answers(side(did(MAIL)), side()) == {"different"}
    assert answers(side(did(MAIL), status="failed"), side(status="failed")) == {"same"}
    assert answers(side(did(SORRY)), side()) == {"same"}


def test_an_ending_as_text_names_what_stands_in_the_order_of_its_names() -> None:
    """With quantities above one, and with counts above one."""
    three = did(RESERVE, subject="book", quantity=2)
    entries = did(SHIP), three, did(MAIL), did(CHARGE, quantity=40), did(CHARGE, quantity=40)
    (one,) = compare_outcomes(side(*entries), side(status="failed")).executions
    assert str(one.left) == (
        "completed, with mail.send, pay.charge (40) x 2, ship.send, stock.reserve book (2) standing"
    )
    assert str(one.right) == "failed, with nothing standing"
    assert one.left.standing == (("mail.send", 0, 1), (CHARGE, 40, 2), (SHIP, 1, 1), ("stock.reserve book", 2, 1))


@pytest.mark.parametrize(
    ("ending", "undone"),
    [
        (Ending("failed", ()), True),
        (Ending("failed", ((CHARGE, 40, 1),)), False),
        (Ending("completed", ()), False),
        (Ending("open", ()), False),
    ],
)
def test_undone_is_what_failed_and_left_nothing(ending: Ending, undone: bool) -> None:
    """Both are needed."""
    assert ending.undone is undone


def test_executions_are_compared_by_name_and_the_worst_answer_is_the_answer() -> None:
    """Different before inconclusive before same; both lists tell which."""
    names = ("same", "undecided", "other")
    executions = tuple(execution(name, "completed" if name == "same" else "open") for name in names)
    left = recording(executions=executions, pending={"undecided": "a timer"})
    right = recording(BOOK._replace(execution="other"), executions=executions)
    outcomes = compare_outcomes(left, right)
    assert [(one.execution, one.answer) for one in outcomes.executions] == [
        ("same", "same"),
        ("undecided", "inconclusive"),
        ("other", "different"),
    ]
    assert outcomes.answer == "different"
    assert [one.execution for one in outcomes.different] == ["other"]
    assert [one.execution for one in outcomes.inconclusive] == ["undecided"]
    assert Outcomes(outcomes.executions[:2]).answer == "inconclusive"
    assert Outcomes(outcomes.executions[:1]).answer == "same"


def test_runs_of_other_executions_cannot_be_compared() -> None:
    """That is the user's mistake, and names them."""
    with pytest.raises(UserError, match=r"^outcomes of o-1, o-2 can be compared only to another run of the same"):
        compare_outcomes(recording(executions=(execution("o-1"), execution("o-2"))), recording())


# --- nothing that can be said ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"status": "open", "pending": {"o-1": "a timer"}}, "still open at the horizon (a timer)"),
        ({"requests_under_way": {"o-1": 2}}, "2 request(s) still under way at the horizon"),
    ],
    ids=["open", "under way"],
)
def test_what_is_still_going_on_is_inconclusive(changes: dict[str, Any], why: str) -> None:
    """Even if both sides are the same by now; the reason is that of the side that goes on."""
    one = side(**changes)
    for pair in ((one, side()), (side(BOOK), one), (one, one)):
        outcomes = compare_outcomes(*pair)
        assert outcomes.answer == "inconclusive"
        assert outcomes.executions[0].why == why


def test_what_goes_on_elsewhere_does_not_matter() -> None:
    """Requests of others, and executions that are stuck for good, leave nothing open."""
    assert answers(side(requests_under_way={"o-2": 1}), side(requests_under_way={"o-1": 0})) == {"same"}
    stuck = side(status="open", pending={"o-1": None})
    assert answers(stuck, side()) == {"different"}
    assert answers(stuck, stuck) == {"same"}


def record(kind: str, data: Mapping[str, Any] | None = None, **fields: Any) -> tuple[int, str, dict[str, Any]]:
    """A record of the execution."""
    return 1, kind, {"execution": "o-1", "data": data, **fields}


SIGNAL, TIMER = record(kinds.SIGNAL_RECEIVED, {"name": "paid"}), record(kinds.TIMER_FIRED)


@pytest.mark.parametrize(
    ("left", "right", "answer"),
    [
        ([SIGNAL, TIMER], [TIMER, SIGNAL], "inconclusive"),
        ([SIGNAL, TIMER], [SIGNAL, TIMER], "different"),
        ([SIGNAL], [], "inconclusive"),
        ([SIGNAL], [record(kinds.SIGNAL_RECEIVED, {"name": "late"})], "inconclusive"),
        ([record(kinds.UPDATE_ACCEPTED, {"name": "paid", "id": "1"})], [], "inconclusive"),
        (
            [record(kinds.UPDATE_ACCEPTED, {"name": "paid", "id": "1"})],
            [record(kinds.UPDATE_ACCEPTED, {"name": "paid", "id": "2"})],
            "different",
        ),
        ([record(kinds.CANCEL_REQUESTED)], [], "inconclusive"),
        ([record(kinds.CANCEL_REQUESTED)], [record(kinds.CANCEL_REQUESTED)], "different"),
        ([TIMER], [], "different"),
        ([TIMER, TIMER], [TIMER], "different"),
        ([(1, kinds.SIGNAL_RECEIVED, {"execution": "o-2", "data": {"name": "paid"}})], [], "different"),
        ([SIGNAL, record(kinds.REPLAYED)], [SIGNAL], "different"),
    ],
)
def test_being_told_other_things_excuses_another_ending(left: list[Any], right: list[Any], answer: str) -> None:
    """Signals, updates and cancellations, by name, and their order among timers; timers alone excuse nothing."""
    outcomes = compare_outcomes(side(BOOK, trace=traced(*left)), side(trace=traced(*right)))
    assert outcomes.answer == answer
    told = "the two were told different things from outside, or in another order"
    assert outcomes.executions[0].why == (told if answer == "inconclusive" else "")


def reply(error: str | None, kind: str = kinds.REPLY_RECEIVED) -> tuple[int, str, dict[str, Any]]:
    """The end of a call."""
    return record(kind, None if error is None else {"error": error}, subject="ship.send")


TIMEOUT = record(kinds.ATTEMPT_TIMED_OUT, {"timeout": "START_TO_CLOSE"}, subject="ship_it")
UNDONE_AFTER = "one was undone, after {}; the other completed"


@pytest.mark.parametrize(
    ("undone", "completed", "reasons"),
    [
        ([TIMEOUT], [], "attempt timed out of ship_it"),
        ([reply("ServerError")], [], "ServerError of ship.send"),
        ([reply("ServiceUnavailable")], [reply("ServiceUnavailable")], "ServiceUnavailable of ship.send"),
        ([reply("CallTimeout", kinds.CALL_GIVEN_UP)], [], "CallTimeout of ship.send"),
        ([reply("OutOfStock")], [], "OutOfStock of ship.send"),
        ([reply("OutOfStock")] * 2, [reply("OutOfStock")], "OutOfStock of ship.send"),
        (
            [reply("ServerError"), TIMEOUT, reply("ServerError"), reply("OutOfStock")],
            [],
            "ServerError of ship.send, attempt timed out of ship_it, OutOfStock of ship.send",
        ),
        ([], [], None),
        ([reply(None)], [], None),
        ([reply("OutOfStock")], [reply("OutOfStock")], None),
        ([reply("OutOfStock", kinds.CALL_GIVEN_UP)], [], None),
        ([], [TIMEOUT], None),
    ],
)
def test_trouble_excuses_one_that_undid_everything(
    undone: list[Any], completed: list[Any], reasons: str | None
) -> None:
    """Time-outs and broken calls do, and refusals that the other did not get; in either direction, with the words."""
    one, other = side(status="failed", trace=traced(*undone)), side(BOOK, trace=traced(*completed))
    expected = ("different", "") if reasons is None else ("inconclusive", UNDONE_AFTER.format(reasons))
    for pair in ((one, other), (other, one)):
        outcomes = compare_outcomes(*pair)
        assert (outcomes.answer, outcomes.executions[0].why) == expected


def test_trouble_excuses_nothing_that_is_half_done() -> None:
    """Neither a failure that leaves something behind, nor two that completed otherwise, nor a failure against one that
    is stuck or has failed otherwise."""
    trouble = traced(reply("ServerError"))
    assert answers(side(BOOK, status="failed", trace=trouble), side(BOOK)) == {"different"}
    assert answers(side(BOOK, BOOK, trace=trouble), side(BOOK)) == {"different"}
    assert answers(side(status="failed", trace=trouble), side(BOOK, status="failed")) == {"different"}
    assert answers(side(status="failed", trace=trouble), side(status="open", pending={"o-1": None})) == {"different"}


# --- whole runs -----------------------------------------------------------------------------------------------------
ID = {"order_id": "o-1"}


@pytest.mark.parametrize("keys", [True, False])
def test_a_double_charge_after_a_crash_is_another_outcome(keys: bool) -> None:
    """Without idempotency keys a crash leaves two charges (planted bug); with them it is as if it had not been."""
    crash = ds.Crash(after="effect_applied", of="payments.charge")
    run = ds.run(correct_order(keys=keys), ID, faults=[crash])
    found = list(same_outcome(run.recording))
    if keys:
        assert found == [] and compare_outcomes(run.recording, fault_free(run.recording)).answer == "same"
    else:
        (violation,) = found
        assert (violation.kind, violation.execution, violation.subject) == ("same_outcome", "o-1", "outcome")
        assert "payments.charge for customer of o-1 (4000) x 2, shipping.schedule for o-1 standing" in violation.found
        assert "payments.charge for customer of o-1 (4000), shipping" in violation.expected
        assert violation.time_us is None


def test_the_fault_free_run_keeps_the_fates_of_calls_and_has_no_faults_of_processes() -> None:
    """Scripts stay; crashes, deploys and cancellations are left out; it is the replay model, with the same seed."""
    script = ds.Script("shipping", "schedule", 1, "error")
    run = ds.run(
        correct_order(),
        ID,
        model="steps",
        seed=7,
        faults=[script, ds.Crash(at="1s"), ds.Deploys(every="1m", until="2m")],
    )
    free = fault_free(run.recording)
    assert (free.model, free.seed, free.scenario.faults) == ("replay", 7, (script,))
    assert free.scripts_fired == 1 and free.strikes == ()
    calm = ds.run(correct_order(), ID, seed=7, faults=[script])
    assert free.trace.digest() == calm.trace.digest()


def test_two_models_come_to_the_same_outcome() -> None:
    """Every engine, in the same flaky world, with crashes: the same effects stand, or it cannot be said."""
    flaky = ds.library.shop(payments={"faults": ds.Mixture(lose_reply=0.3, error=0.2)})
    runs = [
        ds.run(correct_order(), ID, model=model, services=flaky, faults=[ds.Crash(after="result_recorded")], seed=3)
        for model in ("replay", "steps", "state_machine")
    ]
    assert {compare_outcomes(runs[0].recording, run.recording).answer for run in runs} == {"same"}


def test_code_that_gives_up_and_undoes_everything_where_the_engine_goes_on_is_inconclusive() -> None:
    """Regular code does not try again: it was right to undo, after a time-out."""
    lost = ds.Script("payments", "charge", 1, "lose_reply")
    run = ds.run(correct_order(), ID, model="regular", faults=[lost])
    assert run.verdicts == {"compensated": 1}
    assert compare_outcomes(run.recording, fault_free(run.recording)).answer == "inconclusive"
    assert list(same_outcome(run.recording)) == []
