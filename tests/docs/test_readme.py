"""The README says what is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import durable_sim as ds

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_example_does_what_the_text_below_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    """The example completes with a key, and reserves twice without one under replay."""
    code, _ = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    first, second = capsys.readouterr().out.split("no violations", 1)
    assert "replay, seed 0: 1 execution(s): 1 completed" in first
    assert re.search(r"^status_columns_transactional +1 +0 ", second, re.MULTILINE)
    assert re.search(r"^replay +0 +1 ", second, re.MULTILINE) and "duplicate_effect" in second


def test_the_second_example_does_what_the_text_below_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    """A description, the result, and a history in which a worker's death costs ten seconds."""
    _, code = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    description, history = capsys.readouterr().out.split("ada is in\n", 1)
    assert "timer 1: due at" in description and "the code waits at onboarding (README.md:" in description
    times = {line.split()[2]: float(line.split()[1].rstrip("s")) for line in history.splitlines()}
    assert times["WorkflowTaskTimedOut"] - times["WorkflowExecutionSignaled"] == 10


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
