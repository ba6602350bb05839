"""The README says what is true."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import durable_sim as ds

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_example_does_what_the_text_below_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    """The example completes with a key, and reserves twice without one under replay."""
    code, _, _ = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    first, second = capsys.readouterr().out.split("no violations", 1)
    assert "replay, seed 0: 1 execution(s): 1 completed" in first
    assert re.search(r"^status_columns_transactional +1 +0 ", second, re.MULTILINE)
    assert re.search(r"^replay +0 +1 ", second, re.MULTILINE) and "duplicate_effect" in second


def test_the_second_example_does_what_the_text_below_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    """A description, the result, and a history in which a worker's death costs ten seconds."""
    _, _, code = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    description, history = capsys.readouterr().out.split("ada is in\n", 1)
    assert "timer 1: due at" in description and "the code waits at onboarding (README.md:" in description
    times = {line.split()[2]: float(line.split()[1].rstrip("s")) for line in history.splitlines()}
    assert times["WorkflowTaskTimedOut"] - times["WorkflowExecutionSignaled"] == 10


SHOP_FLOW = """
from durable_sim import RetryPolicy, activity, workflow

RETRY = RetryPolicy(initial_interval="1s", maximum_attempts=5)


@activity
async def charge(ctx, order):
    key = ctx.idempotency_key
    await ctx.service("payments").charge(order["customer"], order["total"], idempotency_key=key)


@activity
async def ship(ctx, order):
    await ctx.service("shipping").schedule(order["order_id"], idempotency_key=ctx.idempotency_key)


@workflow
async def check_out(ctx, order):
    await ctx.execute_activity(charge, order, start_to_close_timeout="30s", retry_policy=RETRY)
    await ctx.execute_activity(ship, order, start_to_close_timeout="30s", retry_policy=RETRY)
"""


@pytest.mark.parametrize("keys", [True, False])
def test_the_pytest_example_gives_what_the_readme_prints(keys: bool, tmp_path: Path) -> None:
    """The guarantee with idempotency keys; without one for the charge, the story."""
    _, code, _ = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (printed,) = re.findall(r"```text\n(.*?)```", README, re.DOTALL)
    flow = SHOP_FLOW if keys else SHOP_FLOW.replace(", idempotency_key=key)", ")")
    (tmp_path / "shop_flow.py").write_text(flow)
    (tmp_path / "test_shop.py").write_text(code)
    command = [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", "-k", "replay"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    if keys:
        (guarantee,) = re.findall(r'bounded guarantee: "(nothing lost.*?hit work in flight\))"', README, re.DOTALL)
        assert " ".join(guarantee.split()) in done.stdout
    else:
        assert printed in done.stdout


def test_every_model_is_in_the_table() -> None:
    """Each execution model has its row, and no other has one."""
    assert re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE) == list(ds.MODELS)


def test_files_named_are_there() -> None:
    """Every file that the README and CONTRIBUTING name exists."""
    text = README + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b(?:durable_sim|scenarios|notebooks|tests)/[\w/]*\w\.(?:py|toml|ipynb|png)\b", text))
    named.discard("notebooks/NN_name.py")
    assert len(named) > 10
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


def test_two_set_up_commands_stand_where_ci_reads_them() -> None:
    """There are exactly two set-up commands, each whole in one line."""
    commands = re.findall(r"^    (python3 -m venv .*)$", README, re.MULTILINE)
    assert [command.split(" && ")[-1].split()[0] for command in commands] == [
        ".venv/bin/durable-sim",
        ".venv/bin/pytest",
    ]
