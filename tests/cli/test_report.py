"""report: writes a page, tells where, and what to mend where it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from durable_sim.cli import report
from durable_sim.cli.common import Parser
from durable_sim.errors import UserError

SCENARIOS = Path(__file__).parents[2] / "scenarios"
CRASH = str(SCENARIOS / "crash_after_charge.toml")
ORDERS = str(SCENARIOS / "order_fulfillment.toml")


def made(*arguments: str) -> int:
    """The exit status of the command."""
    parser = Parser()
    report.add(parser.add_subparsers())
    options = parser.parse_args(["report", *arguments])
    return int(options.act(options))


def test_a_report_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Question, all models of the file, and the commands that repeat it, with the settings that were given."""
    target = tmp_path / "out.html"
    assert made(CRASH, "--html", str(target), "--seed", "5", "--set", "workers=3") == 0
    page = target.read_text(encoding="utf-8")
    assert "The process crashes after the card was charged" in page and f"written: {target}" in capsys.readouterr().out
    assert all(f">{model}</th>" in page for model in ("regular", "status_columns", "replay", "steps"))
    for word in ("report", "run", "--replay", "--model", "crash_after_charge.html", "workers=3"):
        assert f">{word}</span>" in page
    assert 'id="sweep"' not in page and 'id="health"' not in page  # of one execution there is nothing to judge


def test_the_same_command_writes_the_same_bytes(tmp_path: Path) -> None:
    """Whatever the file is called."""
    one, other = tmp_path / "one.html", tmp_path / "other.html"
    for target in (one, other):
        made(CRASH, "--html", str(target), "--model", "regular")
    assert one.read_bytes() == other.read_bytes()


def test_models_can_be_chosen_and_swept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --crashes there is a guarantee for each; --json tells it all."""
    target = tmp_path / "out.html"
    assert made(CRASH, "--html", str(target), "--model", "steps", "--model", "replay", "--crashes", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [*told["models"]] == [*told["guarantees"]] == ["steps", "replay"] and told["html"] == str(target)
    page = target.read_text(encoding="utf-8")
    assert 'id="sweep"' in page and told["guarantees"]["steps"].removeprefix("steps: ") in page


def test_many_executions_have_a_health(tmp_path: Path) -> None:
    """The four metrics of the worst run."""
    target = tmp_path / "out.html"
    made(ORDERS, "--html", str(target), "--model", "steps", "--set", "arrivals.count=60")
    page = target.read_text(encoding="utf-8")
    assert 'id="health"' in page and "completion_rate below 98 %" in page


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--model", "repaly"], "--model: unknown execution model 'repaly'"),
        (["--html", "no/such/folder/out.html"], "cannot be written .No such file or directory.; give another file"),
    ],
)
def test_mistakes_are_told(arguments: list[str], expected: str, tmp_path: Path) -> None:
    """What was found, and what to do."""
    with pytest.raises(UserError, match=expected):
        made(CRASH, "--html", str(tmp_path / "out.html"), *arguments)


def test_where_to_write_must_be_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is written anywhere else."""
    with pytest.raises(SystemExit):
        made(CRASH)
    assert "--html" in capsys.readouterr().err
