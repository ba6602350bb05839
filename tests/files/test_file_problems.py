"""Mistakes in scenario files: each gives a line with the user's own key, and all of a file are named at once."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import example, given, settings
from hypothesis import strategies as st

from durable_sim.errors import ScenarioError, UserError
from durable_sim.files.scenario_file import load, load_text

HEAD = 'question = "?"\nworkload = "orders.article"\n'
A_SPAN = "expected a time span such as '30s', '1h30m' or '250 ms'"
MODULES = {
    "raising_module": "raise RuntimeError('boom')\n",
    "broken_module": "def f(:\n",
    "exiting_module": "raise SystemExit(3)\n",
    "flows_module": "async def ship(ctx, order): ...\nasync def no_input(ctx): ...\ndef plain(ctx, order): ...\n",
    "workloads_module": """
from durable_sim import ServiceSpec
from durable_sim.library import Workload
from durable_sim.world.services.email import Email

async def remind(ctx, order): ...

def worlds(number, randomness): return {"id": f"m-{number}", "chance": randomness.uniforms('m', number)[0]}
MAILS = Workload(lambda urgent: remind, worlds, lambda: {"mails": ServiceSpec(Email)}, {"urgent": False})
NO_FLOW = Workload(lambda: 7)
NO_WORLD = Workload(lambda: remind, services=lambda: 1 / 0)
NO_SPECS = Workload(lambda: remind, services=lambda: [Email])
NO_INPUT = Workload(lambda: remind, lambda number: {})
ELSEWHERE = Workload(lambda patience: remind, parameters={"patient": True})
""",
}


def problems(text: str) -> list[str]:
    """What is wrong with a file."""
    with pytest.raises(ScenarioError) as caught:
        load_text(text, "a.toml")
    assert str(caught.value).splitlines() == [f"a.toml: {line}" for line in caught.value.problems]
    return list(caught.value.problems)


# --- keys ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('modles = ["replay"]', "modles: unknown key: did you mean 'models'?"),
        ("[arrivals]\ncuont = 3", "arrivals.cuont: unknown key: did you mean 'count'?"),
        ('[services.email]\nlatancy = "1s"', "services.email.latancy: unknown key: did you mean 'latency'?"),
        ("[services.email.faults]\nrefus = 0.1", "services.email.faults.refus: unknown key: did you mean 'refuse'?"),
        (
            '[services.email]\noutage = { mean_up = "1s", mean_down = "1s", faults = { eror = 1 } }',
            "services.email.outage.faults.eror: unknown key: did you mean 'error'?",
        ),
        (
            '[services.email.operations.send]\nclient_timout = "1s"',
            "services.email.operations.send.client_timout: unknown key: did you mean 'client_timeout'?",
        ),
        (
            "[services.email.operations.send.faults]\nslw = 1",
            "services.email.operations.send.faults.slw: unknown key: did you mean 'slow'?",
        ),
        (
            '[[faults]]\nkind = "crash"\nat = "1s"\nworkr = "w1"',
            "faults[0].workr: unknown key: did you mean 'worker'?",
        ),
        (
            '[[faults]]\nkind = "script"\nservice = "email"\noperation = "send"\ncall = 1\nfault = "slow"\nexec = "o"',
            "faults[0].exec: unknown key: did you mean 'execution'?",
        ),
        ("[expect.replay]\nstuk = 1", "expect.replay.stuk: unknown verdict: did you mean 'stuck'?"),
    ],
)
def test_an_unknown_key_names_the_nearest_at_every_level(text: str, line: str) -> None:
    """One line, with the path as it is written."""
    assert problems(f"{HEAD}{text}\n") == [line]


def test_an_unknown_key_of_a_distribution_names_the_nearest() -> None:
    """What the distribution lacks because of the typo is told too."""
    assert problems(f'{HEAD}[services.email]\nlatency = {{ p50 = "1s", p9 = "3s" }}\n') == [
        "services.email.latency.p99: is missing",
        "services.email.latency.p9: unknown key: did you mean 'p99'?",
    ]


def test_an_empty_file_lacks_what_is_needed() -> None:
    """Only a question and a workload are."""
    assert problems("") == ["question: is missing", "workload: is missing"]


# --- types and ranges ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('seed = "x"', 'seed: found "x", expected a whole number'),
        ("seed = true", "seed: found true, expected a whole number"),
        ("seed = 1.0", "seed: found 1.0, expected a whole number"),
        ("workers = 0", "workers: found 0, expected 1 or more"),
        ("workers = 1000000", "workers: found 1000000, expected 1000 or less"),
        ("models = []", "models: found [], expected at least 1"),
        ('models = "replay"', 'models: found "replay", expected a list'),
        ("horizon = 30", f"horizon: found 30, {A_SPAN}"),
        ('horizon = "30"', f'horizon: found "30": expected a number followed by a unit; {A_SPAN}'),
        ('horizon = "-3s"', f'horizon: found "-3s": expected a number followed by a unit; {A_SPAN}'),
        ('horizon = "0s"', 'horizon: found "0s", expected more than 0s'),
        ("[arrivals]\ncount = 0", "arrivals.count: found 0, expected 1 or more"),
        ("[arrivals]\ncount = -3", "arrivals.count: found -3, expected 1 or more"),
        ('[arrivals]\nrandom = "yes"', 'arrivals.random: found "yes", expected true or false'),
        ('inputs = ["o-1"]', 'inputs[0]: found "o-1", expected a table'),
        ("inputs = [{ day = 2020-01-01 }]", "inputs[0].day: found the date 2020-01-01, expected JSON-like data; "),
        ("services = []", "services: found [], expected a table"),
        ("[services]\nemail = 3", "services.email: found 3, expected a table"),
        ("[services.email]\nclient_timeout = 3", f"services.email.client_timeout: found 3, {A_SPAN}"),
        ('[services.email]\nclient_timeout = "0s"', 'services.email.client_timeout: found "0s", expected more than 0s'),
        ('[services.email]\nlatency = "3s"', 'services.email.latency: found "3s", expected { value }, { low, high }, '),
        ("[services.email]\nlatency = { value = 3 }", f"services.email.latency.value: found 3, {A_SPAN}"),
        ('[services.email]\nlatency = { p50 = "3s" }', "services.email.latency.p99: is missing"),
        ('[services.email]\nlatency = { low = "3s", high = "1s" }', "services.email.latency: uniform: low 3s is above"),
        ("[services.email.faults]\nerror = 1.5", "services.email.faults: error is 1.5, expected a probability from 0"),
        ("[services.email.faults]\nerror = -0.1", "services.email.faults: error is -0.1, expected a probability"),
        ("[services.email.faults]\nerror = true", "services.email.faults.error: found true, expected a number"),
        ('[services.email.faults]\nerror = "a"', 'services.email.faults.error: found "a", expected a number'),
        ("[services.email.faults]\nerror = nan", "services.email.faults: error is nan, expected a probability"),
        ("[services.email.faults]\nerror = 0.6\nslow = 0.6", "services.email.faults: the probabilities add up to 1.2"),
        ('[services.email]\noutage = { mean_up = "0s", mean_down = "1s" }', "services.email.outage: mean_up is 0s, "),
        ("[faults]\nkind = 'crash'", 'faults: found {"kind": "crash"}, expected a list'),
        ('faults = ["crash"]', 'faults[0]: found "crash", expected a table'),
        (
            '[[faults]]\nat = "1s"',
            "faults[0]: has no kind; expected one of crash, pause, deploy, restart_server, cancel, ",
        ),
        ('[[faults]]\nkind = "crush"\nat = "1s"', "faults[0]: unknown kind 'crush': did you mean 'crash'?"),
        ('[[faults]]\nkind = "crash"\nat = 3', f"faults[0].at: found 3, {A_SPAN}"),
        ('[[faults]]\nkind = "crash"', "faults[0]: give exactly one of at, after_record and after"),
        ('[[faults]]\nkind = "crash"\nat = "1s"\nafter = "reply_sent"', "faults[0]: give exactly one of at, after_rec"),
        ('[[faults]]\nkind = "crash"\nat = "1s"\nnth = 2', "faults[0]: nth=2 goes with after="),
        ('[[faults]]\nkind = "crashes"\nevery = "0s"\nuntil = "1s"', "faults[0]: every is 0s, expected more"),
        ('[[faults]]\nkind = "crashes"\nevery = "1us"\nuntil = "9d"', "faults[0]: every '1us' until '9d' makes more "),
        ('[[faults]]\nkind = "deploys"\nevery = "1s"\nuntil = "1s"\nstart = "2s"', "faults[0]: until '1s' is before "),
        ('[owed]\n"email.send" = "twice"', 'owed."email.send": found "twice", expected \'exactly_once\', '),
        ("[expect]\nreplay = 3", "expect.replay: found 3, expected a table"),
        ("[expect.replay]\nstuck = -1", "expect.replay.stuck: found -1, expected a number, a comparison"),
    ],
)
def test_a_wrong_value_tells_key_found_and_expected(text: str, line: str) -> None:
    """One line for one mistake."""
    found = problems(f"{HEAD}{text}\n")
    assert len(found) == 1
    assert found[0].startswith(line)


@pytest.mark.parametrize("key", ["at", "restart_after"])
def test_an_unreadable_time_of_a_fault_is_told_with_its_key(key: str) -> None:
    """A fault is checked as a whole, and the line still names the key."""
    times = {"at": "1s", "restart_after": "1s", key: "soon"}
    text = HEAD + tomli_w.dumps({"faults": [{"kind": "crash", **times}]})
    assert problems(text) == [f'faults[0].{key}: found "soon": expected a number followed by a unit; {A_SPAN}']


# --- names --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('models = ["replay", "replai"]', "models[1]: unknown execution model 'replai': did you mean 'replay'?"),
        ('models = ["replay", "replay"]', 'models[1]: found "replay" a second time; leave one out'),
        ("[services.paymets]", "services.paymets: unknown service 'paymets': did you mean 'payments'?"),
        (
            "[services.payments.operations.chrge]",
            "services.payments.operations.chrge: unknown operation of payments 'chrge': did you mean 'charge'?",
        ),
        (
            "[services.inventory]\noptions = { stok = 3 }",
            "services.inventory.options.stok: unknown option: did you mean 'stock'?",
        ),
        (
            '[services.inventory]\noptions = { stock = "many" }',
            'services.inventory.options.stock: found "many", expected a table of whole numbers, 0 or more',
        ),
        (
            "[services.inventory]\noptions = { stock = { book = -1 } }",
            'services.inventory.options.stock: found {"book": -1}, expected a table of whole numbers, 0 or more',
        ),
        (
            "[services.payments]\noptions = { key_lifetime = 3 }",
            f"services.payments.options.key_lifetime: found 3, {A_SPAN}",
        ),
        (
            '[services.email.downtime]\nstart = "1m"\nlasts = "1m"\nfault = {}',
            "services.email.downtime.fault: unknown key: did you mean 'faults'?",
        ),
        (
            '[services.email.downtime]\nstart = "1m"\nlasts = "0s"',
            "services.email.downtime: lasts is 0s, expected more",
        ),
        (
            '[services.email]\noutage = { mean_up = "1m", mean_down = "1m" }\n'
            'downtime = { start = "1m", lasts = "1m" }',
            "services.email: downtime: there is an outage too, expected one of them",
        ),
        (
            '[[faults]]\nkind = "crash"\nat = "1s"\nworker = "w9"',
            "faults[0].worker: unknown worker 'w9': known: w1, w2",
        ),
        (
            '[[faults]]\nkind = "deploy"\nat = "1s"\nversion = "v2"',
            "faults[0].version: unknown code version 'v2': known: base",
        ),
        (
            '[[faults]]\nkind = "crash"\nafter = "reply_recieved"',
            "faults[0].after: unknown kind of trace record 'reply_recieved': did you mean 'reply_received'?",
        ),
        (
            '[[faults]]\nkind = "crash"\nafter = "reply_sent"\nof = "payments.chrge"',
            "faults[0].of: unknown operation 'payments.chrge': did you mean 'payments.charge'?",
        ),
        (
            '[[faults]]\nkind = "crash"\nafter = "timer_fired"\nexecution = "o-2"',
            "faults[0].execution: unknown execution 'o-2': did you mean 'o-1'?",
        ),
        (
            '[[faults]]\nkind = "cancel"\nat = "1s"\ntarget = "o-2"',
            "faults[0].target: unknown execution 'o-2': did you mean 'o-1'?",
        ),
        (
            '[[faults]]\nkind = "script"\nservice = "emial"\noperation = "send"\ncall = 1\nfault = "slow"',
            "faults[0].service: unknown service 'emial': did you mean 'email'?",
        ),
        (
            '[[faults]]\nkind = "script"\nservice = "email"\noperation = "sned"\ncall = 1\nfault = "slow"',
            "faults[0].operation: unknown operation of email 'sned': did you mean 'send'?",
        ),
        (
            '[[faults]]\nkind = "script"\nservice = "email"\noperation = "send"\n'
            'call = 1\nfault = "slow"\nexecution = "o-9"',
            "faults[0].execution: unknown execution 'o-9': did you mean 'o-1'?",
        ),
        (
            '[owed]\n"email.snd" = "exactly_once"',
            "owed.\"email.snd\": unknown kind of effect 'email.snd': did you mean ",
        ),
        (
            '[instead]\n"email.snd" = "payments.charge"',
            "instead.\"email.snd\": unknown kind of effect that undoes nothing 'email.snd': did you mean ",
        ),
        (
            '[instead]\n"email.send" = "payments.chrge"',
            "instead.\"email.send\": unknown kind of effect that undoes nothing 'payments.chrge': did you mean ",
        ),
        (
            '[instead]\n"email.send" = "payments.charge"',
            'instead."email.send": is counted in mails, and payments.charge in cents: expected the same',
        ),
        (
            '[instead]\nemail.send = "payments.charge"',
            'instead.email: found {"send": "payments.charge"}, expected text in quotes',
        ),
        ("[model_options.replai]", "model_options.replai: unknown execution model 'replai': did you mean 'replay'?"),
        (
            '[model_options.replay]\nrpc_latncy = "1s"',
            "model_options.replay.rpc_latncy: unknown option: did you mean 'rpc_latency'?",
        ),
        ("[model_options.replay]\nrpc_latency = 5", f"model_options.replay.rpc_latency: found 5, {A_SPAN}"),
        (
            '[model_options.replay]\ncache = "hot"',
            'model_options.replay.cache: found "hot", expected a number of instances, 0 or more, or "warm", "cold"',
        ),
        (
            "[model_options.replay]\ntask_queues = {w1 = 3}",
            'model_options.replay.task_queues: found {"w1": 3}, expected a table of texts in quotes',
        ),
        (
            '[model_options.replay]\ndeadlock_timeout = "0s"',
            'model_options.replay.deadlock_timeout: found "0s", expected more than 0s',
        ),
        ('[model_options.replay]\nstore = "runs"', "model_options.replay.store: unknown option: known: rpc_latency"),
        (
            '[model_options.regular_rerun]\nreruns_max = "x"',
            'model_options.regular_rerun.reruns_max: found "x", expected a whole number, 0 or more',
        ),
        (
            '[model_options.status_columns]\nsweep_every = "0s"',
            'model_options.status_columns.sweep_every: found "0s", expected more than 0s',
        ),
        (
            '[model_options.status_columns]\nstable_keys = "no"',
            'model_options.status_columns.stable_keys: found "no", expected true or false',
        ),
        (
            "[model_options.status_columns]\ntransactional = true",
            "model_options.status_columns.transactional: unknown option: known: sweep_every, ",
        ),
        (
            'models = ["regular"]\n[expect.replay]\nstuck = 0',
            "expect.replay: not a model of this file: did you mean 'regular'?",
        ),
        ('inputs = [{ id = "a" }, { id = "a" }]', 'inputs[1]: found the id "a" a second time; '),
        (
            'inputs = [{ id = "a" }]\n[arrivals]\ncount = 5',
            "arrivals.count: found 5, expected 1, as many as there are inputs; leave it out",
        ),
        ('[versions]\nv2 = "orders.plan"', "versions.v2: unknown workload 'orders.plan': did you mean 'orders.plain'?"),
        ("[parameters]\nkeys = true", "parameters.keys: unknown parameter: none is known here"),
    ],
)
def test_a_name_that_does_not_exist_is_told_with_its_key(text: str, line: str) -> None:
    """One line for one mistake, with the nearest name."""
    found = problems(f"{HEAD}{text}\n")
    assert len(found) == 1
    assert found[0].startswith(line)


@pytest.mark.parametrize(
    ("parameters", "line"),
    [
        ("keis = true", "parameters.keis: unknown parameter: did you mean 'keys'?"),
        ('keys = "no"', 'parameters.keys: found "no", expected true or false'),
    ],
)
def test_parameters_are_those_of_the_workload(parameters: str, line: str) -> None:
    """Their names and types are held against the workload's own."""
    assert problems(f'question = "?"\nworkload = "orders.correct"\n[parameters]\n{parameters}\n') == [line]


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Modules of a user, good and bad."""
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield


@pytest.mark.parametrize(
    ("workload", "line"),
    [
        ("orders.corect", "unknown workload 'orders.corect': did you mean 'orders.correct'?"),
        ("", "unknown workload '': known: orders.correct, "),
        ("no_such_module:f", "found 'no_such_module:f': cannot import no_such_module: ModuleNotFoundError: "),
        ("raising_module:f", "found 'raising_module:f': cannot import raising_module: RuntimeError: boom"),
        ("broken_module:f", "found 'broken_module:f': cannot import broken_module: SyntaxError: "),
        ("exiting_module:f", "found 'exiting_module:f': cannot import exiting_module: SystemExit: 3"),
        ("flows_module:shp", "unknown workflow of module flows_module 'shp': did you mean 'ship'?"),
        (
            "flows_module:plain",
            "found 'flows_module:plain': neither an async function nor a Workload; define it as 'async def plain(ctx, ",
        ),
        ("workloads_module:MAIL", "unknown workflow of module workloads_module 'MAIL': did you mean 'MAILS'?"),
        ("workloads_module:NO_FLOW", "workflow 7 is not an async function; "),
        ("workloads_module:NO_WORLD", "found 'workloads_module:NO_WORLD': services fails: ZeroDivisionError: "),
        ("workloads_module:NO_SPECS", "found 'workloads_module:NO_SPECS': services gives [<class "),
        ("workloads_module:NO_INPUT", "found 'workloads_module:NO_INPUT': inputs fails: TypeError: "),
        ("workloads_module:ELSEWHERE", "found 'workloads_module:ELSEWHERE': make fails: TypeError: "),
        ("flows_module:no_input", "workflow no_input takes (ctx), expected (ctx, input)"),
        (":f", "found ':f': expected a workload of the library or 'module:name' of your own"),
        ("flows_module:", "found 'flows_module:': expected a workload of the library or 'module:name' of your own"),
        (
            ".flows_module:ship",
            "found '.flows_module:ship': expected a workload of the library or 'module:name' of your own",
        ),
        ("a:b:c", "found 'a:b:c': expected a workload of the library or 'module:name' of your own"),
    ],
)
@pytest.mark.usefixtures("modules")
def test_a_workload_that_cannot_be_had_is_told(workload: str, line: str) -> None:
    """Whatever a user's module raises on import becomes a line of the report."""
    [found] = problems(f'question = "?"\nworkload = "{workload}"\n')
    assert found.startswith(f"workload: {line}")


@pytest.mark.usefixtures("modules")
def test_a_workload_of_the_users_own_is_taken() -> None:
    """The twin of the mistakes above."""
    assert load_text('question = "?"\nworkload = "flows_module:ship"\n').workload == "flows_module:ship"


@pytest.mark.usefixtures("modules")
def test_a_workload_of_the_users_own_brings_its_world() -> None:
    """Services, inputs and parameters are its own, and the file's settings go over them."""
    own = 'workload = "workloads_module:MAILS"\narrivals.count = 2\n[parameters]\nurgent = true\n'
    scenario = load_text(f'question = "?"\n{own}[services.mails]\nclient_timeout = "1s"\n').scenario(seed=3)
    assert list(scenario.services) == ["mails"] and scenario.services["mails"].client_timeout == "1s"
    assert [one["id"] for one in scenario.inputs] == ["m-0", "m-1"]
    assert problems(f'question = "?"\n{own}[services.email]\n') == [
        "services.email: unknown service 'email': did you mean 'mails'?"
    ]
    assert problems(f'question = "?"\n{own.replace("urgent", "urgnt")}') == [
        "parameters.urgnt: unknown parameter: did you mean 'urgent'?"
    ]


# --- stimuli --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("stimulus", "line"),
    [
        ('kind = "sgnal"', "stimuli[0]: unknown kind 'sgnal': did you mean 'signal'?"),
        ('kind = "crash"\nat = "1s"', "stimuli[0]: unknown kind 'crash': known: signal, cancel"),
        ('at = "1s"', "stimuli[0]: has no kind; expected one of signal, cancel"),
        ('kind = "signal"\nat = "1s"', "stimuli[0].name: is missing"),
        ('kind = "signal"\nat = "1s"\nnme = "x"\nname = "x"', "stimuli[0].nme: unknown key: did you mean 'name'?"),
        ('kind = "signal"\nat = "soon"\nname = "x"', 'stimuli[0].at: found "soon": expected a number followed by'),
        ('kind = "signal"\nat = "1s"\nname = ""', "stimuli[0]: name is empty, expected the signal's name"),
        ('kind = "signal"\nname = "x"', "stimuli[0]: give exactly one of at, after_record and after"),
        ('kind = "signal"\nat = "1s"\nname = "x"\narguments = "yes"', 'stimuli[0].arguments: found "yes", expected a'),
        (
            'kind = "cancel"\nat = "1s"\ntarget = "p-9"',
            "stimuli[0].target: unknown execution 'p-9': did you mean 'p-1'?",
        ),
        (
            'kind = "cancel"\nafter = "timer_frd"',
            "stimuli[0].after: unknown kind of trace record 'timer_frd': did you ",
        ),
    ],
)
def test_a_mistake_in_a_stimulus_is_told_with_its_key(stimulus: str, line: str) -> None:
    """One line for one mistake."""
    head = 'question = "?"\nworkload = "approvals"\nmodels = ["replay"]\n'
    found = problems(f"{head}[[stimuli]]\n{stimulus}\n")
    assert len(found) == 1
    assert found[0].startswith(line)


def test_a_stimulus_for_one_of_several_executions_says_for_which() -> None:
    """In the file's own words; and a model that takes none is named."""
    text = 'question = "?"\nworkload = "orders.article"\nmodels = ["replay", "regular"]\narrivals = { count = 2 }\n'
    assert problems(f'{text}[[stimuli]]\nkind = "cancel"\nat = "1s"\n') == [
        "stimuli[0]: model regular takes no stimulus of kind 'cancel'; choose from replay, steps, state_machine, as "
        "models = [...]",
        "stimuli[0]: there are several executions, expected target='<id of one of them>'",
    ]


def test_calm_after_is_a_time_span() -> None:
    """As every other time."""
    assert problems(f"{HEAD}calm_after = 3\n") == [f"calm_after: found 3, {A_SPAN}"]


# --- all at once --------------------------------------------------------------------------------------------------
def test_all_mistakes_of_a_file_are_named_at_once() -> None:
    """Unknown keys, wrong types, ranges and unknown names, in whatever section."""
    found = problems(
        'question = 3\nworkload = "orders.corect"\nseeed = 1\nmodels = ["replai"]\nhorizon = 30\n'
        "[services.paymets]\n[services.email.faults]\nrefus = 0.1\nerror = 2\nslow = -1\n"
        '[[faults]]\nkind = "crash"\nat = 3\nworker = "w9"\n[[faults]]\nkind = "crush"\n'
        "[expect.regular]\nstuk = 1\n[model_options.replay]\nx = 1\n"
    )
    keys = {line.split(": ")[0] for line in found}
    assert keys == {
        "question",
        "workload",
        "seeed",
        "models[0]",
        "horizon",
        "services.paymets",
        "services.email.faults.refus",
        "services.email.faults",
        "faults[0].at",
        "faults[0].worker",
        "faults[1]",
        "expect.regular.stuk",
        "expect.regular",
        "model_options.replay.x",
    }
    assert sum(line.startswith("services.email.faults: ") for line in found) == 2


# --- what is no scenario file at all ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("question = ", "is not TOML: Invalid value (at end of document)"),
        ("seed = 1\nseed = 2\n", "is not TOML: Cannot overwrite a value (at line 2, column 9)"),
        ("a\0b", "is not TOML: "),
        (f"x = {'[' * 50_000}", "is not a scenario: its lists or tables are nested too deeply"),
        (f"seed = {'9' * 5_000}", "is not TOML: "),
    ],
)
def test_text_that_is_no_toml_is_told_with_the_place(text: str, line: str) -> None:
    """The reader's own words, after the name of the file."""
    [found] = problems(text)
    assert found.startswith(line)


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    """A missing file, a folder, bytes that are no text, and a name that no file can have."""
    (tmp_path / "bytes.toml").write_bytes(bytes(range(256)))
    for name, problem in [
        ("missing.toml", "cannot be read (No such file or directory)"),
        (".", "cannot be read (Is a directory)"),
        ("bytes.toml", "is not UTF-8 text"),
        ("a\0b", "cannot be read (embedded null byte)"),
    ]:
        with pytest.raises(ScenarioError) as caught:
            load(tmp_path / name)
        assert caught.value.problems == (f"{problem}; give the path of a scenario file",)


# --- anything at all ----------------------------------------------------------------------------------------------
KEYS = [
    *("question", "workload", "parameters", "versions", "models", "seed", "workers", "horizon", "arrivals"),
    *("inputs", "services", "faults", "owed", "expect", "model_options", "payments", "inventory", "charge", "kind"),
    *(
        "at",
        "instead",
        "after",
        "options",
        "stock",
        "operations",
        "outage",
        "latency",
        "p50",
        "replay",
        "only",
        "worker",
    ),
    *("service", "operation", "execution", "count", "of", "version", "id", "LogNormal", "crash", "str"),
]
VALUES = ["crash", "script", "replay", "orders.correct", "3s", "0s", "payments", "charge", "w1", "v1", "all", "a:b"]
scalars = st.one_of(
    st.sampled_from(VALUES),
    st.integers(-3, 3),
    st.floats(),
    st.booleans(),
    st.text(max_size=3),
    st.dates().filter(lambda day: day != datetime.date.min),
)
nonsense: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)
nonsense_files = st.dictionaries(st.sampled_from(KEYS), nonsense, max_size=6)


@settings(max_examples=150, deadline=None)
@given(nonsense_files, st.booleans())
@example({"LogNormal": [], "crash": {"str": 1}, "expect": {"str": 1}}, True)  # pydantic's own words, as keys of a user
def test_nonsense_is_refused_or_loaded_and_never_breaks_the_reader(data: dict[str, Any], complete: bool) -> None:
    """Whatever stands under the keys of a scenario, the only exception is the user's mistake, told in whole lines."""
    needed = {"question": "?", "workload": "orders.correct"} if complete else {}
    try:
        load_text(tomli_w.dumps({**data, **needed}))
    except UserError as error:
        assert isinstance(error, ScenarioError)
        assert error.problems
        for problem in error.problems:
            assert problem.strip() and "\n" not in problem
