"""The baseline: calm weather, and in words what was left out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from durable_sim.errors import UnknownNameError, UserError
from durable_sim.library.orders import correct_order
from durable_sim.library.shop import shop
from durable_sim.search.baseline import baseline
from durable_sim.search.trial import trial_of
from durable_sim.simulation.scenario import Scenario
from durable_sim.world.faults import (
    CALM,
    Cancel,
    Crash,
    Crashes,
    Deploy,
    Mixture,
    Outage,
    Pause,
    Script,
    ServerRestart,
    Signal,
)
from durable_sim.world.services.base import OperationSpec
from tests.search.scenes import ORDER, PAY, of_two

DECLINED = Script("payments", "charge", 1, "refuse")
ROUGH = shop(
    payments={"faults": Mixture(refuse=0.5, slow_factor=3.0)},
    email={"outage": Outage("1m", "1s")},
    shipping={"operations": {"schedule": OperationSpec(faults=Mixture(slow=0.1), latency=None)}},
    inventory={"operations": {"reserve": OperationSpec()}},
)


def test_nothing_by_chance_and_nothing_planned_is_left() -> None:
    """Flakiness, outages and faults of processes go; how a scripted fault is (its slow factor) stays."""
    planned = (Crash(at="1s"), Crashes(every="1s", until="9s"), Deploy(at="1s"), Pause(at="1s"), ServerRestart(at="1s"))
    rough = replace(ORDER, services=ROUGH, faults=(DECLINED, *planned, Cancel(at="1s")))
    base = baseline(rough)
    assert base.scenario.faults == (DECLINED,)
    assert all(spec.faults.total == 0 and spec.outage is None for spec in base.scenario.services.values())
    assert base.scenario.services["shipping"].operations["schedule"].faults == CALM
    assert base.scenario.services["inventory"].operations["reserve"].faults is None
    assert base.scenario.services["payments"].faults == Mixture(slow_factor=3.0)
    assert base.left_out == ("the flakiness of payments, email, shipping", "6 fault(s) of the scenario's own plan")


def test_a_calm_scenario_is_its_own_baseline() -> None:
    """Nothing is left out, and no setting changes."""
    base = baseline(ORDER)
    assert base.scenario == ORDER and base.left_out == ()
    own = replace(ORDER, workers=5, horizon="3d", owed={"email.send": "exactly_once"}, name="mine", calm_after="1h")
    assert baseline(own).scenario == own
    stopped = replace(ORDER, stimuli=(Cancel(at="1s"),))
    assert baseline(stopped).scenario == stopped


def test_the_first_executions_are_kept_with_their_ids_scripts_and_stimuli() -> None:
    """What is for an execution that is left out goes with it."""
    scripts = tuple(Script("payments", "charge", n, "slow", execution=f"o-{n}") for n in (1, 2))
    stimuli = (Cancel(at="1s", target="o-1"), Signal(at="1s", target="o-2", name="hello"))
    base = baseline(replace(of_two(PAY), faults=(DECLINED, *scripts), stimuli=stimuli))
    assert base.scenario.execution_ids() == ["o-1"]
    assert base.scenario.faults == (DECLINED, scripts[0]) and base.scenario.stimuli == stimuli[:1]
    assert base.left_out == ("1 of 2 executions",)


def test_a_stimulus_without_a_target_is_for_the_execution_of_its_trigger() -> None:
    """Where that one is left out it goes, too; one that names nobody is for the only execution."""
    triggered = tuple(Cancel(after="effect_applied", execution=f"o-{n}") for n in (1, 2))
    assert baseline(replace(of_two(PAY), stimuli=triggered)).scenario.stimuli == triggered[:1]
    assert baseline(replace(of_two(PAY), stimuli=triggered), "o-2").scenario.stimuli == triggered[1:]
    assert baseline(replace(PAY, stimuli=(Cancel(at="1s"),))).scenario.stimuli == (Cancel(at="1s"),)


@pytest.mark.parametrize(("count", "kept"), [(1, 1), (2, 2), (None, 2)])
def test_as_many_executions_as_asked_for(count: int | None, kept: int) -> None:
    """None means all."""
    base = baseline(of_two(PAY), count)
    assert len(base.scenario.inputs) == kept and bool(base.left_out) == (kept == 1)


def test_an_execution_can_be_asked_for_by_its_id() -> None:
    """It runs alone, with what is for it."""
    scripts = tuple(Script("payments", "charge", n, "slow", execution=f"o-{n}") for n in (1, 2))
    base = baseline(replace(of_two(PAY), faults=scripts), "o-2")
    assert base.scenario.execution_ids() == ["o-2"] and base.scenario.faults == scripts[1:]
    assert base.left_out == ("1 of 2 executions",) and base.executions == "o-2"
    with pytest.raises(UnknownNameError, match="unknown execution 'o-9'"):
        baseline(of_two(PAY), "o-9")


@pytest.mark.parametrize("count", [-1, 0, 3])
def test_a_count_that_there_is_not_is_refused(count: int) -> None:
    """With what was found and what is expected."""
    with pytest.raises(UserError, match=f"executions is {count}, expected 1 to 2, as many as there are inputs"):
        baseline(of_two(PAY), count)


def test_inputs_that_share_an_id_have_no_ids_of_their_own() -> None:
    """The first alone would have another id than among the others: then its scripts would mean nobody."""
    same = Scenario(correct_order(), ({"order_id": "o-1"}, {"order_id": "o-1"}), shop())
    with pytest.raises(UserError, match=r"^the inputs of fulfill_order-1 have no ids of their own; give each an id"):
        baseline(same)
    returns = replace(same, inputs=tuple({"order_id": name} for name in ("o-1", "o-2", "o-1")))
    with pytest.raises(UserError, match=r"^the inputs of fulfill_order-1, fulfill_order-2 have no ids"):
        baseline(returns, 2)
    assert baseline(same, None).scenario.execution_ids() == same.execution_ids()


def test_a_trial_judges_by_what_the_calm_scenario_owes() -> None:
    """Debts are those of the executions that are kept."""
    trial = trial_of(replace(of_two(ORDER), faults=(Crash(at="1s"),)), "replay", 3)
    assert len(trial.owed) == 1 and trial.owed[0].completes
    assert trial.scenario(()) is trial.base.scenario
    assert trial.scenario((Crash(at="2s"),)).faults == (Crash(at="2s"),)
    assert trial.run(()).seed == 3 and trial.run(()).findings == ()
