"""A violation as text."""

from __future__ import annotations

from durable_sim.checks.violations import BAD, GOOD, VERDICTS, Violation


def test_a_violation_tells_whose_it_is_what_was_found_what_was_expected_and_when() -> None:
    """In one line; without an execution it is the whole run's, without a time it shows at the end."""
    one = Violation("duplicate_effect", "o-1", "pay.charge", "2", "1", 1_500_000)
    assert str(one) == "o-1: duplicate_effect: pay.charge: found 2, expected 1 (at 1.500s)"
    assert str(Violation("imbalance", None, "pay.charge", "2 cents", "1 cents")) == (
        "the whole run: imbalance: pay.charge: found 2 cents, expected 1 cents (at the end)"
    )
    assert str(Violation("stuck", "o-1", "execution", "open", "an end", 0)).endswith("(at 0.000s)")


def test_a_violation_in_a_notebook_has_its_kind_in_bold_before_its_text() -> None:
    """In plain words, and with nothing in it that a browser would take for markup."""
    one = Violation("duplicate_effect", "o-1", "pay.charge", "<2>", "1", 0)
    assert one._repr_html_() == (
        "<div><strong>duplicate effect</strong> "
        "o-1: duplicate_effect: pay.charge: found &lt;2&gt;, expected 1 (at 0.000s)</div>"
    )


def test_verdicts_are_the_good_ones_and_then_the_bad_ones_with_the_worst_first() -> None:
    """Where several apply, the first of the bad ones counts."""
    assert GOOD == ("completed", "compensated")
    assert BAD == (
        "duplicate_effect",
        "compensation_order",
        "lost_effect",
        "orphaned_effect",
        "wrong_amount",
        "stuck",
        "inconclusive",
    )
    assert VERDICTS == GOOD + BAD
