"""Witnesses: a story of at most five lines, a test to paste, a token; and the same run once more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from durable_sim.checks import oracles
from durable_sim.checks.violations import Violation
from durable_sim.errors import UserError
from durable_sim.files.token import Token, read_token
from durable_sim.results.run import Run
from durable_sim.search.again import run_again
from durable_sim.search.families import Settings
from durable_sim.search.sweep import crash_sweep, fault_sweep
from durable_sim.search.trial import trial_of
from durable_sim.search.witness import Witness, witness
from durable_sim.simulation.run import Recording
from durable_sim.workflows.activity_context import ActivityContext
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import workflow
from durable_sim.world.faults import Crash, Crashes, Script
from tests.search.scenes import GIVE_BACK, KEYLESS, PAY, PAY_TWICE, of_two, pay, pay_without_key

AFTER_THE_EFFECT = Crash(after="effect_applied", of="payments.charge", execution="o-1")


def of_pay_twice() -> Witness:
    """A crash right after the charge."""
    return witness(trial_of(PAY_TWICE, "replay", 0), [AFTER_THE_EFFECT])


def test_the_story_tells_faults_effects_and_what_is_wrong() -> None:
    """In the order in which it happened; the last line is the violation."""
    assert of_pay_twice().story().splitlines() == [
        "1. 0.080s: payments.charge takes effect (ledger 0)",
        "2. !! 0.080s: the worker w2 crashes, right after effect applied of payments.charge",
        "3. 31.080s: payments.charge takes effect (ledger 1), attempt 2",
        "4. => duplicate_effect: payments.charge: found 2 at the same time, expected 1",
    ]


def test_a_long_story_keeps_its_faults() -> None:
    """At most five lines: effects are left out first, the early ones before the late ones."""
    faults = [Script("payments", "charge", call, "lose_reply", execution="o-1") for call in (1, 2, 3)]
    told = Witness(trial_of(PAY_TWICE, "replay", 0), tuple(faults), trial_of(PAY_TWICE, "replay", 0).run(faults))
    lines = told.story().splitlines()
    assert len(lines) == 5 and [line[3:5] for line in lines[:3]] == ["!!"] * 3
    assert "takes effect (ledger 3), attempt 4" in lines[3] and lines[4].startswith("5. => duplicate_effect: ")
    many = [Script("payments", "charge", call, "lose_reply", execution="o-1") for call in range(1, 8)]
    told = Witness(told.trial, tuple(many), told.trial.run(many))
    lines = told.story().splitlines()
    assert len(lines) == 5 and "attempt 7 meets lose reply" in lines[3] and "attempt 4 meets" in lines[0]


@pytest.mark.parametrize(
    ("family", "line"),
    [
        ("deploy", "a deploy stops the worker w2, right after request received of payments.charge"),
        ("pause", "the worker w2 freezes, right after request received of payments.charge"),
        ("error_after_effect", "payments.charge meets error after effect"),
    ],
)
def test_each_family_has_its_words(family: str, line: str) -> None:
    """What struck, and right after what."""
    sweep = fault_sweep(PAY_TWICE, faults=family, at="request in" if family in ("deploy", "pause") else None)
    told = witness(sweep.trial, sweep.smallest[0].faults)
    assert any(one.endswith(line) for one in told.story().splitlines()), told.story()


def test_undoing_says_what_is_undone() -> None:
    """Both the effect and its undoing are about the violation; the refund that is missing is not told."""
    sweep = fault_sweep(GIVE_BACK, faults="refuse", depth=2)
    assert witness(sweep.trial, sweep.smallest[0].faults).story().splitlines()[-1] == (
        "4. => orphaned_effect: payments.charge: found 1 left standing, expected 0"
    )


@workflow
async def pay_for_both(ctx: WorkflowContext, order: Any) -> None:
    """Charges two customers, without keys."""

    async def charge_one(ctx: ActivityContext, customer: str) -> None:
        await ctx.service("payments").charge(customer, 40)

    for customer in order["customers"]:
        await ctx.execute_activity(charge_one, customer, start_to_close_timeout="30s")


def test_effects_are_told_with_whose_they_are_where_the_violation_is() -> None:
    """A second charge of bob: the effects of the story say whose they are, too."""
    scenario = replace(PAY_TWICE, workflow=pay_for_both, inputs=({"order_id": "o-1", "customers": ["ada", "bob"]},))
    lost = Script("payments", "charge", 2, "lose_reply", execution="o-1")
    assert witness(trial_of(scenario, "replay", 0), [lost]).story().splitlines() == [
        "1. 0.080s: payments.charge for ada takes effect (ledger 0)",
        "2. !! 0.100s: payments.charge meets lose reply",
        "3. 0.180s: payments.charge for bob takes effect (ledger 1)",
        "4. 11.180s: payments.charge for bob takes effect (ledger 2), attempt 2",
        "5. => duplicate_effect: payments.charge for bob: found 2 at the same time, expected 1",
    ]


@pytest.mark.parametrize("found", ["two\n\nlines\nof text", ""])
def test_a_violation_is_told_in_one_line(found: str) -> None:
    """Whatever a user's own check writes."""

    def wrong(recording: Recording) -> Iterable[Violation]:
        yield Violation("wrong", None, "all", found, "something\nelse")

    story = Witness(trial := trial_of(PAY, "replay", 0, oracles=[wrong]), (), trial.run(())).story()
    assert story == f"1. => wrong: all: found {found[:3]}, expected something"


def test_faults_that_are_not_needed_are_left_out() -> None:
    """Of four faults one is enough for a charge that is made twice."""
    more = [Crash(after="worker_started"), AFTER_THE_EFFECT, Crash(at="1h"), Crash(at="2h")]
    assert witness(trial_of(PAY_TWICE, "replay", 0), more).faults == (AFTER_THE_EFFECT,)


def test_faults_that_break_nothing_have_no_witness() -> None:
    """Where every run is right there is no story to tell."""
    with pytest.raises(UserError, match=r"witness: these 1 fault\(s\) break nothing, expected ones that do"):
        witness(trial_of(PAY, "replay", 0), [AFTER_THE_EFFECT])


def test_the_text_ends_with_the_line_that_repeats_it() -> None:
    """Story, faults as code, and the token."""
    told = of_pay_twice()
    lines = str(told).splitlines()
    assert lines[-2] == ("faults: [Crash(after='effect_applied', of='payments.charge', execution='o-1')]")
    assert lines[-1] == f"repeat: from durable_sim.search.again import run_again; run_again('{told.token}', scenario)"
    assert repr(told) == str(told) and "1. " in told._repr_html_()


def test_the_line_that_repeats_it_works_where_it_was_found() -> None:
    """A command where a scenario file says all; else Python, in which `scenario` and checks are the user's own."""
    told = of_pay_twice()
    space: dict[str, Any] = {"scenario": PAY_TWICE}
    exec(told.repeat.replace("; ", "; again = "), space)
    done, same = space["again"]
    assert same and done.violations == told.run.violations and done.repeat == told.repeat
    from_file = replace(told, source="a.toml")
    assert from_file.repeat == f"durable-sim run --replay {from_file.token}"
    asked = replace(from_file, trial=trial_of(PAY_TWICE, "replay", 0, oracles=["saga_shape"]))
    assert asked.repeat == f"durable-sim run --replay {asked.token}"
    asked = replace(asked, trial=trial_of(PAY_TWICE, "replay", 0, oracles=["saga_shape", late], invariants=[no_charge]))
    assert asked.repeat.endswith(f"run_again('{asked.token}', scenario, oracles=[late], invariants=[no_charge])")
    assert replace(told, repeated_by="somehow").repeat == "somehow"


def late(recording: Recording) -> Iterable[Violation]:
    """An oracle that another file can import."""
    yield Violation("late", None, "all", "late", "soon")


def no_charge(run: Run) -> bool:
    """Nothing is charged."""
    return not run.ledger


# --- a test to paste ------------------------------------------------------------------------------------------------
def pasted(text: str, **names: Any) -> None:
    """Run what was pasted, with other things in place of what it imports."""
    space: dict[str, Any] = {}
    exec(text, space)
    (test,) = [value for name, value in space.items() if name.startswith("test_")]
    space.update(names)
    test()


def test_the_pasted_test_fails_as_long_as_the_workflow_is_wrong() -> None:
    """And passes when it is mended: the very same text, with the right workflow under the same name."""
    text = of_pay_twice().as_test()
    with pytest.raises(AssertionError, match="duplicate_effect"):
        pasted(text)
    pasted(text, pay_without_key=pay)


def test_times_and_other_versions_are_pasted_as_code() -> None:
    """A timedelta as the text that means it, a version as the name of its function."""
    versions = replace(PAY_TWICE, versions={"other": pay_without_key})
    settings = Settings(restart_after=timedelta(seconds=3), downtime=timedelta(seconds=1))
    sweep = fault_sweep(versions, faults=("crash", "deploy"), at="effect", settings=settings)
    for case in sweep.smallest:
        text = witness(sweep.trial, case.faults).as_test()
        assert "versions={'other': pay_without_key}" in text and "<" not in text.replace("->", "")
        with pytest.raises(AssertionError, match="duplicate_effect"):
            pasted(text)
    assert len(sweep.smallest) == 2


def test_a_workflow_that_is_made_by_a_function_is_left_to_the_reader() -> None:
    """It cannot be imported; the test says how it is made."""
    sweep = crash_sweep(KEYLESS, at="effect")
    text = witness(sweep.trial, sweep.smallest[0].faults).as_test()
    assert text.splitlines()[0] == (
        "# TODO fulfill_order is made by correct_order: from durable_sim.library.orders import correct_order; "
        "fulfill_order = correct_order(...)"
    )


@pytest.mark.parametrize("source", ["", "scenarios/order_fulfillment.toml"])
def test_checks_that_can_be_imported_are_pasted(source: str) -> None:
    """Oracles of the package by name, functions by what imports them: without them the test would pass."""
    trial = trial_of(PAY, "replay", 0, oracles=["saga_shape", late], invariants=[no_charge])
    text = Witness(trial, (AFTER_THE_EFFECT,), trial.run([AFTER_THE_EFFECT]), source).as_test()
    assert "oracles=['saga_shape', late], invariants=[no_charge])" in text
    assert "from tests.search.test_witness import late\n" in text
    assert text.endswith("    assert done.ok, done.report()\n")
    with pytest.raises(AssertionError, match=r"(?s)late: all: found late.*no_charge"):
        pasted(text)


def test_a_check_that_cannot_be_imported_is_to_be_added() -> None:
    """A test to paste never passes while the workflow is wrong: it says which check has found this."""
    own: dict[str, Any] = {"never": lambda run: False, "holds": lambda run: True}
    for name, one in own.items():
        one.__qualname__ = f"here.<locals>.{name}"
    trial = trial_of(PAY, "replay", 0, invariants=own.values())
    text = Witness(trial, (AFTER_THE_EFFECT,), trial.run([AFTER_THE_EFFECT])).as_test()
    assert text.endswith('    raise AssertionError("add the check that found this: never")\n')
    with pytest.raises(AssertionError, match="add the check that found this: never"):
        pasted(text)
    trial = trial_of(PAY_TWICE, "replay", 0, invariants=own.values())
    text = witness(trial, [AFTER_THE_EFFECT]).as_test()
    assert text.endswith("    assert done.ok, done.report()\n")  # the verdict alone fails it
    with pytest.raises(AssertionError, match="duplicate_effect"):
        pasted(text)


# --- once more ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", ["replay", "steps"])
def test_the_token_repeats_the_run(model: str) -> None:
    """To the byte, from the scenario with its own weather."""
    rough = replace(of_two(PAY_TWICE), faults=(Crashes(every="1s", until="1h"),))
    sweep = crash_sweep(rough, model, seed=4, at="effect")
    told = witness(sweep.trial, sweep.smallest[0].faults)
    done, same = run_again(told.token, rough)
    assert same and done.trace.digest() == told.run.trace.digest()
    assert done.violations == told.run.violations
    assert done.repeat == told.repeat


def test_a_token_is_for_its_own_scenario() -> None:
    """With another world or input it says nothing."""
    token = read_token(of_pay_twice().token)
    with pytest.raises(UserError, match=r"token: it was made with another scenario \(found [0-9a-f]{12}, expected "):
        run_again(token, replace(PAY_TWICE, workers=3))


def test_a_changed_workflow_runs_and_is_told() -> None:
    """The same scenario with mended code: the run is another."""
    token = read_token(of_pay_twice().token)
    done, same = run_again(token, PAY_TWICE)
    assert same and not done.ok
    mended = token.model_copy(update={"trace": "0" * 12})
    assert run_again(mended, PAY_TWICE)[1] is False


def test_a_token_says_how_many_executions_ran_together() -> None:
    """And which file it came from, and what was set over it."""
    trial = trial_of(of_two(PAY_TWICE), "replay", 0, executions=None)
    token = read_token(witness(trial, [AFTER_THE_EFFECT], "a.toml", ("seed=3",)).token)
    assert (token.executions, token.source, token.changes) == (None, "a.toml", ("seed=3",))
    assert isinstance(token, Token) and len(token.trace) == 12 == len(token.scenario)


def test_invariants_are_asked_once_more() -> None:
    """A run again is judged by them too."""
    token = of_pay_twice().token
    done, _ = run_again(token, PAY_TWICE, invariants=[lambda run: "no"])
    assert done.violations[-1].kind == "invariant"


def test_oracles_are_asked_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the package because the token names them; those of the user if they are given again."""
    trial = trial_of(PAY, "replay", 0, oracles=["saga_shape", late])
    told = Witness(trial, (), trial.run(()))
    assert read_token(told.token).oracles == ("saga_shape",)
    assert run_again(told.token, PAY)[0].ok
    done, same = run_again(told.token, PAY, oracles=["saga_shape", late])
    assert same and [one.kind for one in done.violations] == ["late"]
    monkeypatch.setattr(oracles, "ORACLES", {**oracles.ORACLES, "late": late})
    assert read_token(told.token).oracles == ("saga_shape", "late")
    for given in ((), ("late",), late):
        assert [one.kind for one in run_again(told.token, PAY, oracles=given)[0].violations] == ["late"]
