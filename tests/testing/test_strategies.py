"""What the strategies draw: code that can be pasted, calm where it can be, and swarms where it is not."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

import durable_sim as ds
from durable_sim import trace
from durable_sim.errors import UnknownNameError, UserError
from durable_sim.library.orders import correct_order
from durable_sim.testing.scenarios import scenarios
from durable_sim.testing.strategies import (
    arrival_patterns,
    cancel_timings,
    cancels,
    code_versions,
    crashes,
    deploys,
    fault_plans,
    mixtures,
    outages,
    pauses,
    scripts,
    seeds,
    server_restarts,
    service_behaviours,
    signal_timings,
    with_behaviours,
    worker_setups,
)
from durable_sim.world.faults import CALL_FAULTS, Cancel, Fault, ServerRestart, Signal

QUICK = settings(
    max_examples=40,
    phases=[Phase.generate, Phase.shrink],
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
PASTED = {name: getattr(ds, name) for name in ds.__all__} | {
    "Cancel": Cancel,
    "ServerRestart": ServerRestart,
    "Signal": Signal,
}
STRATEGIES: dict[str, st.SearchStrategy[Any]] = {
    "arrival_patterns": arrival_patterns(),
    "cancel_timings": cancel_timings(after=[(trace.REPLY_RECEIVED, "payments.charge")]),
    "cancels": cancels(executions=["o-1", "o-2"]),
    "code_versions": code_versions(["v2", "v3"]),
    "crashes": crashes(),
    "deploys": deploys(versions=["v2"]),
    "fault_plans": fault_plans(kinds="all", executions=["o-1", "o-2"], versions=["v2"]),
    "mixtures": mixtures(),
    "mixtures, swarm": mixtures(0.3, swarm=True),
    "outages": outages(),
    "pauses": pauses(),
    "scripts": scripts(executions=["o-1"]),
    "seeds": seeds(),
    "server_restarts": server_restarts(),
    "service_behaviours": service_behaviours(),
    "signal_timings": signal_timings("approve", st.tuples(st.booleans()), max_size=2),
    "worker_setups": worker_setups(),
    "worker_setups, steps": worker_setups("steps"),
}
each_strategy = pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)


def examples(strategy: st.SearchStrategy[Any], number: int) -> list[Any]:
    """The first examples that Hypothesis makes."""
    seen: list[Any] = []

    @settings(QUICK, max_examples=number, phases=[Phase.generate])
    @given(strategy)
    def look(drawn: Any) -> None:
        seen.append(drawn)

    look()
    return seen


def printed(strategy: st.SearchStrategy[Any]) -> tuple[str, Any]:
    """What Hypothesis prints as the failing argument of a test, and what it was: one of the later examples."""
    seen: list[Any] = []
    chosen: list[Any] = []

    @settings(QUICK, phases=[Phase.generate])
    @given(strategy)
    def failing(drawn: Any) -> None:
        seen.append(drawn)
        if len(seen) > 3 and drawn and not chosen:
            chosen.append(drawn)
        assert not chosen or drawn != chosen[0]

    with pytest.raises(AssertionError) as caught:
        failing()
    (note,) = [note for note in caught.value.__notes__ if "failing(" in note]
    call = ast.parse(note[note.index("failing(") :].strip(), mode="eval").body
    assert isinstance(call, ast.Call)
    return ast.unparse(call.keywords[0].value), chosen[0]


def kind_of(fault: Fault) -> str:
    """The kind of a fault; of a scripted one, what happens to the call."""
    return getattr(fault, "fault", fault.kind)


# --- as code --------------------------------------------------------------------------------------------------------
@each_strategy
def test_what_is_drawn_is_its_own_code(strategy: st.SearchStrategy[Any]) -> None:
    """The repr of everything that is drawn makes an equal thing again."""
    for drawn in examples(strategy, 40):
        assert eval(repr(drawn), dict(PASTED)) == drawn


@each_strategy
def test_what_hypothesis_prints_can_be_pasted(strategy: st.SearchStrategy[Any]) -> None:
    """The failing argument of a test, as printed, makes what the test was given."""
    code, drawn = printed(strategy)
    assert eval(code, dict(PASTED)) == drawn


# --- towards calm ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("strategy", "wanted", "calmest"),
    [
        (fault_plans(), lambda plan: True, ()),
        (fault_plans(), len, (ds.Crash(at="0ms", worker="w1", restart_after="100ms"),)),
        (
            fault_plans(),
            lambda plan: any(one.kind == "script" for one in plan),
            (ds.Script("payments", "charge", 1, "refuse"),),
        ),
        (
            fault_plans(kinds=["crash"]),
            lambda plan: any(one.of == "payments.charge" for one in plan),
            (ds.Crash(after="request_sent", of="payments.charge", worker="w1", restart_after="100ms"),),
        ),
        (mixtures(), lambda mixture: True, ds.Mixture()),
        (mixtures(), lambda mixture: mixture.lose_reply > 0.05, ds.Mixture(lose_reply=0.06)),
        (service_behaviours(), lambda changes: True, {}),
        (
            service_behaviours(),
            lambda changes: "latency" in changes.get("email", {}),
            {"email": {"latency": ds.Constant("1ms")}},
        ),
        (
            worker_setups(),
            lambda setup: "rpc_latency" in setup["model_options"].get("replay", {}),
            {"workers": 1, "model_options": {"replay": {"rpc_latency": "5ms"}}},
        ),
        (arrival_patterns(), lambda arrivals: True, ds.Arrivals()),
        (worker_setups(), lambda setup: True, {"workers": 1, "model_options": {}}),
        (code_versions(["v2"]), lambda plan: True, ()),
        (signal_timings("go"), lambda signals: True, (Signal(name="go", at="0ms"),)),
        (cancel_timings(), lambda cancelled: True, ()),
        (seeds(), lambda seed: True, 0),
    ],
)
def test_shrinking_leads_to_calm(strategy: st.SearchStrategy[Any], wanted: Callable[[Any], Any], calmest: Any) -> None:
    """Among all examples that will do, Hypothesis ends at the one with the least trouble."""
    assert find(strategy, wanted, settings=settings(QUICK, max_examples=1000)) == calmest


# --- plans ----------------------------------------------------------------------------------------------------------
def many_of_one_kind(plans: Sequence[tuple[Fault, ...]]) -> int:
    """How many plans have three faults or more, all of the same kind."""
    return sum(len(plan) >= 3 and len(set(map(kind_of, plan))) == 1 for plan in plans)


def test_a_swarm_has_what_plain_drawing_hardly_has() -> None:
    """Plans of three faults of a single kind are frequent in a swarm, and one in a hundred at most without."""
    swarm, plain = examples(fault_plans(), 300), examples(fault_plans(swarm=False), 300)
    assert many_of_one_kind(swarm) >= 30
    assert many_of_one_kind(plain) <= 3
    assert {kind for plan in swarm for kind in map(kind_of, plan)} >= {"crash", "pause", "deploy", *CALL_FAULTS}


@pytest.mark.parametrize("kinds", [["crash"], ["pause", "lose_reply"], ["cancel", "restart_server"], "process", "call"])
def test_a_plan_has_only_the_kinds_asked_for(kinds: Any) -> None:
    """Each of them occurs, and no other does."""
    groups = {"process": {"crash", "pause", "deploy", "restart_server"}, "call": set(CALL_FAULTS)}
    found = Counter(kind for plan in examples(fault_plans(kinds=kinds), 100) for kind in map(kind_of, plan))
    assert set(found) == (groups[kinds] if isinstance(kinds, str) else set(kinds))


def test_a_plan_without_services_has_no_faults_of_calls() -> None:
    """There is no call to be scripted; asked for nothing else, plans are empty."""
    plans = examples(fault_plans(services={}), 60)
    assert not any(fault.kind == "script" for plan in plans for fault in plan) and any(plans)
    assert not any(examples(fault_plans(services={}, kinds="call"), 5))


def test_faults_are_placed_by_time_by_record_and_by_call() -> None:
    """And at most at what was said: latest time, workers, executions, versions."""
    plans = examples(fault_plans(3, latest_ms=50, executions=["o-1"], versions=["v2"], kinds="process"), 300)
    faults: list[Any] = [fault for plan in plans for fault in plan]
    assert {fault.at for fault in faults} - {None} <= {f"{ms}ms" for ms in range(51)}
    assert {fault.of is None for fault in faults if fault.after is not None} == {True, False}
    assert {fault.execution for fault in faults} == {None, "o-1"}
    assert {getattr(fault, "worker", None) for fault in faults} == {None, "w1", "w2", "w3"}
    assert {fault.version for fault in faults if isinstance(fault, ds.Deploy)} == {None, "v2"}


@settings(QUICK, max_examples=200)
@given(fault_plans(kinds="all"))
def test_every_plan_makes_a_scenario(plan: tuple[Fault, ...]) -> None:
    """No plan scripts a call twice, or names what is not there."""

    async def nothing(ctx: ds.WorkflowContext, input: Any) -> None: ...

    assert ds.Scenario(nothing, (None,), ds.library.shop(), plan).faults == plan


# --- the world ------------------------------------------------------------------------------------------------------
def test_behaviours_change_what_they_name() -> None:
    """Services that are not named stay as they were; an unknown one is refused."""
    services = ds.library.shop()
    changed = with_behaviours(services, {"email": {"client_timeout": "2s"}})
    assert changed["email"].client_timeout == "2s"
    assert changed["payments"] == services["payments"] and list(changed) == list(services)
    with pytest.raises(UnknownNameError, match="emial"):
        with_behaviours(services, {"emial": {}})


def test_every_behaviour_makes_services() -> None:
    """Each setting occurs, and the kinds of fault are those asked for."""
    drawn = examples(service_behaviours(kinds=["refuse", "slow"]), 150)
    assert {setting for changes in drawn for settings in changes.values() for setting in settings} == {
        "faults", "latency", "client_timeout", "outage"
    }  # fmt: skip
    for changes in drawn:
        for spec in with_behaviours(ds.library.shop(), changes).values():
            assert spec.faults.total == spec.faults.refuse + spec.faults.slow


@pytest.mark.parametrize("model", ds.MODELS)
def test_every_setup_makes_a_run(model: str) -> None:
    """The setups of every model are arguments of `run`."""

    async def nothing(ctx: ds.WorkflowContext, input: Any) -> None: ...

    for setup in examples(worker_setups(model), 15):
        if model != "state_machine":
            assert ds.run(nothing, model=model, services={}, **setup).ok
        assert set(setup["model_options"]) <= {model} and 1 <= setup["workers"] <= 3


@pytest.mark.parametrize(
    ("make", "error", "told"),
    [
        (lambda: fault_plans(kinds=["crahs"]), UnknownNameError, "did you mean 'crash'"),
        (lambda: fault_plans(kinds=[]), UserError, "at least one family"),
        (lambda: fault_plans(kinds="signal"), UserError, "moves signals, and there are none"),
        (lambda: scenarios(correct_order(), kinds="signal"), UserError, "draw them, as in stimuli=signal_timings"),
        (lambda: mixtures(0.2), UserError, "more than 1"),
        (lambda: worker_setups("repaly"), UnknownNameError, "did you mean 'replay'"),
        (lambda: worker_setups(options={"chache": [1]}), UnknownNameError, "did you mean 'cache'"),
    ],
)
def test_what_cannot_be_drawn_is_refused_at_once(make: Callable[[], Any], error: type[Exception], told: str) -> None:
    """Not in the middle of a test."""
    with pytest.raises(error, match=told):
        make()


def test_a_plan_moves_each_signal_once_at_most() -> None:
    """To one of the instants that are given; two that say the same are one."""
    earlier, later = (ds.Signal(after="timer_started", nth=nth, name="go") for nth in (1, 2))
    plans = examples(fault_plans(kinds=["signal", "crash"], signals=[earlier, later]), 100)
    moved = [[fault for fault in plan if isinstance(fault, ds.Signal)] for plan in plans]
    assert {len(signals) for signals in moved} == {0, 1}
    assert {signal for signals in moved for signal in signals} == {earlier, later}
