"""What a sweep says of itself: cases in words, and the text in full."""

from __future__ import annotations

from functools import cache

from durable_sim.results.run import Run
from durable_sim.search.result import Sweep
from durable_sim.search.sometimes import sometimes
from durable_sim.search.sweep import crash_sweep, fault_sweep
from tests.search.scenes import PAY, PAY_TWICE, of_two

CRASH_AND_LOSS = ("crash", "restart_server", "very_late_effect")
NEVER = "before the request, request in, reply, given up, record, back-off, waiting, replay, start, between"


@cache
def swept() -> Sweep:
    """Three families at two places of a payment without a key."""
    return fault_sweep(PAY_TWICE, faults=CRASH_AND_LOSS, at=["effect", "request out"])


def test_a_case_is_told_by_its_faults_and_where_they_strike() -> None:
    """Families in words; a fault of processes after a record, one of calls at a call."""
    assert [str(case) for case in swept().cases] == [
        "no fault at all",
        "crash after request sent of payments.charge",
        "restart server after request sent of payments.charge",
        "very late effect at call of payments.charge",
        "crash after effect applied of payments.charge",
        "restart server after effect applied of payments.charge",
    ]


def test_the_faults_of_a_case_are_told_in_the_order_in_which_they_strike() -> None:
    """The second call of an operation is told by its number."""
    sweep = fault_sweep(PAY, faults="refuse", depth=2)
    assert str(sweep.cases[-1]) == "refuse at call of payments.charge, then refuse at call no. 2 of payments.charge"


def test_the_text_of_a_sweep_says_what_was_found_tried_and_covered() -> None:
    """The words, the bounds, the verdicts, the coverage, and the smallest sets with what each of them breaks."""
    doubled = "o-1: duplicate_effect: payments.charge: found 2 at the same time, expected 1"
    assert str(swept()).splitlines() == [
        "replay: 3 of 6 runs go wrong",
        "  faults: crash, restart_server, very_late_effect; executions: o-1; seed 0, 2 worker(s)",
        "  verdicts: 3 completed, 3 duplicate_effect",
        "  hit in phase      request out  effect",
        "  crash                       1       1",
        "  restart_server              1       1",
        "  very_late_effect            1       -",
        f"  never hit: {NEVER}, compensation",
        "",
        "3 smallest set(s) of faults, 3 of them shown:",
        f"  crash after request sent of payments.charge: {doubled} (at 31.080s)",
        f"  very late effect at call of payments.charge: {doubled} (at 3610.060s)",
        f"  crash after effect applied of payments.charge: {doubled} (at 31.080s)",
    ]


def test_a_sweep_in_a_notebook_shows_the_smallest_sets_the_bounds_and_what_was_covered() -> None:
    """Each set with what it breaks."""
    shown = str(swept()._repr_html_())
    parts = (swept().guarantee, swept().bounds, *str(swept().coverage).splitlines())
    assert [part for part in parts if part not in shown] == []
    for case in swept().smallest:
        assert f">{case}</td>" in shown and f">{case.violations[0]}</td>" in shown


def test_every_mark_that_was_never_reached_is_named() -> None:
    """In the order in which they were met."""

    def marks(run: Run) -> None:
        sometimes("a refund", False)
        sometimes("a second charge", len(run.ledger) > 1)

    sweep = crash_sweep(PAY, at="effect", invariants=[marks])
    assert sweep.guarantee == "replay: shows too little: never reached: a refund, a second charge"


def test_both_sweeps_have_the_same_usual_arguments() -> None:
    """Replay, the first seed, one fault at a time, in the first execution alone."""
    one, other = crash_sweep(of_two(PAY)), fault_sweep(of_two(PAY))
    assert str(one) == str(other) and one.cases == other.cases
    assert (one.model, one.seed, one.depth) == ("replay", 0, 1)
    assert one.bounds == "faults: crash; executions: o-1; seed 0, 2 worker(s); left out: 1 of 2 executions"
