"""The verdict from recordings by hand: which checks are asked of whom, in which words, and what counts most."""

from __future__ import annotations

from typing import Any

import pytest

from durable_sim.checks.ledgers import EffectKey
from durable_sim.checks.owed import Debt
from durable_sim.checks.verdict import Judgement, judge
from durable_sim.checks.violations import BAD, GOOD
from durable_sim.models.executions import Status
from durable_sim.world.ledger import Entry
from tests.checks.ledgers import CHARGE, MAIL, RESERVE, did, execution, recording, undid

ONE_OF_EACH = {EffectKey(CHARGE, ""): 1, EffectKey(MAIL, ""): 1}
OWES = Debt(True, ONE_OF_EACH, ONE_OF_EACH)
OWES_NOTHING = Debt(True, {}, {})
FAILS = Debt(False, {}, {})


def judged(*entries: Entry, status: Status = "completed", owed: Debt = OWES, **changes: Any) -> Judgement:
    """The judgement on one execution."""
    return judge(recording(*entries, executions=(execution("o-1", status),), **changes), (owed,))


def words(judgement: Judgement) -> list[tuple[str, str, str, str]]:
    """The violations of executions, without those of the whole run."""
    return [
        (found.kind, found.subject, found.found, found.expected)
        for one in judgement.executions
        for found in one.violations
    ]


def test_what_was_done_as_owed_is_completed() -> None:
    """No violation of any kind; the engine's status is kept beside the verdict."""
    found = judged(did(CHARGE), did(MAIL))
    assert (found.violations, found.imbalances, found.counts()) == ((), (), {"completed": 1})
    (one,) = found.executions
    assert (one.execution.id, one.execution.status, one.verdict, one.repeats) == ("o-1", "completed", "completed", 0)


def test_what_failed_and_left_nothing_is_compensated() -> None:
    """A failed execution owes nothing of what it would have owed."""
    assert judged(did(CHARGE), undid(0, CHARGE), status="failed").counts() == {"compensated": 1}


def test_completed_executions_are_asked_what_is_lost_and_what_is_left() -> None:
    """Both at once."""
    assert words(judged(did(RESERVE, subject="book"), did(MAIL))) == [
        ("lost_effect", CHARGE, "0", "1, as it says it is completed"),
        ("orphaned_effect", "stock.reserve book", "1 left standing", "0"),
    ]


def test_failed_executions_are_asked_what_is_left_whether_they_would_have_owed_it_or_not() -> None:
    """And not what they have lost."""
    assert words(judged(did(CHARGE), status="failed")) == [("orphaned_effect", CHARGE, "1 left standing", "0")]


def test_stuck_executions_are_asked_what_is_left_and_told_to_be_stuck() -> None:
    """Stuck is what is open without anything pending."""
    assert words(judged(did(CHARGE), status="open", pending={"o-1": None})) == [
        ("orphaned_effect", CHARGE, "1 left standing", "0"),
        ("stuck", "execution", "open, and nothing will ever move it", "an end"),
    ]
    assert words(judged(status="open")) == [("stuck", "execution", "open, and nothing will ever move it", "an end")]


@pytest.mark.parametrize(
    ("status", "changes", "owed", "subject", "found", "expected"),
    [
        ("open", {"pending": {"o-1": "a timer"}}, OWES, "execution", "still open at the horizon (a timer)", "an end"),
        ("failed", {"requests_under_way": {"o-1": 2}}, OWES, "requests", "2 still under way at the horizon", "none"),
        ("open", {"requests_under_way": {"o-1": 1}}, OWES, "requests", "1 still under way at the horizon", "none"),
        ("completed", {}, FAILS, "execution", "completed", "a failure, as without any fault"),
    ],
)
def test_where_the_end_is_not_known_it_is_not_judged(
    status: Status, changes: dict[str, Any], owed: Debt, subject: str, found: str, expected: str
) -> None:
    """What stands is no orphan, what is missing is not lost; the verdict says why."""
    judgement = judged(did(RESERVE, subject="book"), status=status, owed=owed, **changes)
    assert words(judgement) == [("inconclusive", subject, found, expected)]
    assert judgement.counts() == {"inconclusive": 1}


def test_what_goes_on_elsewhere_leaves_the_end_known() -> None:
    """Requests of others, and a reason to go on that an ended execution once had; a failure where one is expected."""
    requests = {"o-2": 1, "o-1": 0}
    assert judged(did(CHARGE), did(MAIL), requests_under_way=requests, pending={"o-1": "a timer"}).counts() == {
        "completed": 1
    }
    assert judged(status="failed", owed=FAILS).counts() == {"compensated": 1}


def test_duplicates_and_the_order_of_compensations_are_looked_at_wherever_it_ends() -> None:
    """Also while it goes on, and before everything else."""
    entries = (
        did(CHARGE, 1, step=1),
        did(CHARGE, 2, step=2),
        did(RESERVE, 3, step=3),
        undid(0, CHARGE, 4),
        undid(2, RESERVE, 5),
    )
    found = judged(*entries, status="open", pending={"o-1": "a timer"})
    assert [one[0] for one in words(found)] == ["duplicate_effect", "compensation_order", "inconclusive"]
    assert found.counts() == {"duplicate_effect": 1}


def test_repeated_mails_are_counted() -> None:
    """Beyond the one that is owed."""
    assert judged(did(CHARGE), did(MAIL), did(MAIL), did(MAIL)).executions[0].repeats == 2


def test_what_another_execution_takes_back_is_no_repeat_of_ones_own() -> None:
    """The recall is the other one's mail; it is counted for whoever sent it."""
    entries = did(CHARGE), did(MAIL), undid(1, MAIL, execution="o-2")
    both = recording(*entries, executions=(execution("o-1"), execution("o-2")))
    assert [one.repeats for one in judge(both, (OWES, OWES_NOTHING)).executions] == [0, 1]


def test_amounts_are_asked_of_completed_executions_and_of_no_others() -> None:
    """A failed one owes no amount; one that completed is told which it has, and which it owes."""
    debt = Debt(True, {EffectKey(CHARGE, ""): 1}, {EffectKey(CHARGE, ""): 40})
    assert words(judged(did(CHARGE, quantity=50), owed=debt)) == [("wrong_amount", CHARGE, "50 cents", "40 cents")]
    assert judged(did(CHARGE, quantity=50), owed=debt).counts() == {"wrong_amount": 1}
    assert judged(did(CHARGE, quantity=40), owed=debt).counts() == {"completed": 1}
    assert words(judged(did(CHARGE, quantity=50), undid(0, CHARGE, quantity=50), owed=debt, status="failed")) == []


def test_the_scenario_may_owe_more_of_a_mail() -> None:
    """Then a repeat is a duplicate."""
    one = recording(did(CHARGE), did(MAIL), did(MAIL))
    object.__setattr__(one.scenario, "owed", {MAIL: "exactly_once"})
    found = judge(one, (OWES,))
    assert found.counts() == {"duplicate_effect": 1} and found.executions[0].repeats == 0


def test_effects_of_executions_that_nobody_knows_are_left_alone() -> None:
    """An event may have started one."""
    assert judged(did(CHARGE, execution="other"), owed=OWES_NOTHING).violations == ()


def test_the_whole_run_is_judged_last() -> None:
    """Books first, then sums; after the violations of the executions."""
    found = judged(did(CHARGE, quantity=40), balances={CHARGE: {"": 1}}, owed=OWES_NOTHING)
    assert [(one.execution, one.kind, one.expected) for one in found.violations] == [
        ("o-1", "orphaned_effect", "0"),
        (None, "imbalance", "40 as in the ledger"),
        (None, "imbalance", "0 cents for what is completed"),
    ]
    assert found.violations[1:] == found.imbalances


def test_counts_are_in_the_order_of_the_verdicts_and_leave_out_what_nobody_got() -> None:
    """The good ones first."""
    names: dict[str, Status] = {"a": "open", "b": "failed", "c": "completed", "d": "completed"}
    executions = tuple(execution(name, status) for name, status in names.items())
    found = judge(recording(executions=executions), (OWES_NOTHING,) * 4)
    assert list(found.counts().items()) == [("completed", 2), ("compensated", 1), ("stuck", 1)]
    assert set(found.counts()) <= {*GOOD, *BAD}
