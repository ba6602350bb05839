"""Scenario files: load, dump, load is the identity, for the shipped files and for any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from durable_sim.checks.violations import VERDICTS
from durable_sim.errors import ScenarioError, UserError
from durable_sim.files.scenario_file import LoadedScenario, dump, load, load_text
from durable_sim.library.shop import shop
from durable_sim.models.registry import COMMON_MODELS
from durable_sim.simulation.run import simulate
from durable_sim.world.faults import CALL_FAULTS, Crash

SCENARIOS = sorted((Path(__file__).parents[2] / "scenarios").glob("*.toml"))
SMALLEST = 'question = "?"\nworkload = "orders.article"\n'


# --- any file; shrinks towards one without settings -------------------------------------------------------------------
spans = st.builds("{}{}".format, st.integers(1, 60), st.sampled_from(["s", "ms", "m", " hours"]))
shares = st.floats(0, 0.1, allow_nan=False)
distributions = st.one_of(
    spans.map(lambda value: {"value": value}),
    spans.map(lambda mean: {"mean": mean}),
    st.just({"low": "1ms", "high": "2 hours"}),
    st.just({"p50": "80ms", "p99": "1s"}),
)
mixtures = st.fixed_dictionaries(
    {},
    optional={**dict.fromkeys(CALL_FAULTS, shares), "late_by": distributions, "slow_factor": st.floats(1, 1e6)},
)
outages = st.fixed_dictionaries({"mean_up": spans, "mean_down": spans}, optional={"faults": mixtures})
calls: dict[str, Any] = {"latency": distributions, "client_timeout": spans, "faults": mixtures}
operation_names = {name: sorted(spec.service.operations()) for name, spec in shop().items()}
services = st.fixed_dictionaries(
    {},
    optional={
        name: st.fixed_dictionaries(
            {},
            optional={
                **calls,
                "outage": outages,
                "operations": st.dictionaries(st.sampled_from(operations), st.fixed_dictionaries({}, optional=calls)),
            },
        )
        for name, operations in operation_names.items()
    },
)
when = st.one_of(
    spans.map(lambda at: {"at": at}),
    st.integers(0, 99).map(lambda index: {"after_record": index}),
    st.fixed_dictionaries({"after": st.just("reply_received"), "nth": st.integers(1, 9)}),
    st.just({"after": "effect_applied", "of": "payments.charge"}),
)
strikes = st.one_of(
    st.fixed_dictionaries({"kind": st.just("crash")}, optional={"worker": st.just("w1"), "restart_after": spans}),
    st.fixed_dictionaries({"kind": st.just("pause")}, optional={"lasts": spans}),
    st.fixed_dictionaries({"kind": st.just("deploy")}, optional={"grace": spans, "rolling": st.booleans()}),
    st.fixed_dictionaries({"kind": st.just("restart_server")}, optional={"downtime": spans}),
    st.just({"kind": "cancel"}),
)


def _target(fault: dict[str, Any]) -> Any:
    """What only one fault of a plan may name: the call of a script. Other faults may stand there twice."""
    if fault["kind"] != "script":
        return object()
    return fault["service"], fault["operation"], fault["call"], fault.get("execution")


faults = st.one_of(
    st.builds(lambda fault, moment: {**fault, **moment}, strikes, when),
    st.fixed_dictionaries({"kind": st.just("crashes"), "every": spans, "until": st.just("1m")}),
    st.fixed_dictionaries({"kind": st.just("deploys"), "every": spans, "until": st.just("1m"), "grace": spans}),
    st.fixed_dictionaries(
        {
            "kind": st.just("script"),
            "service": st.just("email"),
            "operation": st.just("send"),
            "call": st.integers(1, 9),
            "fault": st.sampled_from(CALL_FAULTS),
        }
    ),
)
conditions = st.one_of(st.integers(0, 99), st.just("all"), st.integers(0, 99).map(">= {}".format))
expectations = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys([*VERDICTS, "violations", "repeats"], conditions),
        "only": st.lists(st.sampled_from(VERDICTS), min_size=1),
    },
)
json_like: st.SearchStrategy[Any] = st.recursive(
    st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
inputs = st.lists(st.dictionaries(st.text().filter(lambda key: not key.endswith("id")), json_like), max_size=3)
files = st.fixed_dictionaries(
    {"question": st.text(), "workload": st.sampled_from(["orders.correct", "orders.article", "orders.database"])},
    optional={
        "models": st.permutations(list(COMMON_MODELS)),
        "seed": st.integers(-(2**40), 2**40),
        "workers": st.integers(1, 9),
        "horizon": spans,
        "calm_after": spans,
        "arrivals": st.fixed_dictionaries({}, optional={"every": spans, "random": st.booleans()}),
        "inputs": inputs,
        "services": services,
        "faults": st.lists(faults, max_size=4, unique_by=_target),
        "owed": st.just({"email.send": "exactly_once"}),
        "model_options": st.fixed_dictionaries({}, optional={"regular_rerun": st.just({"reruns_max": 2})}),
        "versions": st.just({"v2": "orders.plain"}),
        "expect": st.dictionaries(st.sampled_from(list(COMMON_MODELS)), expectations),
    },
)


stimuli = st.builds(
    lambda stimulus, moment: {**stimulus, **moment},
    st.one_of(
        st.just({"kind": "cancel"}),
        st.fixed_dictionaries(
            {"kind": st.just("signal"), "name": st.text(min_size=1)},
            optional={"arguments": st.lists(json_like, max_size=2), "target": st.just("p-1")},
        ),
    ),
    when,
)


@settings(max_examples=30, deadline=None)
@given(st.lists(stimuli, max_size=3))
def test_stimuli_survive_a_dump(given_stimuli: list[dict[str, Any]]) -> None:
    """With every name, and whatever arguments JSON and TOML have in common."""
    data = {"question": "?", "workload": "approvals", "models": ["replay", "steps"], "stimuli": given_stimuli}
    file = load_text(tomli_w.dumps(data))
    assert load_text(dump(file)) == file
    assert len(file.scenario(0).stimuli) == len(given_stimuli)


@settings(max_examples=60, deadline=None)
@given(files)
def test_load_dump_load_is_the_identity(data: dict[str, Any]) -> None:
    """Whatever can be written in a file survives a dump, and a dump of it reads the same."""
    file = load_text(tomli_w.dumps(data))
    written = dump(file)
    assert load_text(written) == file
    assert dump(load_text(written)) == written


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_shipped_file_survives_a_dump(path: Path) -> None:
    """The files of scenarios/ are equal to what is read back from their dump."""
    file = load(path).file
    assert load_text(dump(file)) == file


def test_what_a_file_says_is_what_is_loaded() -> None:
    """Every section reaches the scenario."""
    text = SMALLEST + (
        'seed = 4\nworkers = 3\nhorizon = "2h"\nmodels = ["replay"]\n'
        'inputs = [{ order_id = "o-7", total = 5 }]\n'
        '[services.email]\nclient_timeout = "20s"\n'
        '[services.email.operations.send]\nlatency = { value = "3s" }\n'
        "[services.inventory]\noptions = { default_stock = 3 }\n"
        '[[faults]]\nkind = "crash"\nat = "700ms"\nworker = "w3"\n'
        '[owed]\n"email.send" = "exactly_once"\n'
        '[versions]\nv2 = "orders.plain"\n'
        "[model_options.regular_rerun]\nreruns_max = 1\n"
    )
    scenario = LoadedScenario(load_text(text), "folder/name.toml").scenario()
    assert scenario.name == "name"
    assert scenario.workers == 3
    assert scenario.horizon == "2h"
    assert scenario.execution_ids() == ["o-7"]
    assert scenario.services["email"].client_timeout == "20s"
    assert scenario.services["email"].operations["send"].latency is not None
    assert scenario.services["inventory"].options == {"default_stock": 3}
    assert scenario.faults == (Crash(at="700ms", worker="w3"),)
    assert scenario.owed == {"email.send": "exactly_once"}
    assert list(scenario.versions) == ["v2"]
    assert scenario.model_options["regular_rerun"] == {"reruns_max": 1}


def test_what_counts_as_something_else_is_loaded_and_dumped() -> None:
    """`instead` reaches the scenario, and its dump reads the same."""
    file = load_text('question = "?"\nworkload = "payments"\n[instead]\n"acquirer.payout" = "acquirer.charge"\n')
    assert file.scenario(0).instead == {"acquirer.payout": "acquirer.charge"}
    assert load_text(dump(file)) == file
    assert load_text(SMALLEST).scenario(0).instead == {}


def test_a_workload_makes_as_many_inputs_as_there_are_arrivals() -> None:
    """The made inputs depend on the seed, and on nothing else."""
    file = load_text(SMALLEST + "[arrivals]\ncount = 5\n")
    assert file.scenario(1).execution_ids() == ["o-1", "o-2", "o-3", "o-4", "o-5"]
    assert file.scenario(1).inputs == file.scenario(1).inputs
    assert file.scenario(1).inputs != file.scenario(2).inputs


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    """Some editors write one at the head of a file."""
    path = tmp_path / "bom.toml"
    path.write_text(SMALLEST, encoding="utf-8-sig")
    assert load(path).file == load_text(SMALLEST)


@pytest.mark.parametrize(
    ("change", "key", "value"),
    [
        ("seed=5", "seed", 5),
        (" seed = 5 ", "seed", 5),
        ("horizon=1d", "horizon", "1d"),
        ('horizon="1d"', "horizon", "1d"),
        ('models=["replay"]', "models", ("replay",)),
        ('owed."email.send"=exactly_once', "owed", {"email.send": "exactly_once"}),
        ("workload=orders.plain", "workload", "orders.plain"),
        ("question=a = b", "question", "a = b"),
    ],
)
def test_a_change_is_put_over_the_file(change: str, key: str, value: Any) -> None:
    """Keys and values are read as TOML, and a value that is none as text."""
    assert getattr(load_text(SMALLEST, changes=[change]), key) == value


@pytest.mark.parametrize("change", ["nonsense", "=3", "seed", "..=3", "a b=3", "question.x=3", "faults.kind=crash"])
def test_a_change_that_makes_no_sense_is_refused(change: str) -> None:
    """The error repeats the change."""
    with pytest.raises(UserError, match="--set") as caught:
        load_text(SMALLEST + '[[faults]]\nkind = "crash"\nat = "1s"\n', changes=[change])
    assert change in str(caught.value)
    assert not isinstance(caught.value, ScenarioError)


def test_an_unknown_key_by_change_is_refused_as_in_a_file() -> None:
    """The nearest key is named."""
    with pytest.raises(ScenarioError, match="seeed: unknown key: did you mean 'seed'"):
        load_text(SMALLEST, changes=["seeed=3"])


@pytest.mark.parametrize("setting", ['cache = "cold"', "cache = 3", 'deadlock_timeout = "5s"', "pinned = true"])
def test_a_file_can_set_how_an_engine_works(setting: str, tmp_path: Path) -> None:
    """What is plain data of a model's options is taken from the file."""
    path = tmp_path / "s.toml"
    path.write_text(f"{SMALLEST}[model_options.replay]\n{setting}\n", encoding="utf-8")
    assert simulate(load(path).scenario(), "replay", 0).executions[0].status == "completed"
