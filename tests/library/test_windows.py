"""The windows in which a customer is charged and nothing is fulfilled."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from durable_sim.api import compare_scenario
from durable_sim.durations import MINUTE, SECOND
from durable_sim.files.scenario_file import load
from durable_sim.library.windows import Window, WindowSummary, summarise, windows
from durable_sim.simulation.run import simulate
from durable_sim.world.ledger import Entry

SCENARIOS = Path(__file__).parents[2] / "scenarios"
CHARGE, REFUND, SHIP, VOID = "payments.charge", "payments.refund", "shipping.schedule", "shipping.void"


class Done(NamedTuple):
    """A finished run, by its ledger and its end."""

    ledger: tuple[Entry, ...]
    ended_us: int = 100


def done(*entries: tuple[int, str, int | None], execution: str = "o-1") -> Done:
    """A run with entries (time, kind, what it undoes) of one execution."""
    made = (
        Entry(index, time, kind, execution, 1, "", 1, "", undoes, 1, time)
        for index, (time, kind, undoes) in enumerate(entries)
    )
    return Done(tuple(made))


def spans(run: Done) -> list[tuple[int, int, str]]:
    """The windows in short."""
    return [(window.begun_us, window.ended_us, window.closed) for window in windows(run)]


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], []),
        ([(5, SHIP, None)], []),
        ([(5, CHARGE, None), (9, SHIP, None)], [(5, 9, "fulfilled")]),
        ([(5, SHIP, None), (9, CHARGE, None)], []),
        ([(5, CHARGE, None), (9, REFUND, 0)], [(5, 9, "undone")]),
        ([(5, CHARGE, None)], [(5, 100, "open")]),
        ([(5, CHARGE, None), (7, CHARGE, None), (9, REFUND, 0)], [(5, 100, "open")]),
        ([(5, CHARGE, None), (7, CHARGE, None), (9, REFUND, 0), (11, REFUND, 1)], [(5, 11, "undone")]),
        (
            [(5, CHARGE, None), (7, SHIP, None), (9, VOID, 1), (11, REFUND, 0)],
            [(5, 7, "fulfilled"), (9, 11, "undone")],
        ),
        ([(5, CHARGE, None), (6, "inventory.reserve", None), (9, SHIP, None)], [(5, 9, "fulfilled")]),
    ],
)
def test_a_window_is_open_while_a_payment_stands_and_nothing_is_fulfilled(
    entries: list[tuple[int, str, int | None]], expected: list[tuple[int, int, str]]
) -> None:
    """It closes when the goods come or the money is back, and may open again."""
    assert spans(done(*entries)) == expected


def test_each_execution_has_its_own_windows() -> None:
    """One's parcel closes nobody else's."""
    first = Entry(0, 5, CHARGE, "o-1", 1, "", 1, "", None, 1, 5)
    other = Entry(1, 7, SHIP, "o-2", 1, "", 1, "", None, 2, 7)
    assert windows(Done((first, other))) == (Window("o-1", 5, 100, "open"),)


def test_a_summary_counts_open_windows_apart() -> None:
    """Of two in the middle the lower is the median; without any closed one there is none."""
    closed = [Window("o", 0, length, "fulfilled") for length in (40, 10, 20, 30)]
    assert summarise([*closed, Window("o", 0, 99, "open")]) == WindowSummary(4, 20, 40, 1)
    assert summarise([]) == WindowSummary(0, 0, 0, 0)


def test_other_kinds_of_effect_can_be_given() -> None:
    """A merchant is owed between capture and payout."""
    run = done((5, "acquirer.charge", None), (25, "acquirer.payout", None))
    assert windows(run, "acquirer.charge", "acquirer.payout") == (Window("o-1", 5, 25, "fulfilled"),)


def test_the_window_is_there_under_every_model_and_differs_in_its_tail() -> None:
    """A median below a second, but where each step is a call of its own; what is longest is a process's memory, a
    sweeper, or a time-out."""
    loaded = load(SCENARIOS / "charged_and_not_fulfilled.toml")
    comparison = compare_scenario(loaded.scenario(), loaded.file.models, loaded.file.seed)
    found = {model: summarise(windows(run.recording)) for model, run in comparison.runs.items()}
    assert all((summary.median_us < SECOND) == (model != "steps") for model, summary in found.items())
    assert found["regular"].open >= 5
    assert [model for model, summary in found.items() if summary.open] == ["regular"]
    assert found["status_columns"].longest_us > 2 * MINUTE
    assert 10 * SECOND < found["replay"].longest_us < MINUTE


def test_a_month_leaves_twelve_orders_open_under_status_columns_without_a_sweeper() -> None:
    """All that the scenario calls orphaned are open: stuck, as the article has it."""
    loaded: Any = load(SCENARIOS / "month.toml")
    recording = simulate(loaded.scenario(), "status_columns", loaded.file.seed)
    assert sum(execution.status == "open" for execution in recording.executions) == 12
    assert summarise(windows(recording)).open == 12
