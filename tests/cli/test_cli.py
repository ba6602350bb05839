"""The command line: what it prints, where, and with which exit status."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from durable_sim import __version__
from durable_sim.models.registry import COMMON_MODELS, MODELS
from tests.cli.program import Program

ROOT = Path(__file__).parents[2]
CRASH = str(ROOT / "scenarios" / "crash_after_charge.toml")
BIG = str(ROOT / "scenarios" / "order_fulfillment.toml")
FEW = ["--set", "arrivals.count=8"]
PROGRAM = [sys.executable, "-m", "durable_sim"]
SMALL = 'question = "?"\nworkload = "orders.article"\nmodels = ["regular", "replay"]\n'


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], str]:
    """Writes a file into a fresh folder, which is the current one."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, text: str) -> str:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
        return name

    return write


# --- run ----------------------------------------------------------------------------------------------------------
def test_run_tells_question_model_story_ledger_and_how_to_repeat_it(program: Program) -> None:
    """Under replay, where the file lists it."""
    done = program("run", CRASH)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("The process crashes after the card was charged")
    assert "crash_after_charge under replay (--model takes another)" in done.out
    assert "replay, seed 1: 1 execution(s): 1 duplicate_effect" in done.out
    assert "o-1 under replay: duplicate_effect (the engine says: completed)" in done.out
    assert f"repeat: durable-sim run {CRASH} --model replay --seed 1\n" in done.out
    ledger = done.out.split("effect ledger (", 1)[1].splitlines()
    entries = int(ledger[0].split()[0])
    assert len(ledger) == entries + 1 > 1
    assert ledger[1].endswith(" o-1      payments.charge for ada +4000")


def test_run_takes_the_first_model_where_replay_is_not_listed(program: Program, write: Any) -> None:
    """And says so."""
    write("a.toml", SMALL.replace('"replay"', '"status_columns"'))
    assert "a under regular (--model takes another)" in program("run", "a.toml").out


def test_run_tells_the_story_of_the_execution_asked_for(program: Program) -> None:
    """In place of the worst one's."""
    out = program("run", BIG, *FEW, "--model", "regular", "--execution", "o-1").out
    assert "\no-1 under regular: " in out
    assert out.count(" under regular: ") == 1


def test_run_as_json_is_one_object(program: Program) -> None:
    """With the counts, the ledger, the story and the digest of the trace."""
    done = program("run", CRASH, "--model", "regular", "--json")
    data = json.loads(done.out)
    assert (done.status, done.err, done.out.count("\n")) == (0, "", 1)
    assert (data["scenario"], data["model"], data["seed"]) == ("crash_after_charge", "regular", 1)
    assert (data["executions"], data["verdicts"]) == (1, {"orphaned_effect": 1})
    assert data["faults"] == {"planned": 1, "fired": 1, "hit": 1}
    assert [entry["kind"] for entry in data["ledger"]] == ["payments.charge"]
    assert data["story"].startswith("o-1 under regular: orphaned_effect")
    assert len(data["trace_digest"]) == 64


def test_the_seed_decides_the_run(program: Program) -> None:
    """The same seed the same run; the file's own by default."""
    digests = [
        json.loads(program("run", CRASH, "--json", *seed).out)["trace_digest"]
        for seed in ([], ["--seed", "1"], ["--seed", "2"], ["--seed", "-2"])
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_a_printed_repetition_repeats_the_run(program: Program, write: Any) -> None:
    """Pasted as it is, with blanks in the name and quotes in a setting."""
    name = write("my scenarios/it's one.toml", Path(CRASH).read_text())
    first = program("run", name, "--set", 'services.email.latency={ value = "3s" }', "--set", "workers=3").out
    [repeat] = [line for line in first.splitlines() if line.startswith("repeat: ")]
    command, *words = shlex.split(repeat.removeprefix("repeat: "))
    assert command == "durable-sim"
    assert program(*words).out == first


# --- compare ------------------------------------------------------------------------------------------------------
def test_compare_prints_a_row_for_each_model_and_the_worst_story(program: Program) -> None:
    """Under the question, and above the command that repeats it."""
    done = program("compare", CRASH)
    lines = done.out.splitlines()
    assert (done.status, done.err) == (0, "")
    start = next(place for place, line in enumerate(lines) if line.startswith("model "))
    assert [line.split()[0] for line in lines[start + 1 : start + 7]] == list(COMMON_MODELS)
    assert "The shortest story of the worst verdict under regular:" in lines
    assert lines[-1] == f"repeat: durable-sim compare {CRASH} --seed 1"


def test_compare_as_json_has_the_documented_shape(program: Program) -> None:
    """One object: scenario, seed, models with executions, verdicts and violations, faults."""
    done = program("compare", BIG, *FEW, "--seed", "5", "--json")
    data = json.loads(done.out)
    assert (done.status, done.err, done.out.count("\n")) == (0, "", 1)
    assert (data["scenario"], data["seed"]) == ("order_fulfillment", 5)
    assert list(data["models"]) == list(MODELS)
    for model in data["models"].values():
        assert model["executions"] == 8 == sum(model["verdicts"].values())
        assert isinstance(model["violations"], int)
    assert 0 < data["faults"]["fired"] <= data["faults"]["planned"]


def test_a_workflow_that_fails_by_itself_is_called_out(program: Program, write: Any) -> None:
    """It owes nothing, so that its verdicts alone would look well; the table is printed all the same."""
    write("a.toml", SMALL + "inputs = [{ total = 5 }]\n")
    done = program("compare", "a.toml")
    assert done.status == 0
    assert done.err.startswith("a.toml: warning: no execution completes even where nothing goes wrong (")
    assert "'order_id'" in done.err
    assert "compensated" in done.out
    assert program("compare", CRASH).err == ""


# --- check --------------------------------------------------------------------------------------------------------
GOOD = SMALL + "[expect.replay]\ncompleted = 1\n"
FAILING = SMALL + '[expect.replay]\ncompleted = 0\nstuck = ">= 1"\n[expect.regular]\ncompleted = 1\n'
BAD = SMALL + "modls = 3\nseed = 'x'\n"


def test_check_says_ok_to_what_is_as_expected(program: Program, write: Any) -> None:
    """Files and folders, each file once."""
    write("some/a.toml", GOOD)
    write("some/inner/b.toml", GOOD)
    done = program("check", "some", "some/a.toml")
    assert done == (0, "ok      some/a.toml\nok      some/inner/b.toml\n2 scenario(s), 0 failed\n", "")


def test_check_ends_every_failure_with_the_command_that_repeats_it(program: Program, write: Any) -> None:
    """Which model, what was found, what was expected; the command runs as it is."""
    write("my file.toml", FAILING)
    done = program("check", "my file.toml", "--set", "workers=3")
    assert (done.status, done.err) == (1, "")
    command = "durable-sim run 'my file.toml' --model replay --seed 0 --set workers=3"
    assert done.out.splitlines() == [
        "FAILED  my file.toml",
        f"        replay: completed: found 1, expected 0; repeat: {command}",
        f"        replay: stuck: found 0, expected >= 1; repeat: {command}",
        "1 scenario(s), 1 failed",
    ]
    assert "replay, seed 0: 1 execution(s): 1 completed" in program(*shlex.split(command)[1:]).out


def test_check_refuses_a_plan_that_hit_nothing(program: Program, write: Any) -> None:
    """A scenario whose faults come too late shows nothing, whatever it expects."""
    write("a.toml", GOOD + '[[faults]]\nkind = "crash"\nat = "9d"\n')
    done = program("check", "a.toml")
    assert done.status == 1
    assert "replay: no planned fault hit anything in flight; repeat: durable-sim run a.toml" in done.out


def test_check_goes_on_after_a_bad_file(program: Program, write: Any) -> None:
    """The mistakes are on stderr, the other results on stdout, and the status is that of bad input."""
    write("all/a.toml", BAD)
    write("all/b.toml", GOOD)
    write("all/c.toml", FAILING)
    done = program("check", "all", "missing.toml")
    assert done.status == 2
    assert done.err.splitlines() == [
        'all/a.toml: seed: found "x", expected a whole number',
        "all/a.toml: modls: unknown key: did you mean 'models'?",
        "missing.toml: cannot be read (No such file or directory); give the path of a scenario file",
    ]
    assert done.out.startswith("ok      all/b.toml\nFAILED  all/c.toml\n")
    assert done.out.endswith("2 scenario(s), 1 failed; 2 with bad input\n")


def test_check_as_json_is_one_object(program: Program, write: Any) -> None:
    """Failures by file, and beside them what could not be read."""
    write("a.toml", BAD)
    write("b.toml", GOOD)
    write("c.toml", FAILING)
    done = program("check", "a.toml", "b.toml", "c.toml", "--json")
    data = json.loads(done.out)
    assert (done.status, done.out.count("\n")) == (2, 1)
    assert (data["scenarios"], data["failed"]) == (2, 1)
    assert data["failures"]["b.toml"] == []
    assert [line.split(";")[0] for line in data["failures"]["c.toml"]] == [
        "replay: completed: found 1, expected 0",
        "replay: stuck: found 0, expected >= 1",
    ]
    assert [line.split(":")[0] for line in data["bad_input"]["a.toml"]] == ["seed", "modls"]


def test_a_file_that_expects_nothing_is_called_out(program: Program, write: Any) -> None:
    """It passes, with a warning."""
    write("a.toml", SMALL)
    done = program("check", "a.toml")
    assert (done.status, done.err) == (0, "a.toml: warning: it expects nothing; add [expect.MODEL]\n")


def test_an_empty_folder_is_bad_input(program: Program, write: Any) -> None:
    """Nothing was checked, which is no success."""
    write("empty/readme.txt", "")
    done = program("check", "empty")
    assert done == (2, "", "empty: has no scenario files (*.toml); give another folder or a file\n")


# --- bad input ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "durable-sim: the following arguments are required: COMMAND; see durable-sim --help"),
        (["rum", "a.toml"], "durable-sim: argument COMMAND: invalid choice: 'rum' (choose from "),
        (["run"], "durable-sim: run: give a scenario file, or a token with --replay"),
        (["run", CRASH, "--sed", "1"], "durable-sim: unrecognized arguments: --sed 1; see "),
        (["run", CRASH, "--seed", "x"], "durable-sim run: argument --seed: found 'x', expected a whole number; see "),
        (["run", CRASH, "--model", "replai"], "durable-sim: --model: unknown execution model 'replai': did you mean "),
        (["run", CRASH, "--execution", "o-9"], "durable-sim: unknown execution 'o-9': did you mean 'o-1'?"),
        (["run", "missing.toml"], "missing.toml: cannot be read (No such file or directory); give the path of a "),
        (["run", "a\0b"], "a\0b: cannot be read (embedded null byte)"),
        (["compare", "."], ".: cannot be read (Is a directory); give the path of a scenario file"),
        (["compare", CRASH, "--set", "nonsense"], "durable-sim: --set nonsense: expected KEY=VALUE, as in parameters."),
        (["compare", CRASH, "--set", "seeed=3"], f"{CRASH}: seeed: unknown key: did you mean 'seed'?"),
        (["check", "missing.toml"], "missing.toml: cannot be read (No such file or directory); give the path of a "),
    ],
)
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_bad_input_is_one_line_on_stderr(program: Program, arguments: list[str], form: list[str], line: str) -> None:
    """Nothing on stdout, and exit status 2, with --json as without."""
    done = program(*arguments, *(form if arguments else []))
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(line)
    assert done.err.count("\n") == 1


def test_all_mistakes_of_a_file_are_printed(program: Program, write: Any) -> None:
    """A line each."""
    write("a.toml", BAD)
    for command in ("run", "compare"):
        assert program(command, "a.toml") == (
            2,
            "",
            "a.toml: seed: found \"x\", expected a whole number\na.toml: modls: unknown key: did you mean 'models'?\n",
        )


def test_what_a_service_cannot_take_is_told(program: Program, write: Any) -> None:
    """A mistake that shows only in the run: an order without a number for its total."""
    write("a.toml", SMALL + 'inputs = [{ order_id = "o-1", total = "much" }]\n')
    done = program("compare", "a.toml", "--json")
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("durable-sim: payments.charge(")
    assert done.err.count("\n") == 1


def test_a_workload_is_found_where_the_command_is_given(program: Program, write: Any) -> None:
    """A module beside the scenario file, as in a project of one's own."""
    write("beside_cli.py", "async def nothing(ctx, order):\n    return 1\n")
    write("a.toml", SMALL.replace("orders.article", "beside_cli:nothing"))
    assert "2 completed" not in program("compare", "a.toml").out
    assert json.loads(program("run", "a.toml", "--json").out)["verdicts"] == {"completed": 1}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], ["run", "compare", "check", "Exit status: 0"]),
        (["run", "--help"], ["--model", "--seed", "--execution", "--set", "--json", *MODELS]),
        (["compare", "--help"], ["--seed", "--set", "--json", "SCENARIO"]),
        (["check", "--help"], ["--set", "--json", "PATH"]),
        (["--version"], [f"durable-sim {__version__}"]),
    ],
)
def test_help_and_version_go_to_stdout(program: Program, arguments: list[str], words: list[str]) -> None:
    """With exit status 0, and every option explained."""
    done = program(*arguments)
    assert (done.status, done.err) == (0, "")
    for word in words:
        assert word in done.out


# --- as a process of its own --------------------------------------------------------------------------------------
def test_python_m_durable_sim_is_the_same_program(program: Program) -> None:
    """Same output, same status."""
    done = subprocess.run([*PROGRAM, "compare", CRASH], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == program("compare", CRASH)


def test_a_reader_who_has_enough_is_no_trouble() -> None:
    """`durable-sim run ... | head -1` ends quietly, as programs do that a closed pipe stops."""
    with subprocess.Popen(
        [*PROGRAM, "run", BIG, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_an_interruption_is_one_line(write: Any) -> None:
    """Ctrl-C in the middle of a simulation gives status 130, and neither a traceback nor half an output."""
    write("interrupts.py", "import signal\n\nasync def stop(ctx, order):\n    signal.raise_signal(signal.SIGINT)\n")
    name = write("a.toml", SMALL.replace("orders.article", "interrupts:stop"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([*PROGRAM, "compare", name], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "durable-sim: interrupted\n")


def test_models_measures_every_model_and_every_change(program: Program) -> None:
    """As two tables, or as one JSON object."""
    told = json.loads(program("models", "--json").out)
    assert [one["model"] for one in told["models"]] == list(MODELS)
    assert all(list(row) == list(MODELS) for row in told["deploys"].values())
    text = program("models").out
    assert "a renamed step" in text and "rename a finished step" in text
