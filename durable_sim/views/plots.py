"""Plots of many executions: how long they take, how many are open, how often they try again, how long money is out.

Takes tidy tables (`views.tables`), gives figures; with `ax=` it draws on axes of the user's own and gives their figure.
Always holds: what did not end is counted, not left out; a band around a rate is its 95 % confidence interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from durable_sim.durations import DAY, HOUR, MILLISECOND, MINUTE, SECOND, format_us
from durable_sim.errors import UserError
from durable_sim.intervals import wilson
from durable_sim.views.axes import (
    Ink,
    Page,
    axes_of,
    dressed,
    figure_of,
    inks,
    legend_on,
    percents,
    set_fonts,
    time_unit,
    whole_numbers,
)
from durable_sim.views.looks import GREEN, ORANGE, PURPLE, SKY
from durable_sim.views.time_axis import about
from durable_sim.views.work import open_over_time

BUCKETS: Final = 48
STEPS_MAX: Final = 120
"""A curve of counts with more steps is averaged."""
_ROUND_US: Final = (
    *(count * MILLISECOND for count in (1, 10, 100)),
    *(count * SECOND for count in (1, 10)),
    *(count * MINUTE for count in (1, 10)),
    *(count * HOUR for count in (1, 6)),
    *(count * DAY for count in (1, 10, 100)),
)
_CLOSED: Mapping[str, tuple[str, Ink]] = MappingProxyType(
    {
        "fulfilled": ("fulfilled", Ink(GREEN, "-", "o")),
        "undone": ("paid back", Ink(PURPLE, "-", "s")),
        "open": ("still open at the end", Ink(ORANGE, "-", ">")),
    }
)
_FIRST: Final = Ink(SKY, "-", "")
_AGAIN: Final = Ink(ORANGE, "-", "")


def durations(
    executions: pd.DataFrame,
    *,
    by: str = "model",
    ax: Axes | None = None,
    title: str = "How long executions take",
    subtitle: str = "",
) -> Figure:
    """The share of executions that have ended within a time, a curve for each value of the column `by`.

    `executions` is one or more executions tables, one below the other, with such a column, or without for one curve. An
    execution that never ends keeps its curve below 100 %. The axis of time is logarithmic where they differ much.
    """
    groups = _groups(executions, by, ("duration_us",))
    looks = inks(list(groups), marked=False)
    legend = [(_ended(name, group), looks[name]) for name, group in groups.items()]
    page = Page(title, subtitle or _sizes(groups, "execution"), legend=legend)
    axes = dressed(axes_of(page, ax), "time from arrival to end", "have ended")
    known = [float(us) for group in groups.values() for us in group["duration_us"].dropna()]
    _time_across(axes, known)
    for (words, ink), group in zip(legend, groups.values(), strict=True):
        lengths = sorted(float(us) for us in group["duration_us"].dropna())
        xs = [_left_of(known), *lengths, max(known, default=float(SECOND))]
        ys = [0.0, *((place + 1) / len(group) for place in range(len(lengths))), len(lengths) / max(1, len(group))]
        axes.plot(xs, ys, drawstyle="steps-post", color=ink.color, linestyle=ink.line, linewidth=2.0, label=words)
    axes.set_ylim(0, 1.04)
    percents(axes)
    told = "; ".join(words for words, _ in legend)
    return _done(page, ax, f"{title}. Share of executions ended, by time. {told or 'none'}.")


def load_over_time(
    executions: pd.DataFrame,
    *,
    by: str = "model",
    ax: Axes | None = None,
    title: str = "How many executions are open",
    subtitle: str = "",
) -> Figure:
    """How many executions have arrived and not ended, over time; a curve for each value of the column `by`.

    Where the count changes more than 120 times, its means over short stretches of time are shown.
    """
    groups = _groups(executions, by, ("arrived_us", "ended_us"))
    looks = inks(list(groups), marked=False)
    page = Page(title, subtitle or _sizes(groups, "execution"), legend=list(looks.items()))
    peaks = _draw_load(axes_of(page, ax), groups, looks, _latest_us(executions, "arrived_us", "ended_us"))
    told = "; ".join(f"{name} at most {peak}" for name, peak in peaks.items())
    return _done(page, ax, f"{title}, over time: {told or 'none'}.")


def attempts_over_time(
    attempts: pd.DataFrame,
    *,
    ax: Axes | None = None,
    title: str = "First attempts and retries",
    subtitle: str = "",
) -> Figure:
    """How many attempts of activities began in each stretch of time: first ones, and on top of them further ones."""
    _needs(attempts, ("started_us", "attempt"))
    page = Page(title, subtitle or _first_and_again(attempts), legend=_attempt_legend())
    _draw_attempts(axes_of(page, ax), attempts, _latest_us(attempts, "started_us"))
    return _done(page, ax, f"{title}: {_first_and_again(attempts)}")


def load_and_retries(
    executions: pd.DataFrame, attempts: pd.DataFrame, *, title: str = "Load and retries", subtitle: str = ""
) -> Figure:
    """Open executions above, attempts below, over the same time."""
    groups = _groups(executions, "", ("arrived_us", "ended_us"))
    _needs(attempts, ("started_us", "attempt"))
    page = Page(title, subtitle or _first_and_again(attempts), panels=2, legend=_attempt_legend(), height=150)
    last_us = max(_latest_us(executions, "arrived_us", "ended_us"), _latest_us(attempts, "started_us"))
    peaks = _draw_load(page.panels[0], groups, inks(list(groups)), last_us)
    _draw_attempts(page.panels[1], attempts, last_us)
    page.panels[0].set_xlabel("")
    most = max(peaks.values(), default=0)
    return _done(page, None, f"{title}. Open executions: at most {most}. {_first_and_again(attempts)}")


def inconsistency_windows(
    windows: pd.DataFrame,
    *,
    ax: Axes | None = None,
    title: str = "Charged, and nothing fulfilled",
    subtitle: str = "",
) -> Figure:
    """The times during which a customer is charged and nothing is fulfilled: a line for each window of a windows table,
    the first at the top."""
    _needs(windows, ("begun_us", "ended_us", "closed"))
    ordered = windows.sort_values("begun_us", kind="stable")
    legend = [entry for kind, entry in _CLOSED.items() if (ordered["closed"] == kind).any()]
    height = min(420.0, max(120.0, 13.0 * len(ordered)))
    page = Page(title, subtitle or _windows_in_words(ordered), legend=legend, height=height)
    axes = dressed(axes_of(page, ax), "", "windows")
    axes.grid(visible=False)
    unit, size = _time_along(axes, [float(us) for us in ordered["ended_us"]])
    thick = 6.0 if len(ordered) <= 30 else max(1.0, 180 / len(ordered))
    for row, (_, window) in enumerate(ordered.iterrows(), start=1):
        words, ink = _CLOSED[window["closed"]]
        span = [window["begun_us"] / size, window["ended_us"] / size]
        axes.plot(span, [row, row], color=ink.color, linewidth=thick, solid_capstyle="butt", label=f"_{words}")
        axes.plot(span[1:], [row], color=ink.color, marker=ink.marker, markersize=min(thick, 5) + 1.5, clip_on=False)
    axes.set_ylim(max(len(ordered), 1) + 0.7, 0.4)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    return _done(page, ax, f"{title}. {_windows_in_words(ordered)} Time in {unit}.")


def sweep_curve(
    table: pd.DataFrame,
    *,
    x: str,
    bad: str = "bad",
    runs: str = "runs",
    by: str = "model",
    ax: Axes | None = None,
    title: str = "How often it goes wrong",
    subtitle: str = "",
    x_name: str = "",
) -> Figure:
    """The share of bad outcomes against the column `x`, a curve with its 95 % band for each value of the column `by`.

    A row of the table is one point: `bad` of `runs` went wrong at this `x`.
    """
    groups = _groups(table, by, (x, bad, runs))
    looks = inks(list(groups))
    page = Page(title, subtitle or "Bands: 95 % confidence (Wilson).", legend=list(looks.items()))
    axes = dressed(axes_of(page, ax), x_name or x.replace("_", " "), "bad outcomes")
    told = []
    for name, group in groups.items():
        points = [_point(row, x, bad, runs) for _, row in group.sort_values(x).iterrows()]
        _draw_curve(axes, points, looks[name], name)
        told.append(f"{name} " + ", ".join(f"{100 * share:.3g} % at {at:.3g}" for at, share, _, _ in points))
    axes.set_ylim(bottom=0)
    percents(axes)
    return _done(page, ax, f"{title}. Share of bad outcomes by {x_name or x}: {'; '.join(told) or 'none'}.")


# --- tables
def _groups(table: pd.DataFrame, by: str, columns: Sequence[str]) -> dict[str, pd.DataFrame]:
    """The rows for each value of a column, in the order in which the values come; all of them where it is missing."""
    _needs(table, columns)
    if by not in table.columns:
        return {"all": table}
    return {str(value): table[table[by] == value] for value in table[by].drop_duplicates()}


def _needs(table: pd.DataFrame, columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in table.columns]
    if missing:
        known = ", ".join(map(str, table.columns)) or "none"
        raise UserError(f"the table has no column {missing[0]!r}; it has {known}")


def _latest_us(table: pd.DataFrame, *columns: str) -> float:
    """The latest time in these columns, 0 where there is none."""
    return max((float(us) for name in columns for us in table[name].dropna()), default=0.0)


# --- words
def _sizes(groups: Mapping[str, pd.DataFrame], what: str) -> str:
    sizes = list(dict.fromkeys(len(group) for group in groups.values()))
    count = f"{sizes[0]:,} {what}{'' if sizes[0] == 1 else 's'}" if sizes else f"No {what}s"
    return f"{count} each." if len(groups) > 1 and len(sizes) == 1 else f"{sum(map(len, groups.values())):,} {what}s."


def _ended(name: str, group: pd.DataFrame) -> str:
    lengths = group["duration_us"].dropna()
    share = f"{100 * len(lengths) / len(group):.3g} % end" if len(group) else "none"
    return f"{name}: {share}" + (f", median {about(int(lengths.median()))}" if len(lengths) else "")


def _first_and_again(attempts: pd.DataFrame) -> str:
    begun = attempts[attempts["started_us"].notna()]
    again = int((begun["attempt"] > 1).sum())
    return f"{len(begun) - again:,} first attempts and {again:,} further ones."


def _windows_in_words(windows: pd.DataFrame) -> str:
    closed = windows[windows["closed"] != "open"]
    lengths = closed["ended_us"] - closed["begun_us"]
    told = f", median {about(int(lengths.median()))}, longest {about(int(lengths.max()))}" if len(closed) else ""
    return f"{len(closed):,} windows closed{told}; {len(windows) - len(closed):,} open at the end."


def _attempt_legend() -> list[tuple[str, Ink]]:
    return [("first attempts", _FIRST), ("further attempts", _AGAIN)]


# --- drawing
def _draw_load(
    axes: Axes, groups: Mapping[str, pd.DataFrame], looks: Mapping[str, Ink], last_us: float
) -> dict[str, int]:
    """Draw the curves up to an instant; gives the peak of each."""
    dressed(axes, "", "open executions")
    _, size = _time_along(axes, [last_us])
    peaks = {}
    for name, group in groups.items():
        pairs = zip(group["arrived_us"], group["ended_us"], strict=True)
        steps = open_over_time((int(start), None if pd.isna(end) else int(end)) for start, end in pairs)
        peaks[name] = max((count for _, count in steps), default=0)
        if len(steps) > STEPS_MAX:
            axes.set_ylabel("open executions (mean)")
        xs, ys = _averaged(steps, last_us) if len(steps) > STEPS_MAX else _to_the_end(steps, last_us)
        style: dict[str, Any] = {"color": looks[name].color, "linestyle": looks[name].line, "linewidth": 1.8}
        axes.plot([us / size for us in xs], ys, drawstyle="steps-post", label=name, **style)
    whole_numbers(axes)
    return peaks


def _to_the_end(steps: Sequence[tuple[int, int]], last_us: float) -> tuple[list[float], list[float]]:
    """Counts as they are, the last of them up to the end."""
    ends = [last_us] if steps else []
    return [float(us) for us, _ in steps] + ends, [float(count) for _, count in (*steps, *steps[-1:])]


def _averaged(steps: Sequence[tuple[int, int]], last_us: float) -> tuple[list[float], list[float]]:
    """The mean of the counts over each of equal stretches of time: more steps than that are a blot of ink."""
    width_us = last_us / (2 * BUCKETS)
    sums = [0.0] * (2 * BUCKETS)
    ends = [us for us, _ in steps[1:]] + [last_us]
    for (start_us, count), end_us in zip(steps, ends, strict=True):
        for place in range(int(start_us // width_us), min(int(end_us // width_us) + 1, len(sums))):
            shared_us = min(end_us, (place + 1) * width_us) - max(start_us, place * width_us)
            sums[place] += count * max(0.0, shared_us) / width_us
    return [place * width_us for place in range(len(sums) + 1)], [*sums, sums[-1]]


def _draw_attempts(axes: Axes, attempts: pd.DataFrame, last_us: float) -> None:
    dressed(axes, "", "attempts begun")
    _, size = _time_along(axes, [last_us])
    bins = [last_us / size * place / BUCKETS for place in range(BUCKETS + 1)] if last_us else [0.0, 1.0]
    begun = attempts[attempts["started_us"].notna()]
    times = [
        [float(us) / size for us in begun[again]["started_us"]]
        for again in (begun["attempt"] <= 1, begun["attempt"] > 1)
    ]
    (first, first_ink), (further, further_ink) = _attempt_legend()
    colors, labels = [first_ink.color, further_ink.color], [first, further]
    axes.hist(times, bins=bins, stacked=True, color=colors, label=labels, rwidth=0.86)
    whole_numbers(axes)


Point = tuple[float, float, float, float]
"""Where on the x axis, the share, and the ends of its interval."""


def _point(row: pd.Series[Any], x: str, bad: str, runs: str) -> Point:
    wrong, whole = int(row[bad]), int(row[runs])
    return (float(row[x]), wrong / whole if whole else 0.0, *wilson(wrong, whole))


def _draw_curve(axes: Axes, points: Sequence[Point], ink: Ink, name: str) -> None:
    xs, shares, lows, highs = zip(*points, strict=True) if points else ((), (), (), ())
    axes.fill_between(xs, lows, highs, color=ink.color, alpha=0.15, linewidth=0)
    style: dict[str, Any] = {"color": ink.color, "linestyle": ink.line, "marker": ink.marker}
    axes.plot(
        xs, shares, linewidth=2.0, markersize=6.5, markeredgecolor="white", markeredgewidth=0.7, label=name, **style
    )


def _time_along(axes: Axes, known_us: Sequence[float]) -> tuple[str, int]:
    """An x axis of simulated time from 0 to the last of these."""
    last_us = max(known_us, default=0.0)
    unit, size = time_unit(last_us)
    axes.set_xlim(0, max(last_us, 1.0) / size * 1.01)
    axes.set_xlabel(f"simulated time ({unit})")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))
    return unit, size


def _time_across(axes: Axes, known_us: Sequence[float]) -> None:
    """An x axis of lengths of time in microseconds, logarithmic where they differ more than fifty times."""
    positive = [us for us in known_us if us > 0] or [float(SECOND)]
    least, most = min(positive), max(positive)
    if most <= 50 * least:
        unit, size = time_unit(most)
        axes.set_xlim(0, most * 1.05)
        steps = MaxNLocator(nbins=7).tick_values(0, most * 1.05 / size)
        ticks = [step * size for step in steps if step >= 0]
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / size:.6g} {unit}"))
    else:
        axes.set_xscale("log")
        axes.set_xlim(_left_of(known_us), most * 1.3)
        ticks = [us for us in _ROUND_US if _left_of(known_us) <= us <= most * 1.3]
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_us(round(value))))
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(axes.get_xlim())
    set_fonts(axes)


def _left_of(known_us: Sequence[float]) -> float:
    """Where the axis of lengths begins."""
    positive = [us for us in known_us if us > 0]
    return min(positive, default=1.0) / 1.3 if max(positive, default=1.0) > 50 * min(positive, default=1.0) else 0.0


def _done(page: Page, ax: Axes | None, words: str) -> Figure:
    if ax is not None:
        legend_on(ax)
        return figure_of(ax)
    page.picture.alt = words
    return page.picture
