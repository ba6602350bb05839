"""What runs can show: nothing where a workflow does nothing, or fails by mistake, or no fault came that was planned."""

from __future__ import annotations

from typing import Any

import pytest

import durable_sim as ds
from durable_sim.checks.owed import Debt
from durable_sim.checks.shown import NEVER_STRUCK, NO_EFFECT, VACUOUS, idle, unharmed
from durable_sim.library.orders import correct_order
from durable_sim.library.shop import shop
from durable_sim.workflows.failures import Failure

OWES = Debt(True, {("payments.charge", ""): 1}, {})
DOES_NOTHING = Debt(True, {}, {}, acts=False)
ORDER = {"order_id": "o-1", "customer": "ada", "total": 40}
TYPO = {"order_id": "o-1", "custommer": "ada", "total": 40}
TYPO_TOLD = "without any fault the workflow fails (KeyError: 'customer')"


def fails(type: str, *, acts: bool) -> Debt:
    """The debt of a workflow whose activity fails, without any fault, with an error of this type."""
    cause = Failure(type, "why")
    return Debt(False, {}, {}, Failure("ActivityError", "Activity task failed", cause=cause, kind="activity"), acts)


@ds.activity
async def charge(ctx: ds.ActivityContext, order: Any) -> None:
    """A classic double charge: there is no key."""
    await ctx.service("payments").charge(order["customer"], order["total"])


@ds.workflow
async def check_out(ctx: ds.WorkflowContext, order: Any) -> None:
    """Charges, in several attempts."""
    retry = ds.RetryPolicy(maximum_attempts=3)
    await ctx.execute_activity(charge, order, start_to_close_timeout="30s", retry_policy=retry)


@ds.workflow
async def waits_for_papers(ctx: ds.WorkflowContext, order: Any) -> str:
    """Charges once the papers have come; gives up without them."""
    papers: list[Any] = []
    ctx.set_signal_handler("papers", papers.append)
    try:
        await ctx.wait_condition(lambda: bool(papers), timeout="3 days")
    except TimeoutError:
        return "abandoned"
    await ctx.execute_activity(charge, order, start_to_close_timeout="30s")
    return "done"


# --- workflows that do nothing --------------------------------------------------------------------------------------
def test_what_owes_something_is_not_idle() -> None:
    """One execution that does something is enough; without any debt nothing is said."""
    assert idle([OWES]) == idle([DOES_NOTHING, OWES]) == idle([]) == ""


def test_what_has_no_effect_is_idle() -> None:
    """Whatever strikes it, nothing can be lost or doubled; an oracle that is asked does not change that."""
    assert idle([DOES_NOTHING]) == idle([DOES_NOTHING], asked=True) == NO_EFFECT


@pytest.mark.parametrize(
    ("debt", "asked", "shows"),
    [
        (fails("OutOfStock", acts=True), False, True),
        (fails("CardDeclined", acts=False), False, False),
        (fails("CardDeclined", acts=False), True, True),
        (fails("KeyError", acts=True), False, False),
        (fails("KeyError", acts=False), True, False),
    ],
)
def test_a_failure_shows_something_if_it_is_meant(debt: Debt, asked: bool, shows: bool) -> None:
    """Sold out and undone: yes. Declined before anything was done: only to an oracle. A typo: never."""
    assert (idle([debt], asked=asked) == "") is shows
    assert (
        shows or idle([debt], asked=asked) == f"without any fault the workflow fails ({debt.failure.cause.type}: why)"
    )  # type: ignore[union-attr]


# --- one run --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", ["replay", "steps", "status_columns"])
def test_a_run_of_a_workflow_that_fails_by_a_typo_warns(model: str) -> None:
    """It is compensated, and owes nothing: that must not look well."""
    run = ds.run(check_out, TYPO, model=model)
    assert run.ok and run.warnings == (TYPO_TOLD,)
    assert f"\nWARNING: {TYPO_TOLD}: this run shows nothing\n" in str(run) and TYPO_TOLD[:40] in run._repr_html_()
    assert ds.run(check_out, ORDER, model=model).warnings == ()


def test_a_comparison_warns_of_the_same() -> None:
    """Once for all models."""
    compared = str(ds.compare(check_out, TYPO, models=["replay", "steps"]))
    assert f"\nWARNING: {TYPO_TOLD} (under replay, steps)\n" in compared
    assert "WARNING" not in str(ds.compare(check_out, ORDER, models=["replay", "steps"]))


UNHEARD = "signal paper reached no handler (handlers: papers)"


@pytest.mark.parametrize(("name", "warnings"), [("paper", (f"{NO_EFFECT}; {UNHEARD}",)), ("papers", ())])
def test_a_run_whose_signal_is_misspelt_warns(name: str, warnings: tuple[str, ...]) -> None:
    """The workflow gives up without an effect, and completes."""
    run = ds.run(waits_for_papers, ORDER, stimuli=[ds.Signal(at="1h", name=name, arguments=("passport",))])
    assert run.verdicts == {"completed": 1} and run.warnings == warnings


@pytest.mark.parametrize("name", ["paper", "papers"])
def test_a_signal_that_reaches_no_handler_is_noted(name: str) -> None:
    """Though the workflow has its effect because of another signal."""
    signals = [ds.Signal(at="1h", name=name), ds.Signal(at="2h", name="papers", arguments=("passport",))]
    run = ds.run(waits_for_papers, ORDER, stimuli=signals if name == "paper" else signals[1:])
    assert run.warnings == () and (f"\nnote: {UNHEARD}\n" in str(run)) is (name == "paper")
    compared = ds.compare(waits_for_papers, ORDER, models=["replay"], stimuli=run.recording.scenario.stimuli)
    assert (f"\nnote: {UNHEARD}\n" in str(compared)) is (name == "paper")
    swept = ds.crash_sweep(run.recording.scenario, at="effect")
    assert swept.bounds.endswith(f"; {UNHEARD}") is (name == "paper")


def test_a_workflow_without_effects_is_no_reason_to_warn_where_nothing_is_to_happen() -> None:
    """Nobody asked for faults, and nobody sent anything."""
    assert ds.run(waits_for_papers, ORDER).warnings == ()


# --- faults that never came -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"faults": [ds.Crashes(every="1h", start="50m", until="50m")]}, NEVER_STRUCK),
        ({"faults": [ds.Crash(at="20d")]}, VACUOUS),
        ({"services": shop(payments={"faults": ds.Mixture(lose_reply=1e-9)})}, NEVER_STRUCK),
        ({"services": shop(payments={"outage": ds.Outage("1000d", "1us")})}, NEVER_STRUCK),
    ],
)
def test_faults_that_were_asked_for_and_never_struck_are_called_out(asked: dict[str, Any], words: str) -> None:
    """Random ones of which none was drawn, a plan, flaky services and outages alike."""
    run = ds.run(correct_order(), ORDER, **asked)
    assert run.vacuous and run.warnings == (words,) and f"WARNING: {words}" in str(run)
    assert words in str(ds.compare(correct_order(), ORDER, models=["replay"], **asked))


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"faults": [ds.Crashes(every="10ms", until="1s")]},
        {"services": shop(payments={"faults": ds.Mixture(error=1.0)}, email={"faults": ds.Mixture(error=1e-9)})},
        {"faults": [ds.Script("payments", "charge", 1, "refuse")]},
    ],
)
def test_a_run_with_a_fault_or_without_any_plan_is_not_vacuous(asked: dict[str, Any]) -> None:
    """A calm run claims nothing about faults, and one fault that struck is enough."""
    run = ds.run(correct_order(), ORDER, **asked)
    assert not run.vacuous and run.warnings == ()


def test_the_order_of_undoing_is_vouched_for_only_where_something_was_undone() -> None:
    """In both cases in one sentence."""
    assert unharmed(undone=True) == "nothing lost, doubled, stranded or undone out of order"
    assert unharmed(undone=False) == "nothing lost, doubled or stranded"
