"""Python code of values: what is pasted makes the same value."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.library.orders import correct_order, plain_order
from durable_sim.library.shop import shop
from durable_sim.simulation.scenario import Arrivals, Scenario
from durable_sim.views.code import code_of, pytest_of
from durable_sim.world import faults
from durable_sim.world.faults import Cancel, Crash, Deploy, Mixture, Pause, Script
from durable_sim.world.services.payments import Payments

NAMES = vars(faults) | vars(ds) | {"timedelta": timedelta}


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (1, "1"),
        ("it's", '"it\'s"'),
        (None, "None"),
        ([1, "a"], "[1, 'a']"),
        ((1,), "(1,)"),
        ((), "()"),
        ((1, 2), "(1, 2)"),
        ({"a": (1,), "b": {}}, "{'a': (1,), 'b': {}}"),
        (Crash(at="1s"), "Crash(at='1s')"),
        (
            Crash(after="timer_fired", nth=2, restart_after="3s"),
            "Crash(after='timer_fired', nth=2, restart_after='3s')",
        ),
        (Mixture(slow=0.5), "Mixture(slow=0.5)"),
        (Mixture(), "Mixture()"),
        ([Pause(at="1s"), Cancel(at="2s", target="o-1")], "[Pause(at='1s'), Cancel(at='2s', target='o-1')]"),
        (Script("a", "b", 1, "slow"), "Script(service='a', operation='b', call=1, fault='slow')"),
        ({"x": Deploy(at="1s", rolling=False)}, "{'x': Deploy(at='1s', rolling=False)}"),
    ],
    ids=repr,
)
def test_code_makes_the_value_again(value: Any, code: str) -> None:
    """Settings that are the default are left out."""
    assert code_of(value) == code
    assert eval(code, dict(NAMES)) == value


def test_classes_functions_and_times_are_written_as_what_means_them() -> None:
    """By their names; a timedelta as text."""
    assert code_of(Payments) == "Payments" and code_of(plain_order) == "plain_order"
    assert code_of(correct_order()) == "fulfill_order"
    assert code_of(Crash(at=timedelta(minutes=90))) == "Crash(at='1h30m')"


def test_a_test_gives_only_what_differs_from_the_default() -> None:
    """In the shop neither services nor their classes are named."""
    scenario = Scenario(plain_order, ({"order_id": "o-1"},), shop(), faults=(Crash(at="1s"),), name="not shown")
    assert pytest_of(scenario, "steps", 3) == (
        "from durable_sim.library.orders import plain_order\n"
        "from durable_sim import run\n"
        "from durable_sim.world.faults import Crash\n"
        "\n\n"
        "def test_fulfill_order_plain() -> None:\n"
        "    done = run(\n"
        "        plain_order,\n"
        "        inputs=({'order_id': 'o-1'},),\n"
        "        faults=(Crash(at='1s'),),\n"
        "        model='steps',\n"
        "        seed=3,\n"
        "    )\n"
        "    assert done.ok, done.report()\n"
    )


def test_a_test_of_any_scenario_runs() -> None:
    """With every setting that a scenario has; it makes the very same run."""
    scenario = Scenario(
        plain_order,
        ({"order_id": "o-1"}, {"order_id": "o-2"}),
        shop(email={"faults": Mixture(lose_reply=0.5)}, inventory={"options": {"stock": {"book": 5}}}),
        (Crash(at=timedelta(seconds=1)), Script("payments", "charge", 1, "slow")),
        (Cancel(at="2s", target="o-1"),),
        calm_after="1h",
        arrivals=Arrivals(every="1s"),
        workers=3,
        horizon="1d",
        versions={"next": plain_order},
        owed={"email.send": "best_effort"},
        model_options={"regular_rerun": {"reruns_max": 1}},
    )
    space: dict[str, Any] = {}
    exec(pytest_of(scenario, "replay", 2), space)
    found: list[ds.Run] = []
    true_run = space["run"]
    space["run"] = lambda *given, **settings: found.append(true_run(*given, **settings)) or found[-1]
    try:
        space["test_fulfill_order_plain"]()
    except AssertionError:
        pass
    assert found[0].trace.digest() == ds.run_scenario(scenario, "replay", 2).trace.digest()


def test_a_function_that_was_made_by_another_is_left_to_the_reader() -> None:
    """As the workflow and as a version; the line says how it is made."""
    todo = (
        "# TODO fulfill_order is made by correct_order: from durable_sim.library.orders import correct_order; "
        "fulfill_order = correct_order(...)"
    )
    assert pytest_of(Scenario(correct_order(), ({},), shop()), "replay", 0).startswith(f"{todo}\n")
    other = Scenario(plain_order, ({},), shop(), versions={"next": correct_order()})
    text = pytest_of(other, "replay", 0)
    assert todo in text.splitlines() and "versions={'next': fulfill_order}" in text
