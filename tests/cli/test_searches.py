"""The searching commands: `crashes`, `deploys`, and `run --replay` of a token that one of them has printed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from durable_sim.files.token import read_token
from tests.cli.program import Done, Program

ROOT = Path(__file__).parents[2]
ORDERS = str(ROOT / "scenarios" / "order_fulfillment.toml")
NO_KEYS = ["--set", "parameters.keys=false"]
KEYS = [
    "model",
    "depth",
    "faults",
    "seed",
    "crash_points",
    "runs",
    "verdicts",
    "violations",
    "vacuous",
    "never_reached",
    "guarantee",
    "bounds",
    "smallest",
    "coverage",
]
WAITS = """question = "May it be shipped?"
workload = "orders.correct"
horizon = "1h"
models = ["replay", "steps"]
[versions]
next = "orders.correct"
"""


def told(done: Done) -> dict[str, Any]:
    """The one JSON object that was printed."""
    data: dict[str, Any] = json.loads(done.out)
    assert done.out.count("\n") == 1
    return data


# --- crashes --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", ["replay", "steps", "state_machine"])
def test_crashes_of_a_correct_order_find_nothing(program: Program, model: str) -> None:
    """Exit status 0, and JSON with the counts and the time it took."""
    done = program("crashes", ORDERS, "--model", model, "--json")
    data = told(done)
    assert (done.status, done.err) == (0, "") and [*data] == [*KEYS, "elapsed_s"]
    assert (data["model"], data["depth"], data["seed"], data["violations"]) == (model, 1, 7, 0)
    assert data["runs"] == data["crash_points"] + 1 > 50 and data["elapsed_s"] > 0
    assert sum(data["verdicts"].values()) == data["runs"] and set(data["verdicts"]) <= {"completed", "compensated"}


def test_crashes_without_keys_find_the_double_charges(program: Program) -> None:
    """Exit status 1, with the smallest story and the token that repeats it."""
    done = program("crashes", ORDERS, *NO_KEYS, "--json")
    data = told(done)
    assert done.status == 1 and [*data] == [*KEYS, "story", "replay", "elapsed_s"]
    assert data["violations"] == data["verdicts"]["duplicate_effect"] > 0
    assert "payments.charge" in data["smallest"][0]["violations"][0]
    assert data["story"][-1].endswith("=> duplicate_effect: payments.charge: found 2 at the same time, expected 1")
    token = read_token(data["replay"])
    assert (token.source, token.changes, token.model) == (ORDERS, ("parameters.keys=false",), "replay")


def test_the_text_ends_with_speed_and_how_to_repeat_it(program: Program) -> None:
    """With every option that is not the default."""
    done = program("crashes", ORDERS, "--depth", "2", "--faults", "crash,refuse", "--at", "orders.complete,end")
    assert done.status == 0 and done.err == ""
    assert done.out.startswith("What do crashes, deploys and flaky services do")
    assert "\nreplay: nothing lost, doubled or stranded after each of " in done.out
    assert " runs/s)\n" in done.out
    last = done.out.splitlines()[-1]
    assert last == (
        f"repeat: durable-sim crashes {ORDERS} --model replay --seed 7 --depth 2 --faults crash,refuse "
        "--at orders.complete,end"
    )


def test_a_printed_repetition_makes_the_same_sweep(program: Program) -> None:
    """Pasted as it is; only the speed differs."""
    first = program(
        *("crashes", ORDERS, *NO_KEYS, "--seed", "3"),
        *("--restart-after", "5 s", "--executions", "2", "--at", "before the request,effect"),
    )
    (command,) = [line for line in first.out.splitlines() if line.startswith("repeat: durable-sim crashes")]
    again = program(*shlex.split(command.removeprefix("repeat: durable-sim ")))
    assert (first.status, again.status) == (1, 1)
    assert [line for line in first.out.splitlines() if "runs/s" not in line] == [
        line for line in again.out.splitlines() if "runs/s" not in line
    ]
    assert "executions: o-1, o-2; seed 3" in first.out and "restart_after='5 s'" in first.out


def test_a_violation_is_told_as_story_test_and_token(program: Program) -> None:
    """The smallest of them."""
    out = program("crashes", ORDERS, *NO_KEYS, "--at", "effect").out
    assert "\nthe smallest story:\n1. " in out
    assert "\nas a test:\n" in out and "def test_order_fulfillment() -> None:" in out
    assert "repeat: durable-sim run --replay ds1-" in out


def test_one_execution_can_be_swept_by_its_id(program: Program) -> None:
    """Alone."""
    data = told(program("crashes", ORDERS, "--executions", "o-3", "--at", "effect", "--json"))
    assert "executions: o-3;" in data["bounds"] and data["violations"] == 0


def test_a_sweep_that_hits_nothing_is_no_success(program: Program) -> None:
    """Exit status 1: nothing was shown."""
    done = program("crashes", ORDERS, "--at", "worker_started", "--json")
    assert done.status == 1 and told(done)["vacuous"] and told(done)["runs"] == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--depth", "0"], "durable-sim: depth is 0, expected 1 or more\n"),
        (["--faults", "crahs"], "durable-sim: unknown family of faults 'crahs': did you mean 'crash'?\n"),
        (["--executions", "0"], "durable-sim: executions is 0, expected 1 to 320, as many as there are inputs\n"),
        (["--model", "replya"], "durable-sim: --model: unknown execution model 'replya': did you mean 'replay'?\n"),
        (["--restart-after", "soon"], "durable-sim: duration 'soon': "),
    ],
)
def test_mistakes_are_told_in_one_line(program: Program, arguments: list[str], message: str) -> None:
    """Exit status 2, nothing on stdout, no traceback."""
    done = program("crashes", ORDERS, *arguments)
    assert (done.status, done.out) == (2, "") and done.err.startswith(message) and done.err.count("\n") == 1


# --- run --replay ---------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def token() -> str:
    """The token of a double charge."""
    from durable_sim.files.scenario_file import load
    from durable_sim.search.sweep import crash_sweep
    from durable_sim.search.witness import witness

    changes = ("parameters.keys=false",)
    sweep = crash_sweep(load(ORDERS, list(changes)).scenario(7), seed=7, at="effect")
    return witness(sweep.trial, sweep.smallest[0].faults, ORDERS, changes).token


def test_a_token_repeats_the_run_from_its_own_file(program: Program, token: str) -> None:
    """The same digest; exit status 1, as the run goes wrong."""
    done = program("run", "--replay", token, "--json")
    data = told(done)
    assert (done.status, done.err) == (1, "")
    assert data["trace_digest"].startswith(read_token(token).trace) and data["verdicts"] == {"duplicate_effect": 1}
    text = program("run", "--replay", token)
    assert f"repeat: durable-sim run --replay {token}\n" in text.out
    assert "o-1 under replay: duplicate_effect" in text.out


def test_a_token_without_a_file_is_repeated_with_the_file_that_is_given(program: Program, token: str) -> None:
    """And with the settings over it: the line at the end says both."""
    bare = str(read_token(token).model_copy(update={"source": "", "changes": ()}))
    done = program("run", ORDERS, "--set", "parameters.keys=false", "--replay", bare)
    assert done.status == 1
    assert f"repeat: durable-sim run {ORDERS} --replay {bare} --set parameters.keys=false\n" in done.out


def test_a_run_that_goes_another_way_is_told(program: Program, token: str) -> None:
    """On stderr: the code has changed since the token was made; here its idempotency keys."""
    mended = str(read_token(token).model_copy(update={"changes": ()}))
    done = program("run", "--replay", mended)
    assert done.status == 0
    assert done.err == (
        "durable-sim: warning: the run goes another way than when the token was made: the workflow, its services or "
        "the simulator changed\n"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:60], "it is cut off or changed; copy it as a whole"),
        (lambda text: "ds9-x", "expected 'ds1-' at its beginning"),
        (lambda text: str(read_token(text).model_copy(update={"version": "0.0.1"})), "it is from durable_sim 0.0.1"),
        (lambda text: str(read_token(text).model_copy(update={"source": ""})), "the token names no scenario file"),
        (lambda text: str(read_token(text).model_copy(update={"seed": 8})), "it was made with another scenario"),
    ],
)
def test_a_token_that_cannot_be_replayed_is_told_in_one_line(
    program: Program, token: str, change: Callable[[str], str], message: str
) -> None:
    """Exit status 2."""
    done = program("run", "--replay", change(token))
    assert (done.status, done.out) == (2, "") and message in done.err and done.err.count("\n") == 1


def test_run_needs_a_file_or_a_token(program: Program) -> None:
    """One of them."""
    done = program("run")
    assert done.status == 2 and done.err == "durable-sim: run: give a scenario file, or a token with --replay\n"


# --- deploys --------------------------------------------------------------------------------------------------------
@pytest.fixture
def waits(tmp_path: Path) -> str:
    """A scenario file with another version."""
    path = tmp_path / "waits.toml"
    path.write_text(WAITS)
    return str(path)


def test_the_same_code_may_be_shipped_at_any_time(program: Program, waits: str) -> None:
    """Exit status 0."""
    done = program("deploys", waits, "--faults", "refuse", "--json")
    data = told(done)
    assert (done.status, done.err) == (0, "") and data["safe"] and data["fates"] == {"safe": data["deploys"]}
    assert [*data][-1] == "elapsed_s" and (data["model"], data["version"]) == ("replay", "next")


def test_other_code_may_not(program: Program, waits: str) -> None:
    """A function is named as module:name; exit status 1, with the first deploy that goes wrong."""
    done = program("deploys", waits, "--faults", "refuse", "--to", "durable_sim.library.orders:database_order")
    assert done.status == 1 and done.out.startswith(
        "May it be shipped?\n\nreplay: next is not safe for running workflows: "
    )
    *_, speed, repeat = done.out.splitlines()
    assert " deploys in " in speed
    again = program(*shlex.split(repeat.removeprefix("repeat: durable-sim ")))
    assert again.status == 1 and again.out.splitlines()[:-2] == done.out.splitlines()[:-2]


APPROVAL = """question = "May it be shipped?"
workload = "approvals"
horizon = "10d"
models = ["replay", "steps"]
[versions]
next = "approvals"
[[stimuli]]
kind = "signal"
at = "1h"
name = "decide"
arguments = ["yes"]
"""


@pytest.fixture
def approval(tmp_path: Path) -> str:
    """A scenario file with a signal."""
    path = tmp_path / "approval.toml"
    path.write_text(APPROVAL)
    return str(path)


def test_signals_are_moved_and_deploys_roll_if_asked_for(program: Program, approval: str) -> None:
    """The bounds say so, and what else was not tried."""
    done = program("deploys", approval, "--faults", "signal", "--rolling")
    assert done.status == 0 and "\n  faults: signal; " in done.out and "replaced one after the other\n" in done.out
    still = program("deploys", approval, "--faults", "refuse", "--json")
    assert told(still)["bounds"].endswith("replaced together; signals only when the scenario sends them")


def test_a_signal_that_a_model_loses_is_found(program: Program, approval: str) -> None:
    """With the token that repeats it; where there is no signal to be moved, that is an error."""
    assert program("crashes", approval, "--faults", "signal").status == 0
    lost = program("crashes", approval, "--faults", "signal", "--model", "steps")
    assert lost.status == 1 and "lost_effect" in lost.out and "Signal(after=" in lost.out
    token = next(word for word in lost.out.split() if word.startswith("ds1-"))
    assert program("run", "--replay", token).status == 1
    none = program("crashes", ORDERS, "--faults", "signal")
    assert none.status == 2 and none.err.startswith("durable-sim: faults: 'signal' moves the signals of a scenario")


def test_a_version_that_there_is_not_is_told(program: Program, waits: str) -> None:
    """With the nearest name; and a scenario without versions needs to be told which code."""
    done = program("deploys", waits, "--to", "nxt")
    assert done.status == 2 and done.err == "durable-sim: unknown code version 'nxt': did you mean 'next'?\n"
    assert "say which one is to be deployed" in program("deploys", ORDERS).err


# --- crashes --guided -----------------------------------------------------------------------------------------------
GUIDED = ["crashes", ORDERS, "--guided", "--faults", "refuse,lose_reply"]


def test_guided_by_lineage_only_what_may_matter_is_tried(program: Program) -> None:
    """Pairs of faults; the words of the guarantee say that it is by lineage."""
    done = program(*GUIDED, "--depth", "2", "--json")
    data = told(done)
    assert done.status == 0 and (data["depth"], data["violations"], data["complete"]) == (2, 0, True)
    assert data["crash_points"] < data["runs"]
    assert "no set of up to 2 faults can break it, by lineage" in data["guarantee"]


def test_guided_a_violation_is_told_as_a_sweep_tells_it(program: Program) -> None:
    """The smallest sets, the story of the first, and how to repeat both the search and the run."""
    done = program(*GUIDED, *NO_KEYS)
    assert done.status == 1 and "\nreplay: 5 smallest set(s) of faults break it (" in done.out
    assert "\n  lose reply at call of payments.charge: o-1: duplicate_effect: " in done.out
    assert "\nthe smallest story:\n1. " in done.out and "repeat: durable-sim run --replay ds1-" in done.out
    assert done.out.splitlines()[-1].endswith(" --faults refuse,lose_reply --guided")


def test_guided_places_cannot_be_chosen(program: Program) -> None:
    """Exit status 2: the search finds its places itself."""
    done = program(*GUIDED, "--at", "effect")
    assert (done.status, done.out) == (2, "") and done.err == (
        "durable-sim: crashes: --at chooses places, and --guided finds them itself: give one of the two\n"
    )


def test_the_printed_test_can_be_pasted(program: Program) -> None:
    """It fails on the scenario as it was searched, and passes once the workflow sends keys."""
    done = program("crashes", ORDERS, "--set", "parameters.keys=false")
    code = done.out.split("as a test:\n", 1)[1].split("\n\n61 runs in ", 1)[0]
    broken: dict[str, Any] = {}
    exec(code, broken)
    with pytest.raises(AssertionError, match="duplicate_effect"):
        broken["test_order_fulfillment"]()
    mended: dict[str, Any] = {}
    exec(code.replace("keys=false", "keys=true"), mended)
    mended["test_order_fulfillment"]()


def test_further_checks_can_be_asked_for_by_name(program: Program) -> None:
    """And an unknown one is a mistake."""
    data = told(program("crashes", ORDERS, "--at", "effect", "--oracles", "saga_shape,conservation", "--json"))
    assert data["violations"] == 0
    done = program("crashes", ORDERS, "--oracles", "saga_shap")
    assert done.status == 2 and "unknown oracle 'saga_shap': did you mean 'saga_shape'" in done.err
