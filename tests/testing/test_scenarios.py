"""Whole scenarios: inputs and faults are drawn, shrunk and printed together."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

import durable_sim as ds
from durable_sim import trace
from durable_sim.errors import UnknownNameError
from durable_sim.library.orders import correct_order
from durable_sim.testing.strategies import code_versions, scenarios, signal_timings, with_behaviours
from durable_sim.world.faults import Cancel, ServerRestart, Signal

QUICK = settings(
    max_examples=60,
    phases=[Phase.generate, Phase.shrink],
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
ORDERS = st.fixed_dictionaries({"order_id": st.sampled_from(["o-1", "o-2", "o-3"]), "total": st.integers(1, 100)})
SHOP = ds.library.shop()
PASTED = {name: getattr(ds, name) for name in ds.__all__} | {
    "Cancel": Cancel,
    "ServerRestart": ServerRestart,
    "Signal": Signal,
    "replace": replace,
    "with_behaviours": with_behaviours,
}


def shrunk(strategy: st.SearchStrategy[ds.Scenario], seed: int = 0, examples: int = 300) -> ds.Scenario:
    """The calmest scenario that goes wrong."""
    return find(
        strategy,
        lambda scenario: not ds.run_scenario(scenario, seed=seed).ok,
        settings=settings(QUICK, max_examples=examples),
    )


# --- what is wrong is found, and nothing else ----------------------------------------------------------------------
@settings(QUICK, max_examples=80)
@given(scenarios(correct_order(), ORDERS, executions=2, horizon="7d"))
def test_correct_code_survives_what_is_drawn(scenario: ds.Scenario) -> None:
    """With keys, orders are completed or undone, whatever is drawn."""
    run = ds.run_scenario(scenario)
    assert run.ok, run.report()


def test_a_missing_key_is_found_with_one_fault_and_nothing_else() -> None:
    """All else is calm: one order over 1, one worker, the shop as it is, a warm cache."""
    scenario = shrunk(scenarios(correct_order(keys=False), ORDERS, executions=2, horizon="1h", flaky=0))
    assert len(scenario.faults) == 1 and scenario.workers == 1
    assert scenario.inputs[0]["total"] == 1 and len(scenario.inputs) == 1
    assert (scenario.services, scenario.model_options, scenario.arrivals) == (SHOP, {}, ds.Arrivals())


def test_one_thing_is_wrong_be_it_a_fault_or_a_service() -> None:
    """A caller without patience charges twice like a crash does; whichever is found, the other is shrunk away."""
    scenario = shrunk(scenarios(correct_order(keys=False), ORDERS, executions=2, horizon="1h"))
    changed = [name for name, spec in scenario.services.items() if spec != SHOP[name]]
    assert len(scenario.faults) + len(changed) == 1


def paying(careful_above: int) -> Callable[..., Any]:
    """Charges large totals without a key."""

    @ds.activity
    async def charge(ctx: ds.ActivityContext, order: Any) -> None:
        key = None if order["total"] > careful_above else ctx.idempotency_key
        await ctx.service("payments").charge("ada", order["total"], idempotency_key=key, reference=ctx.workflow_id)

    @ds.workflow
    async def pay(ctx: ds.WorkflowContext, order: Any) -> None:
        await ctx.execute_activity(charge, order, start_to_close_timeout="30s")

    return pay


def test_faults_and_inputs_shrink_together() -> None:
    """A bug that needs a certain input and a certain fault is found, with the smallest of both."""
    payments = {"payments": SHOP["payments"]}
    scenario = shrunk(
        scenarios(paying(50), ORDERS, services=payments, kinds=["lose_request", "lose_reply", "duplicate"], flaky=0)
    )
    assert scenario.inputs[0]["total"] == 51
    assert [fault.kind for fault in scenario.faults] == ["script"]


# --- stimuli and versions ---------------------------------------------------------------------------------------------
def approval(keeps: bool) -> Callable[..., Any]:
    """Waits for approval after a charge; without `keeps`, it forgets what came during the charge."""

    @ds.activity
    async def charge(ctx: ds.ActivityContext, order: Any) -> None:
        payments = ctx.service("payments")
        await payments.charge("ada", 40, idempotency_key=ctx.idempotency_key, reference=ctx.workflow_id)

    @ds.workflow
    async def approved(ctx: ds.WorkflowContext, order: Any) -> str:
        said: list[str] = []
        ctx.set_signal_handler("approve", said.append)
        await ctx.execute_activity(charge, order, start_to_close_timeout="30s")
        if not keeps:
            said.clear()
        await ctx.wait_condition(lambda: bool(said))
        return said[0]

    return approved


SAYING = signal_timings("approve", ("yes",), after=[(trace.EFFECT_APPLIED, "payments.charge")], latest_ms=60_000)


@settings(QUICK)
@given(scenarios(approval(keeps=True), st.just({"order_id": "o-1"}), stimuli=SAYING, kinds="process", flaky=0))
def test_a_signal_may_come_whenever_it_likes(scenario: ds.Scenario) -> None:
    """A workflow that keeps its signals ends, whenever they come and whatever strikes."""
    run = ds.run_scenario(scenario)
    assert run.verdicts == {"completed": 1}, run.report()


def test_a_signal_that_comes_too_early_is_found() -> None:
    """And no fault is needed: at 0 ms the code has not yet got to where it waits."""
    strategy = scenarios(approval(keeps=False), st.just({"order_id": "o-1"}), stimuli=SAYING)
    scenario = find(
        strategy,
        lambda one: ds.run_scenario(one).executions[0].execution.status == "open",
        settings=settings(QUICK, max_examples=200),
    )
    assert scenario.faults == () and scenario.stimuli == (Signal(at="0ms", name="approve", arguments=("yes",)),)


def changing(patched: bool) -> ds.Scenario:
    """A workflow whose second version does one thing more, with or without a patch."""

    @ds.activity
    async def mail(ctx: ds.ActivityContext, order: Any) -> None:
        await ctx.service("email").send("ada", "hello", reference=ctx.workflow_id)

    @ds.workflow(name="greet")
    async def old(ctx: ds.WorkflowContext, order: Any) -> None:
        await ctx.sleep("5s")
        await ctx.execute_activity(mail, order, start_to_close_timeout="30s")

    @ds.workflow(name="greet")
    async def new(ctx: ds.WorkflowContext, order: Any) -> None:
        if not patched or ctx.patched("a longer wait"):
            await ctx.execute_activity(mail, order, start_to_close_timeout="30s")
        await ctx.sleep("5s")
        if patched and not ctx.patched("a longer wait"):
            await ctx.execute_activity(mail, order, start_to_close_timeout="30s")

    return ds.Scenario(old, ({"order_id": "o-1"},), SHOP, versions={"v2": new})


FORWARD = code_versions(["v2"], max_size=1, latest_ms=10_000)


def test_a_deploy_in_the_middle_is_found() -> None:
    """Of code that puts its steps in another order: one deploy is enough."""
    scenario = shrunk(scenarios(changing(patched=False), faults=FORWARD, kinds=["crash"], flaky=0, horizon="1d"))
    (deploy,) = scenario.faults
    assert isinstance(deploy, ds.Deploy) and deploy.version == "v2"


@settings(QUICK)
@given(scenarios(changing(patched=True), faults=FORWARD,
                 kinds=["crash"], flaky=0))  # fmt: skip
def test_a_patched_deploy_is_fine(scenario: ds.Scenario) -> None:
    """The same change behind a patch goes through at any time."""
    run = ds.run_scenario(scenario)
    assert run.verdicts == {"completed": 1}, run.report()


# --- what is drawn ----------------------------------------------------------------------------------------------------
def test_an_example_prints_as_a_change_of_the_scenario() -> None:
    """What Hypothesis prints, with the scenario at hand, is the scenario that failed."""
    base = ds.Scenario(correct_order(), ({"order_id": "o-1"},), SHOP)
    chosen: list[ds.Scenario] = []

    @settings(QUICK, phases=[Phase.generate])
    @given(scenarios(base, ORDERS, executions=2))
    def failing(drawn: ds.Scenario) -> None:
        if not chosen and drawn.faults and drawn.services != SHOP:
            chosen.append(drawn)
        assert not chosen or drawn != chosen[0]

    with pytest.raises(AssertionError) as caught:
        failing()
    (note,) = [note for note in caught.value.__notes__ if "failing(" in note]
    assert "replace(\n" in note and "scenario.services" in note
    call = ast.parse(note[note.index("failing(") :].strip(), mode="eval").body
    assert isinstance(call, ast.Call)
    assert eval(ast.unparse(call.keywords[0].value), PASTED | {"scenario": base}) == chosen[0]


def test_a_given_scenario_keeps_its_own() -> None:
    """Faults, options and the workers that its faults name stay; no call is scripted twice."""
    own = (ds.Script("payments", "charge", 1, "error"), ds.Crash(at="1s", worker="w2"))
    options = {"replay": {"rpc_latency": "7ms", "cache": "warm"}, "steps": {"retries": 2}}
    inputs = ({"order_id": "o-1"}, {"order_id": "o-2"})
    base = ds.Scenario(correct_order(), inputs, SHOP, own, model_options=options, name="mine")
    seen: list[ds.Scenario] = []

    @settings(QUICK, max_examples=150)
    @given(scenarios(base, kinds="call"))
    def look(scenario: ds.Scenario) -> None:
        seen.append(scenario)
        assert scenario.faults[:2] == own and scenario.workers >= 2
        assert scenario.inputs == inputs and scenario.name == "mine"
        assert scenario.model_options["steps"] == {"retries": 2}

    look()
    assert {one.model_options["replay"]["cache"] for one in seen} == {"warm", "cold", "evicted", 1}
    assert {one.arrivals.random for one in seen} == {True, False}
    assert {getattr(fault, "execution", None) for one in seen for fault in one.faults} == {None, "o-1", "o-2"}


def test_executions_have_ids_of_their_own() -> None:
    """Two inputs with one id would be one order that is placed twice."""
    seen: list[int] = []

    @settings(QUICK)
    @given(scenarios(correct_order(), ORDERS, executions=3))
    def look(scenario: ds.Scenario) -> None:
        seen.append(len(scenario.inputs))
        assert len({one["order_id"] for one in scenario.inputs}) == len(scenario.inputs)

    look()
    assert set(seen) == {1, 2, 3}


@settings(QUICK)
@given(
    scenarios(correct_order(), st.just({"order_id": "o-1"}), flaky=0, max_faults=0, workers=2, horizon=st.just("3d"))
)
def test_what_is_given_is_not_drawn(scenario: ds.Scenario) -> None:
    """Fields may be fixed, and flakiness and faults switched off."""
    assert (scenario.workers, scenario.horizon, scenario.faults, scenario.services) == (2, "3d", (), SHOP)


def test_an_unknown_field_is_refused() -> None:
    """With the nearest one that there is."""
    with pytest.raises(UnknownNameError, match="did you mean 'horizon'"):
        scenarios(correct_order(), horizn="1d")
