"""The pytest plugin as users meet it: a project of its own, with a workflow file and a test file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

WORKFLOWS = """
from durable_sim import RetryPolicy, activity, workflow

RETRY = RetryPolicy(initial_interval="1s", maximum_attempts=5)


@activity
async def charge(ctx, order):
    await ctx.service("payments").charge(order["customer"], order["total"])


@activity
async def charge_once(ctx, order):
    key = ctx.idempotency_key
    await ctx.service("payments").charge(order["customer"], order["total"], idempotency_key=key)


def checkout(charging):
    @workflow
    async def check_out(ctx, order):
        await ctx.execute_activity(charging, order, start_to_close_timeout="30s", retry_policy=RETRY)

    return check_out


broken, fixed = checkout(charge), checkout(charge_once)
ORDER = {"order_id": "o-1", "customer": "ada", "total": 40}
"""
HEAD = "import durable_sim\nimport pytest\nfrom shop import ORDER, broken, fixed\n\n"


class Project:
    """A folder with a workflow file, in which pytest is run as its user would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "shop.py").write_text(WORKFLOWS)

    def pytest(self, tests: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Run pytest on a test file."""
        (self.folder / "test_shop.py").write_text(HEAD + tests)
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *(options or ("-n", "0"))]
        outside = ("PYTEST", "COV", "CI", "BUILD_NUMBER")
        clean = {key: value for key, value in os.environ.items() if not key.startswith(outside)}
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env=clean, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A user's project."""
    return Project(tmp_path)


def token_in(output: str) -> str:
    """The token that a failure prints."""
    found = re.search(r"--durable-replay (ds1-\S+)", output)
    assert found is not None, output
    return found[1]


BROKEN = '@durable_sim.every_crash(broken, ORDER, models=["replay", "steps"])\ndef test_shop():\n    pass\n'
FIXED = BROKEN.replace("broken", "fixed")


def test_a_broken_workflow_fails_with_a_story_that_names_the_bug(project: Project) -> None:
    """One failure a model: the crash, both charges, the verdict, the fault as code, and the token."""
    done = project.pytest(BROKEN)
    assert done.returncode == 1
    assert done.stdout.count("=> duplicate_effect: payments.charge: found 2 at the same time, expected 1") == 2
    assert "1. !! 0.000s: the worker w2 crashes, right after request sent of payments.charge" in done.stdout
    assert "faults: [Crash(after='request_sent', of='payments.charge', execution='o-1')]" in done.stdout
    assert "Traceback" not in done.stdout and "plugin.py" not in done.stdout
    assert token_in(done.stdout).startswith("ds1-")


def test_a_fixed_workflow_passes_with_its_guarantee_printed(project: Project) -> None:
    """With the number of crashes, of runs, and of those that hit something."""
    done = project.pytest(FIXED)
    assert done.returncode == 0, done.stdout
    assert "durable_sim: what was shown" in done.stdout
    assert re.search(
        r"replay: nothing lost, .* after each of \d+ crashes \(\d+ runs; \d+ hit work in flight\)", done.stdout
    )
    assert "no fault in: given up, back-off" in done.stdout


def test_the_token_of_a_failure_makes_that_run_again(project: Project) -> None:
    """It fails with the whole story; on the fixed workflow it passes."""
    token = token_in(project.pytest(BROKEN).stdout)
    again = project.pytest(BROKEN, "-n", "0", "-k", "replay", "--durable-replay", token)
    assert again.returncode == 1 and "!! the worker crashes" in again.stdout
    mended = project.pytest(BROKEN.replace("(broken,", "(fixed,"), "-n", "0", "-k", "replay", "--durable-replay", token)
    assert mended.returncode == 0, mended.stdout
    assert "replay: the run of the token goes right" in mended.stdout


def test_what_a_test_asserts_is_held_against_every_run(project: Project) -> None:
    """A test with the argument `run` may say more than the verdicts."""
    tests = "@durable_sim.every_crash(fixed, ORDER)\ndef test_shop(run):\n    assert run.faults['fired'] == 0\n"
    done = project.pytest(tests)
    assert done.returncode == 1 and "=> invariant: test_shop: found assert 1 == 0 (in test_shop, " in done.stdout
    assert "test_shop.py line 7: assert run.faults['fired'] == 0), expected it to hold" in done.stdout


def test_an_error_in_what_a_test_asserts_is_told_with_its_own_line(project: Project) -> None:
    """The user's, and none of the package."""
    tests = "@durable_sim.every_crash(fixed, ORDER)\ndef test_shop(run):\n    run.legder\n"
    done = project.pytest(tests)
    line = "'Run' object has no attribute 'legder' in test_shop, test_shop.py line 7: run.legder"
    assert done.returncode == 1 and line in done.stdout and "every.py" not in done.stdout


BY_A_CHECK = """
def never(recording):
    yield durable_sim.Violation("never", None, "all", "this", "that")

@durable_sim.every_crash(fixed, ORDER, models=["replay", "steps"], oracles=never)
def test_shop():
    pass

@durable_sim.every_crash(fixed, ORDER, workers=3)
def test_other(run):
    assert not run.ledger
"""


def test_what_an_oracle_or_the_body_finds_fails_again(project: Project) -> None:
    """With the token that the failure prints, and as the test that is written for pasting."""
    for name, text in (("test_shop", "never: all: found this, expected that"), ("test_other", "invariant: test_other")):
        found = project.pytest(BY_A_CHECK, "-n", "0", f"test_shop.py::{name}[replay]", "--durable-report", "found")
        (line,) = re.findall(r"repeat: pytest '(.*)' --durable-replay (.*)", found.stdout)
        again = project.pytest(BY_A_CHECK, "-n", "0", line[0], "--durable-replay", line[1])
        assert again.returncode == 1 and text in again.stdout, again.stdout
        assert f"repeat: pytest '{line[0]}' --durable-replay {line[1]}" in again.stdout
    shop, other = (
        (project.folder / "found" / f"test_shop.py-{one}-replay.txt").read_text() for one in ("test_shop", "test_other")
    )
    assert "oracles=[never]).run(faults)\n    assert done.ok, done.report()\n" in shop
    assert other.endswith('raise AssertionError("add the check that found this: test_other")\n')
    for text in (shop, other):
        assert "--durable-replay" in text and "durable-sim run" not in text


def test_a_token_skips_the_tests_that_it_is_not_of(project: Project) -> None:
    """Those of other scenarios and other models, with the reason; where no test is left it has repeated nothing, which
    is no success."""
    token = token_in(project.pytest(BY_A_CHECK, "-n", "0", "test_shop.py::test_shop[replay]").stdout)
    done = project.pytest(BY_A_CHECK, "-n", "0", "-rs", "--durable-replay", token)
    assert done.returncode == 1 and "1 failed, 2 skipped" in done.stdout
    assert "token: it was made under replay" in done.stdout
    assert re.search(r"token: it was made with another scenario \(found \w{12}, expected \w{12}\)", done.stdout)
    for workers in ("0", "2"):
        none = project.pytest(BY_A_CHECK, "-n", workers, "-k", "test_other", "--durable-replay", token)
        assert none.returncode == 1 and "1 skipped" in none.stdout
        assert "the token of --durable-replay is of none of these tests" in none.stdout


def test_a_token_of_what_was_drawn_besides_faults_is_not_offered(project: Project) -> None:
    """A drawn input is in no token: the failure prints the test to paste instead, with what was drawn."""
    tests = (
        "from hypothesis import strategies as st\n\n"
        "@durable_sim.any_faults(broken, faults='lose_reply', max_examples=200,\n"
        "    options={'inputs': st.just({'order_id': 'o-1', 'customer': 'bob', 'total': 7})})\n"
        "def test_shop():\n    pass\n"
    )
    done = project.pytest(tests)
    assert done.returncode == 1 and "--durable-replay" not in done.stdout
    assert "repeat: no token says what was drawn besides faults; paste the test" in done.stdout
    assert "inputs=({'order_id': 'o-1', 'customer': 'bob', 'total': 7},)," in done.stdout


def test_the_summary_of_pytest_has_one_line_a_failure(project: Project) -> None:
    """Also where it is not cut, as under CI; the story is told above."""
    done = project.pytest(BROKEN, "-n", "0", "-k", "replay", "-vv")
    assert done.stdout.count("=> duplicate_effect") == 1
    assert re.search(r"FAILED test_shop.py::test_shop\[replay\] - Failed: replay: .* runs go wrong\n", done.stdout)


@pytest.mark.parametrize("name", ["every_crash", "any_faults"])
@pytest.mark.parametrize("test", ["def test_shop(run):", "class TestShop:\n    {}\n    def test_it(self):"])
def test_a_decorator_without_parentheses_is_told(project: Project, name: str, test: str) -> None:
    """In one line, and for this test alone."""
    decorated = test.format(f"@durable_sim.{name}") if "{}" in test else f"@durable_sim.{name}\n{test}"
    done = project.pytest(f"{decorated}\n        pass\n")
    line = f"@{name} stands without parentheses, expected @{name}(workflow, input)"
    assert done.returncode == 1 and line in done.stdout and "Traceback" not in done.stdout


@pytest.mark.parametrize("oracles", ["never", "[never]"])
def test_an_oracle_that_gives_nothing_is_told(project: Project, oracles: str) -> None:
    """In one line; one alone needs no list."""
    tests = (
        "def never(recording):\n    return None\n\n"
        f"@durable_sim.every_crash(fixed, ORDER, oracles={oracles})\ndef test_shop():\n    pass\n"
    )
    done = project.pytest(tests)
    assert done.returncode == 1 and "oracle never gave None (NoneType), expected violations" in done.stdout
    assert "campaign.py" not in done.stdout


def test_a_test_may_have_fixtures_and_be_a_method(project: Project) -> None:
    """The plugin's own arguments do not get in the way."""
    tests = (
        "class TestShop:\n    @durable_sim.every_crash(fixed, ORDER)\n    def test_it(self, run, tmp_path):\n"
        "        assert tmp_path.is_dir() and run.model == 'replay'\n"
    )
    assert project.pytest(tests).returncode == 0


def test_a_test_in_which_no_fault_hits_anything_fails(project: Project) -> None:
    """It would pass whatever the workflow did."""
    tests = "@durable_sim.every_crash(fixed, ORDER, at='worker_started')\ndef test_shop():\n    pass\n"
    done = project.pytest(tests)
    assert done.returncode == 1 and "shows nothing: no fault hit anything in flight" in done.stdout


def test_a_test_of_a_workflow_that_fails_by_itself_fails(project: Project) -> None:
    """A typo in the input: every run is compensated, and nothing is shown, by a sweep or by chance."""
    typo = 'ORDER = {"order_id": "o-1", "custommer": "ada", "total": 40}\n\n'
    tests = "@durable_sim.every_crash(broken, ORDER)\ndef test_sweep():\n    pass\n\n"
    tests += "@durable_sim.any_faults(broken, ORDER, max_examples=20, faults='process')\ndef test_search():\n    pass\n"
    done = project.pytest(typo + tests)
    assert done.returncode == 1 and "2 failed" in done.stdout
    assert done.stdout.count("shows nothing: without any fault the workflow fails (KeyError: 'customer')\n") == 2


def test_a_mark_that_is_never_reached_fails(project: Project) -> None:
    """`sometimes` says what a campaign must have seen."""
    tests = (
        "@durable_sim.every_crash(fixed, ORDER)\ndef test_shop(run):\n"
        "    durable_sim.sometimes('two crashes', run.faults['hit'] == 2)\n"
    )
    done = project.pytest(tests)
    assert done.returncode == 1 and "never reached: two crashes" in done.stdout
    assert project.pytest(tests, "-n", "0", "--durable-depth", "2").returncode == 0


def test_options_of_the_command_line_go_before_those_of_tests(project: Project) -> None:
    """Depth and seed."""
    done = project.pytest(FIXED, "-n", "0", "-k", "replay", "--durable-depth", "2", "--durable-seed", "5")
    assert done.returncode == 0 and "pairs" in done.stdout and "seed 5" in done.stdout


def test_a_failure_writes_a_timeline_a_report_and_a_test_to_paste(project: Project) -> None:
    """Into the folder that --durable-report names."""
    done = project.pytest(BROKEN, "-n", "0", "-k", "replay", "--durable-report", "found")
    assert done.returncode == 1
    written = sorted(path.name for path in (project.folder / "found").iterdir())
    assert written == [f"test_shop.py-test_shop-replay.{ending}" for ending in ("html", "svg", "txt")]
    page, picture, text = ((project.folder / "found" / name).read_text() for name in written)
    assert "def test_check_out() -> None:" in text and "<svg" in picture
    assert "What breaks test_shop.py::test_shop[replay]?" in page and "--durable-replay" in page


def test_a_folder_that_cannot_be_made_costs_no_story(project: Project) -> None:
    """What was found is told all the same, with what to do about the folder."""
    (project.folder / "file").write_text("")
    done = project.pytest(BROKEN, "-n", "0", "-k", "replay", "--durable-report", "file/found")
    assert done.returncode == 1 and "=> duplicate_effect: payments.charge" in done.stdout
    assert "not written: --durable-report file/found (Not a directory); give another folder" in done.stdout


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ("42", "found 42, expected a workflow function, a Scenario or the path of a scenario file"),
        ("'nowhere.toml'", "nowhere.toml: cannot be read (No such file or directory)"),
        ("fixed, ORDER, wrkers=3", "unknown setting of a scenario 'wrkers': did you mean 'workers'?"),
    ],
)
def test_a_mistake_in_what_is_tested_is_one_line(project: Project, asked: str, line: str) -> None:
    """And no traceback."""
    done = project.pytest(f"@durable_sim.every_crash({asked})\ndef test_shop():\n    pass\n")
    assert done.returncode == 1 and line in done.stdout and "Traceback" not in done.stdout


def test_it_works_in_parallel(project: Project) -> None:
    """Under xdist what was shown is told as well."""
    done = project.pytest(FIXED, "-n", "2")
    assert done.returncode == 0 and done.stdout.count("nothing lost") == 2


def test_a_mistake_in_a_test_is_one_line(project: Project) -> None:
    """With what was found and what was expected."""
    tests = "@durable_sim.every_crash(fixed, ORDER, models='repaly')\ndef test_shop():\n    pass\n"
    done = project.pytest(tests)
    assert done.returncode == 1 and "unknown execution model 'repaly'" in done.stdout
    assert "Traceback" not in done.stdout and "campaign.py" not in done.stdout


def test_a_simulated_world_is_a_fixture(project: Project) -> None:
    """Driven step by step, with the seed of the command line."""
    tests = (
        "def test_shop(durable_simulation):\n    sim = durable_simulation(fixed)\n"
        "    handle = sim.start(fixed, ORDER, id='o-1')\n    sim.crash('w1')\n"
        "    handle.result()\n    assert len(sim.ledger) == 1\n"
    )
    assert project.pytest(tests).returncode == 0
