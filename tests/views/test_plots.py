"""Plots: what is drawn is what the table says, on our own page or on the user's axes, and all of it can be read."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from durable_sim.durations import DAY, HOUR, MINUTE, SECOND
from durable_sim.errors import UserError
from durable_sim.intervals import wilson
from durable_sim.views.plots import (
    STEPS_MAX,
    attempts_over_time,
    durations,
    inconsistency_windows,
    load_and_retries,
    load_over_time,
    sweep_curve,
)

MODELS = ("regular", "regular_rerun", "status_columns", "status_columns_transactional", "replay", "steps")
SIZES = (1, 3, 60, 400)


def executions(count: int, models: tuple[str, ...] = MODELS, *, spread: int = 1) -> pd.DataFrame:
    """Executions that arrive ten seconds apart and take longer and longer; the last of each model never ends."""
    rows = [
        {
            "model": model,
            "arrived_us": 10 * SECOND * number,
            "duration_us": None if number == count - 1 else (1 + place) * SECOND * (1 + number) ** spread,
        }
        for place, model in enumerate(models)
        for number in range(count)
    ]
    table = pd.DataFrame(rows, columns=["model", "arrived_us", "duration_us"]).astype({"duration_us": "Int64"})
    return table.assign(ended_us=table["arrived_us"] + table["duration_us"])


def attempts(count: int) -> pd.DataFrame:
    """Attempts a second apart, every third of them a second one, the last not begun."""
    rows = [{"started_us": number * SECOND, "attempt": 1 + (number % 3 == 2)} for number in range(count)]
    return pd.DataFrame([*rows, {"started_us": None, "attempt": 1}]).astype({"started_us": "Int64"})


def windows(count: int) -> pd.DataFrame:
    """Windows a minute apart, closed in each way in turn."""
    closed = ("fulfilled", "undone", "open")
    rows = [
        {
            "begun_us": number * MINUTE,
            "ended_us": (count + 1) * MINUTE if number % 3 == 2 else number * MINUTE + SECOND,
            "closed": closed[number % 3],
        }
        for number in range(count)
    ]
    return pd.DataFrame(rows, columns=["begun_us", "ended_us", "closed"])


def curve(count: int) -> pd.DataFrame:
    """Points of each model, of a hundred runs each."""
    rows = [
        {"model": model, "fault_rate": number / 100, "bad": min(100, number * place), "runs": 100}
        for place, model in enumerate(MODELS)
        for number in range(count)
    ]
    return pd.DataFrame(rows, columns=["model", "fault_rate", "bad", "runs"])


PLOTS: dict[str, Callable[[int, Axes | None], Figure]] = {
    "durations": lambda size, ax: durations(executions(size), ax=ax),
    "durations far apart": lambda size, ax: durations(executions(size, spread=4), ax=ax),
    "load": lambda size, ax: load_over_time(executions(size), ax=ax),
    "attempts": lambda size, ax: attempts_over_time(attempts(size), ax=ax),
    "windows": lambda size, ax: inconsistency_windows(windows(size), ax=ax),
    "curve": lambda size, ax: sweep_curve(curve(min(size, 60)), x="fault_rate", ax=ax),
}


def written(figure: Figure) -> list[tuple[str, Any]]:
    """All texts that are drawn, with their places."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    FigureCanvasAgg(figure).draw()
    texts: list[Text] = [text for axes in figure.axes for text in (*axes.texts, axes.xaxis.label, axes.yaxis.label)]
    for axes in figure.axes:
        if axes.axison:
            for axis in (axes.xaxis, axes.yaxis):
                low, high = sorted(axis.get_view_interval())
                texts += [one.label1 for one in axis.get_major_ticks() if low <= one.get_loc() <= high]
    return [(text.get_text(), text.get_window_extent(renderer)) for text in texts if text.get_text()]


def collisions(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts that overlap, and texts that stick out of the figure."""
    boxes = written(figure)
    found = [
        (one, other)
        for (one, a), (other, b) in combinations(boxes, 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1.5
    ]
    width, height = figure.bbox.width, figure.bbox.height
    return found + [(one, "the edge") for one, a in boxes if a.x0 < 0 or a.y0 < 0 or a.x1 > width or a.y1 > height]


# --- all
@pytest.mark.parametrize("size", [0, *SIZES])
@pytest.mark.parametrize("name", PLOTS)
def test_all_texts_can_be_read(name: str, size: int) -> None:
    """However much there is, no text overlaps another or is cut off."""
    assert collisions(PLOTS[name](size, None)) == []


@pytest.mark.parametrize("size", [0, *SIZES])
def test_two_panels_can_be_read(size: int) -> None:
    """Load above retries, with one time axis for both."""
    figure = load_and_retries(executions(size, ("replay",)), attempts(size))
    assert collisions(figure) == []
    above, below = figure.axes[1:]
    assert above.get_xlim() == below.get_xlim()


def test_two_panels_count_time_in_the_same_unit() -> None:
    """Executions of seconds and attempts of hours stand where they belong on one axis of hours."""
    short = pd.DataFrame({"arrived_us": [0], "ended_us": [90 * SECOND]})
    figure = load_and_retries(short, pd.DataFrame({"started_us": [0, 5 * HOUR], "attempt": [1, 2]}))
    xs, _ = (list(map(float, data)) for data in figure.axes[1].lines[0].get_data())
    assert xs == [0, pytest.approx(90 / 3600), 5]
    assert figure.axes[2].get_xlabel() == "simulated time (h)"


def test_texts_that_collide_would_be_found() -> None:
    """The same check finds two labels that are put on top of each other, and one that is cut off."""
    figure = durations(executions(3))
    figure.axes[0].text(30, 40, "somewhere")
    figure.axes[0].text(31, 41, "nearly there")
    figure.axes[0].text(-30, 300, "outside")
    assert ("somewhere", "nearly there") in collisions(figure)
    assert ("outside", "the edge") in collisions(figure)


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_goes_onto_given_axes(name: str) -> None:
    """With `ax=` it draws there, gives that figure, and leaves its size alone."""
    mine = Figure(figsize=(5, 4))
    axes = mine.subplots()
    assert PLOTS[name](3, axes) is mine
    assert len(mine.axes) == 1 and tuple(mine.get_size_inches()) == (5, 4)
    assert axes.lines or axes.patches


@pytest.mark.parametrize("name", PLOTS)
def test_a_users_settings_change_nothing(name: str) -> None:
    """Whatever matplotlib is told, the bytes are the same."""
    plain = PLOTS[name](3, None)._repr_png_()  # type: ignore[attr-defined]
    wild = {"font.family": "monospace", "font.size": 30, "axes.facecolor": "black", "axes.grid": True}
    with mpl.rc_context(wild):
        assert {one.get_fontname() for one in PLOTS[name](3, None).axes[0].texts} == {"DejaVu Sans"}
    assert PLOTS[name](3, None)._repr_png_() == plain  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_has_words(name: str) -> None:
    """Its alternative text begins with its title, and tells numbers."""
    words = PLOTS[name](60, None).alt  # type: ignore[attr-defined]
    assert len(words) > 40 and any(letter.isdigit() for letter in words)


@pytest.mark.parametrize("name", PLOTS)
def test_a_missing_column_is_named(name: str) -> None:
    """The error says which column is missing, and which there are."""
    empty = pd.DataFrame({"something": [1]})
    calls: dict[str, Callable[[], Figure]] = {
        "load": lambda: load_over_time(empty),
        "attempts": lambda: attempts_over_time(empty),
        "windows": lambda: inconsistency_windows(empty),
        "curve": lambda: sweep_curve(empty, x="fault_rate"),
    }
    with pytest.raises(UserError, match=r"has no column '.*'; it has something"):
        calls.get(name, lambda: durations(empty))()


# --- each
def line(figure: Figure, label: str) -> tuple[list[float], list[float]]:
    """The points of the curve of this label."""
    (found,) = [one for one in figure.axes[-1].lines if str(one.get_label()).startswith(label)]
    return list(map(float, np.asarray(found.get_xdata()))), list(map(float, np.asarray(found.get_ydata())))


def test_what_never_ends_keeps_the_curve_below_one() -> None:
    """Of four executions, one of which never ends, three quarters have ended."""
    xs, ys = line(durations(executions(4, ("replay",))), "replay")
    assert (ys[0], ys[-1]) == (0.0, 0.75)
    assert xs[1:4] == [1 * SECOND, 2 * SECOND, 3 * SECOND]


def test_lengths_that_differ_much_have_a_logarithmic_axis() -> None:
    """Up to fifty times there is a plain axis, beyond it a logarithmic one with round ticks."""
    assert durations(executions(30, ("replay",))).axes[1].get_xscale() == "linear"
    axes = durations(executions(30, ("replay",), spread=4)).axes[1]
    assert axes.get_xscale() == "log"
    assert {"1s", "1m", "1h"} <= {one.get_text() for one in axes.get_xticklabels()}


def test_open_executions_are_counted() -> None:
    """Three that overlap by pairs make the curve 1, 2, 1, 2, 1, 0."""
    table = pd.DataFrame({"arrived_us": [0, 10, 20], "ended_us": [15, 25, 30]})
    figure = load_over_time(table)
    xs, ys = line(figure, "all")
    assert ys == [1, 2, 1, 2, 1, 0, 0]
    assert xs[0] == 0 and "all at most 2" in figure.alt  # type: ignore[attr-defined]


def test_many_changes_are_averaged_and_the_axis_says_so() -> None:
    """The mean over each stretch keeps the whole time that executions were open."""
    count = 4 * STEPS_MAX
    starts = [number * MINUTE for number in range(count)]
    table = pd.DataFrame({"arrived_us": starts, "ended_us": [start + 15 * SECOND for start in starts]})
    figure = load_over_time(table)
    xs, ys = line(figure, "all")
    assert figure.axes[1].get_ylabel() == "open executions (mean)"
    area = sum((b - a) * y for a, b, y in zip(xs, xs[1:], ys, strict=False))
    assert area * HOUR == pytest.approx(count * 15 * SECOND)


def test_first_attempts_and_further_ones_are_stacked() -> None:
    """Of 30 attempts that were begun, 20 are first ones; the words say so, and the bars have that height together."""
    figure = attempts_over_time(attempts(30))
    heights = [sum(bar.get_height() for bar in bars) for bars in figure.axes[1].containers]  # type: ignore[attr-defined]
    assert heights == [20, 10]
    assert "20 first attempts and 10 further ones." in figure.alt  # type: ignore[attr-defined]


def test_open_windows_have_an_arrow() -> None:
    """Each window is a line; those that nothing closed end in an arrow, the others in other marks."""
    figure = inconsistency_windows(windows(9))
    marks = [str(one.get_marker()) for one in figure.axes[1].lines if one.get_marker() != "None"]
    assert sorted(marks) == [">"] * 3 + ["o"] * 3 + ["s"] * 3
    assert "6 windows closed, median 1 s, longest 1 s; 3 open at the end." in figure.alt  # type: ignore[attr-defined]


def test_a_band_is_the_interval() -> None:
    """The filled area of a curve reaches from the lower to the upper end of each point's interval."""
    table = pd.DataFrame({"rate": [0.0, 0.5], "bad": [0, 30], "runs": [100, 100]})
    axes = sweep_curve(table, x="rate", by="").axes[1]
    heights = {round(float(y), 6) for y in axes.collections[0].get_paths()[0].vertices[:, 1]}  # type: ignore[index,call-overload]
    assert heights == {round(one, 6) for pair in (wilson(0, 100), wilson(30, 100)) for one in pair}
    assert line(axes.get_figure(), "all")[1] == [0.0, 0.3]  # type: ignore[arg-type]


# --- the interval
@pytest.mark.parametrize(
    ("bad", "runs", "low", "high"), [(0, 10, 0.0, 0.2775), (1, 10, 0.0179, 0.4042), (50, 100, 0.4038, 0.5962)]
)
def test_the_interval_is_wilson_s(bad: int, runs: int, low: float, high: float) -> None:
    """It agrees with values computed by hand from the formula."""
    assert wilson(bad, runs) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


@given(st.integers(0, 500), st.integers(0, 500))
def test_the_interval_holds_the_rate(bad: int, good: int) -> None:
    """It lies in [0, 1], holds the measured rate, and is mirrored when bad and good change places."""
    low, high = wilson(bad, bad + good)
    assert 0 <= low <= high <= 1
    assert bad + good == 0 or low <= bad / (bad + good) <= high
    mirrored = wilson(good, bad + good)
    assert (1 - high, 1 - low) == (pytest.approx(mirrored[0]), pytest.approx(mirrored[1]))


def test_days_are_told_in_days() -> None:
    """The axis of a run of ten days is not in seconds."""
    table = pd.DataFrame({"arrived_us": [0, 5 * DAY], "ended_us": [DAY, 10 * DAY]})
    assert load_over_time(table).axes[1].get_xlabel() == "simulated time (d)"
