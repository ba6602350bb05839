"""The base for users' own machines: what is wrong is found, told in a few steps, and what is right passes."""

from __future__ import annotations

import sys
import unittest
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

import durable_sim as ds
from durable_sim.errors import UserError
from durable_sim.testing.stateful import DurableMachine
from durable_sim.testing.strategies import fault_plans

PAYMENTS = {"payments": ds.library.shop()["payments"]}
QUICK = settings(
    max_examples=25,
    stateful_step_count=12,
    phases=[Phase.generate, Phase.shrink],
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
RULES = (
    "begin",
    "advance",
    "advance_far",
    "crash",
    "pause",
    "deploy",
    "restart_server",
    "order",
    "approve",
    "teardown",
)


@ds.activity
async def charge(ctx: ds.ActivityContext, key: bool) -> None:
    """Takes money, with a key or without."""
    own = ctx.idempotency_key if key else None
    await ctx.service("payments").charge("ada", 40, reference=ctx.workflow_id, idempotency_key=own)


def paying(key: bool) -> Callable[..., Any]:
    """Charges once."""

    @ds.workflow
    async def pay(ctx: ds.WorkflowContext) -> None:
        await ctx.execute_activity(charge, key, start_to_close_timeout="30s")

    return pay


def remembering() -> Callable[..., Any]:
    """Has a state that no history knows of."""
    seen: list[str] = []

    @ds.workflow
    async def pay(ctx: ds.WorkflowContext) -> None:
        seen.append(ctx.workflow_id)
        if len(seen) % 2:
            await ctx.sleep("1s")
        await ctx.execute_activity(charge, True, start_to_close_timeout="30s")

    return pay


def waiting() -> Callable[..., Any]:
    """Waits for approval before it charges."""

    @ds.workflow
    async def pay(ctx: ds.WorkflowContext) -> None:
        said: list[bool] = []
        ctx.set_signal_handler("approve", lambda: said.append(True))
        await ctx.wait_condition(lambda: bool(said))
        await ctx.execute_activity(charge, True, start_to_close_timeout="30s")

    return pay


def machine(workflow: Callable[..., Any], **attributes: Any) -> type[DurableMachine]:
    """A user's machine: orders are placed, and each is to be charged once."""

    class Orders(DurableMachine):
        workflows = (workflow,)
        services = PAYMENTS
        orders = 0

        @rule()
        def order(self) -> None:
            self.orders += 1
            self.sim.start(workflow, id=f"o-{self.orders}")

        def at_end(self) -> None:
            charges = [entry.execution for entry in self.sim.ledger if entry.kind == "payments.charge"]
            assert sorted(charges) == sorted(f"o-{number + 1}" for number in range(self.orders))

    return type("Orders", (Orders,), attributes)


def found(kind: type[DurableMachine], error: type[Exception] = AssertionError, **changes: Any) -> tuple[str, list[str]]:
    """How a machine fails, and the steps that lead there."""
    with pytest.raises(error) as caught:
        run_state_machine_as_test(kind, settings=settings(QUICK, **changes))
    lines = "\n".join(caught.value.__notes__).splitlines()
    steps = [line.removeprefix("state.") for line in lines if line.startswith("state.")]
    assert steps and all(step.split("(")[0] in RULES for step in steps)
    return str(caught.value), steps


def test_correct_code_passes() -> None:
    """With keys, each order is charged once, whatever is done to workers and server."""
    run_state_machine_as_test(machine(paying(key=True)), settings=QUICK)


def test_a_missing_key_is_found_in_a_few_steps() -> None:
    """An order and what strikes it: begin, order, a fault or two, the end."""
    _, steps = found(machine(paying(key=False)), max_examples=100)
    assert [step.split("(")[0] for step in steps[:2]] == ["begin", "order"]
    assert len(steps) <= 5


def test_hidden_state_is_found() -> None:
    """By the replay of histories, as soon as time has passed or at the end."""
    told, steps = found(machine(remembering()), UserError)
    assert "is not what its code does" in told and "Nondeterminism" in told
    assert len(steps) <= 4


def test_what_never_ends_is_told_with_what_it_waits_for() -> None:
    """A workflow that nobody gives what it waits for fails the machine, and says where it waits."""
    told, steps = found(machine(waiting()))
    assert "faults have stopped, and yet it does not end" in told and "the code waits at pay" in told
    assert [step.split("(")[0] for step in steps] == ["begin", "order", "teardown"]


def test_rules_and_finish_give_workflows_what_they_wait_for() -> None:
    """A machine with rules of its own, and a `finish` that does what is left to do, passes."""

    class Approving(machine(waiting())):  # type: ignore[misc]  # a class that a function makes
        approved = 0

        @precondition(lambda self: self.approved < self.orders)
        @rule()
        def approve(self) -> None:
            self.approved += 1
            self.sim.handle(f"o-{self.approved}").signal("approve")

        def finish(self) -> None:
            while self.approved < self.orders:
                self.approve()

    run_state_machine_as_test(Approving, settings=QUICK)


def test_a_plan_of_faults_comes_along() -> None:
    """Faults of calls are drawn at the beginning, and are found as the steps are."""
    planned = machine(paying(key=False), faults=fault_plans(services=PAYMENTS, kinds=["duplicate"], max_size=2))
    _, steps = found(planned, max_examples=100)
    assert [step.split("(")[0] for step in steps] == ["begin", "order", "teardown"]
    assert "Script(service='payments', operation='charge', call=1, fault='duplicate')" in steps[0]


def test_deploys_go_forward_and_back() -> None:
    """Among the versions and "base"; code that asks for other things is found, in the words of the engine."""

    @ds.workflow(name="pay")
    async def longer(ctx: ds.WorkflowContext) -> None:
        await ctx.sleep("1s")
        await ctx.execute_activity(charge, True, start_to_close_timeout="30s")

    told, steps = found(machine(paying(key=True), versions={"v2": longer}, limit="1h"), Exception, max_examples=60)
    assert any(step.startswith("deploy(") and "v2" in step for step in steps)
    assert "TMPRL1100" in told


def test_each_worker_and_each_version_can_be_struck() -> None:
    """What rules draw from is what the machine says there is."""
    kind = machine(paying(key=True), worker_count=3, versions={"v2": paying(key=True)})()
    assert repr(kind.worker_names()) == "sampled_from(['w1', 'w2', 'w3'])"
    assert repr(kind.version_names()) == "sampled_from([None, 'v2', 'base'])"
    assert repr(machine(paying(key=True))().version_names()) == "none()"


def test_a_machine_that_starts_no_workflow_shows_nothing() -> None:
    """It would pass whatever the workflows did; both as a test of pytest and where it is run by hand."""
    kind = machine(paying(key=False), order=None)
    with pytest.raises(
        AssertionError, match=r"Orders shows nothing: no workflow was started in \d+ examples; add a rule"
    ):
        kind.run_as_test(QUICK)


def test_a_machine_in_which_nothing_is_hit_shows_nothing() -> None:
    """Workflows are started, and no rule strikes them."""
    calm = dict.fromkeys(["crash", "pause", "deploy", "restart_server"])
    kind = machine(paying(key=False), **calm)
    with pytest.raises(
        AssertionError, match=r"shows nothing: nothing that struck hit a workflow in flight in 25 examples"
    ):
        kind.run_as_test(QUICK)
    planned = fault_plans(services=PAYMENTS, kinds=["slow"], max_size=3)
    machine(paying(key=True), faults=planned, **calm).run_as_test(QUICK)


def test_the_test_case_runs_it_as_a_test() -> None:
    """As Hypothesis makes one, once a machine, with its settings; it fails if nothing is shown."""
    kind, idle = machine(paying(key=True)), machine(paying(key=True), order=None)
    assert kind.TestCase is kind.TestCase and kind.TestCase is not idle.TestCase
    assert kind.TestCase.__name__ == "Orders.TestCase" and kind.TestCase.runTest.is_hypothesis_test
    kind.TestCase.settings = QUICK
    idle.TestCase.settings = settings(QUICK, max_examples=3)
    assert unittest.TestResult.wasSuccessful(kind.TestCase().run())
    (_, told) = idle.TestCase().run().failures[0]
    assert "shows nothing: no workflow was started in " in told
    with pytest.raises(AssertionError, match="shows nothing"):
        idle.run_as_test()


def test_examples_are_not_traced() -> None:
    """The phase `explain` would follow every line of the simulator once an example has failed: minutes of silence."""
    traced: list[bool] = []

    class Traced(machine(paying(key=False))):  # type: ignore[misc]  # a class that a function makes
        def at_end(self) -> None:
            traced.append(sys.gettrace() is not mine)
            super().at_end()

    mine = sys.gettrace()
    with pytest.raises(AssertionError):
        Traced.run_as_test(settings(QUICK, max_examples=100, phases=tuple(Phase)))
    assert traced and not any(traced)


def test_a_history_is_replayed_when_it_has_grown(monkeypatch: pytest.MonkeyPatch) -> None:
    """And all of them at the end: dozens of workflows at each of dozens of steps would take minutes to shrink."""
    asked: list[Any] = []
    whole = ds.Simulation.check_replays

    def noted(sim: ds.Simulation, **given: Any) -> None:
        asked.append(given.get("runs"))
        whole(sim, **given)

    monkeypatch.setattr(ds.Simulation, "check_replays", noted)
    own: Any = machine(paying(key=True))()
    own.begin(faults=())
    own.order()
    own.advance(1)
    own.order()
    own.advance(10_000)
    own.advance(1)
    own.teardown()
    first, second = own.sim.histories()
    assert asked == [[first], [first, second], [], None]


def test_workflows_must_be_several() -> None:
    """A bare function would become a method of the machine."""
    with pytest.raises(UserError, match="workflows is a function, expected a tuple"):
        run_state_machine_as_test(machine(paying(True), workflows=paying(True)), settings=QUICK)
