"""What can be explored: scenarios, files, workloads, workflows, and functions that make one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.errors import UnknownNameError, UserError
from durable_sim.library.orders import article_order, correct_order
from durable_sim.widgets.subject import first_execution, subject_of

SCENARIOS = Path(__file__).parents[2] / "scenarios"


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_scenario_file_can_be_explored(path: Path) -> None:
    """Its first execution runs under the models that take what the scenario does."""
    subject = subject_of(path)
    scenario = subject.scenario(subject.seed)
    assert len(scenario.inputs) == 1
    run = ds.run_scenario(scenario, subject.models()[0], subject.seed)
    assert len(run.executions) == 1


def test_a_file_offers_what_is_true_or_false_of_its_workload() -> None:
    """It starts where the file says."""
    subject = subject_of(SCENARIOS / "order_fulfillment_without_keys.toml")
    assert (dict(subject.choices), dict(subject.chosen)) == ({"keys": (True, False)}, {"keys": False})


def test_a_chosen_parameter_makes_another_workflow() -> None:
    """Without keys, a crash after the charge charges twice."""
    subject = subject_of("orders.correct")
    crash = ds.Crash(after="effect_applied", of="payments.charge")
    found = []
    for keys in (True, False):
        made = subject.scenario(0, {"keys": keys})
        found.append(ds.run(made.workflow, made.inputs[0], faults=[crash]).verdicts)
    assert found == [{"completed": 1}, {"duplicate_effect": 1}]


def test_a_function_is_called_with_what_is_chosen() -> None:
    """Its defaults are where it starts, if they are among the values."""

    def make(items: int = 2, keys: bool = True) -> Any:
        code = correct_order(keys)
        order = {"order_id": "o-1", "items": [{"sku": f"s-{n}", "quantity": 1} for n in range(items)]}
        return ds.Scenario(code, (order,), ds.library.shop())

    subject = subject_of(make, parameters={"items": (1, 2, 5)})
    assert dict(subject.chosen) == {"keys": True, "items": 2}
    assert len(subject.scenario(0, {"items": 5}).inputs[0]["items"]) == 5
    assert subject_of(make, parameters={"items": (7, 8)}).chosen["items"] == 7


def test_a_workflow_is_explored_in_its_own_world() -> None:
    """The settings are those of `run`."""
    subject = subject_of(article_order, {"order_id": "o-7"}, workers=3)
    assert subject.scenario(0).workers == 3
    assert subject.scenario(0).execution_ids() == ["o-7"]


def test_only_what_is_meant_for_the_first_execution_is_kept() -> None:
    """Faults and stimuli for others would have nobody to strike."""
    orders = ({"order_id": "o-1"}, {"order_id": "o-2"})
    faults = (
        ds.Crash(after="request_sent", execution="o-1"),
        ds.Crash(after="request_sent", execution="o-2"),
        ds.Script("payments", "charge", 1, "refuse"),
    )
    stimuli = (ds.Cancel(at="1s", target="o-2"), ds.Cancel(at="2s", target="o-1"))
    kept = first_execution(ds.Scenario(article_order, orders, ds.library.shop(), faults, stimuli))
    assert kept.inputs == orders[:1]
    assert kept.faults == (faults[0], faults[2])
    assert kept.stimuli == (stimuli[1],)


def test_models_that_do_not_take_the_stimuli_are_not_offered() -> None:
    """A signal reaches the two engines that know signals."""
    assert subject_of(SCENARIOS / "approval.toml").models() == ("replay", "steps")


@pytest.mark.parametrize(
    ("what", "parameters", "error", "words"),
    [
        (7, {}, UserError, "found 7, expected a scenario"),
        ("orders.corect", {}, UnknownNameError, "orders.correct"),
        ("orders.correct", {"kays": (True,)}, UnknownNameError, "keys"),
        ("orders.correct", {"keys": ()}, UserError, "no values to choose from"),
        (article_order, {"keys": (True,)}, UserError, "give a function that makes it"),
    ],
)
def test_what_cannot_be_explored_is_refused(what: Any, parameters: Any, error: type[UserError], words: str) -> None:
    """The message says what was found, and what would do."""
    with pytest.raises(error, match=words):
        subject_of(what, parameters=parameters)
