"""Settings as data: what is set is what is run."""

from __future__ import annotations

import pytest

import durable_sim as ds
from durable_sim.widgets.experiment import AS_WRITTEN, NOWHERE, RATES, Experiment, Setting
from durable_sim.widgets.subject import subject_of
from durable_sim.widgets.tuning import Tuning
from durable_sim.world.faults import CALL_FAULTS

ORDER = subject_of("orders.correct")
CHARGED = "after effect applied of payments.charge"
FLAKY = ds.Scenario(
    ORDER.scenario(0).workflow,
    ({"order_id": "o-1"},),
    ds.library.shop(payments={"faults": ds.Mixture(refuse=1.0)}),
    (ds.Crash(after="reply_received", of="payments.charge"),),
)


def test_the_fault_strikes_where_it_is_set() -> None:
    """One crash, which hits the work in flight right after the charge."""
    run = Experiment(ORDER, Setting(where=CHARGED)).run
    (strike,) = run.recording.strikes
    charged = next(one for one in run.trace if one.kind == "effect_applied")
    assert strike.fired_us == charged.time_us
    assert strike.hit


@pytest.mark.parametrize("family", ["crash", "pause", "deploy", "restart_server", "lose_reply", "very_late_effect"])
def test_each_family_strikes_at_its_first_place(family: str) -> None:
    """Processes are struck after any record, calls at a call."""
    first = Experiment(ORDER, Setting(family=family)).wheres[1]
    assert Experiment(ORDER, Setting(family=family, where=first)).run.faults["planned"] == 1


def test_places_are_in_the_order_of_time() -> None:
    """The first is the start of a worker, the last the end of the execution; nowhere stands before them."""
    wheres = Experiment(ORDER, Setting()).wheres
    assert wheres[:2] == [NOWHERE, "after worker started"]
    assert wheres[-1].startswith("after execution ended")
    assert len(set(wheres)) == len(wheres)


def test_a_place_that_a_model_does_not_come_to_is_nowhere() -> None:
    """A setting made for one model holds for the others as far as it can."""
    only_there = Setting(where="after task scheduled of charge_card", model="replay")
    assert Experiment(ORDER, only_there).where == only_there.where
    assert Experiment(ORDER, Setting(where="after the flood")).where == NOWHERE


def test_a_scenario_keeps_its_own_faults_until_another_place_is_set() -> None:
    """As written: its crash and its flakiness. Nowhere: no crash."""
    subject = subject_of(FLAKY)
    assert Experiment(subject, Setting()).run.faults["planned"] == 1
    assert Experiment(subject, Setting(where=NOWHERE)).run.faults["planned"] == 0
    assert Experiment(subject, Setting()).wheres[:2] == [AS_WRITTEN, NOWHERE]


@pytest.mark.parametrize("calls", RATES[1:])
def test_calls_go_wrong_as_set(calls: str) -> None:
    """Instead of as the scenario has it; the shares add up to the rate."""
    mixture = Setting(calls=calls, rate=0.4).mixture
    assert mixture is not None
    assert mixture.total == pytest.approx(0.0 if calls == "none" else 0.4)
    services = Experiment(subject_of(FLAKY), Setting(calls=calls, rate=0.4)).scenario.services
    assert all(spec.faults == mixture for spec in services.values())


def test_as_written_calls_go_wrong_as_the_scenario_has_it() -> None:
    """Nothing about its services is changed."""
    assert Experiment(subject_of(FLAKY), Setting()).scenario.services == FLAKY.services
    assert {kind for kind in RATES if kind in CALL_FAULTS} == set(CALL_FAULTS)


def test_callers_wait_as_long_as_set() -> None:
    """A lost reply is given up after the time set."""
    script = ds.Script("payments", "charge", 1, "lose_reply")
    subject = subject_of(ds.Scenario(FLAKY.workflow, FLAKY.inputs, ds.library.shop(), (script,)))
    run = Experiment(subject, Setting(client_timeout="3s")).run
    assert [one.time_us for one in run.trace if one.kind == "call_given_up"] == [3_000_000]


def test_under_an_engine_with_an_idiom_nothing_is_tuned() -> None:
    """The state machine runs all the same, and nothing is said to be set."""
    experiment = Experiment(ORDER, Setting(model="state_machine", tuning=Tuning(attempts=1, timeout="1s")))
    assert experiment.run.ok
    assert experiment.words == "model=state_machine; seed=0; crash=nowhere; verdict=completed"


def test_the_words_name_what_is_set_otherwise() -> None:
    """Model, seed and fault always; the rest where it is not as written; the verdict last."""
    setting = Setting(
        seed=3, where=CHARGED, calls="refuse", rate=0.25, client_timeout="3s", tuning=Tuning(2, "1s", "30s")
    )
    assert Experiment(ORDER, setting).words == (
        f"model=replay; seed=3; crash={CHARGED}; calls=refuse 25%; attempts=2; first_delay=1s; timeout=30s; "
        f"client_timeout=3s; verdict={Experiment(ORDER, setting).run.executions[0].verdict}"
    )


def test_the_same_setting_gives_the_same_run() -> None:
    """To the byte."""
    setting = Setting(where=CHARGED, calls="all kinds", rate=0.5)
    first, second = (Experiment(ORDER, setting).run.trace.digest() for _ in range(2))
    assert first == second
