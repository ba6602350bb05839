"""Health as a figure: a chart for each rule, with its line, what is normal, when the alert was on, and the outages.

Takes a `Health`, gives a picture. Always holds: a line breaks where there is no value, and is pale where a sample was
too small to be judged; words stand where no line is, or are left out where they are told elsewhere too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Final, NamedTuple

from durable_sim.durations import HOUR, MINUTE, SECOND, Duration, duration_us
from durable_sim.health.health import Health, Signal
from durable_sim.health.rules import Alert, Rule, normal_of, short, worded
from durable_sim.health.series import Metric, Sample
from durable_sim.views import palette
from durable_sim.views.palette import (
    BODY_PT,
    EDGE_PT,
    GRID,
    INK,
    MUTED,
    RULE,
    SMALL_PT,
    Canvas,
    Look,
    elided,
    text_width,
)
from durable_sim.views.picture import Picture
from durable_sim.views.time_axis import TimeScale, axis, time_scale

CHART_PT: Final = 330.0
"""The width of a chart with its ticks, if there are several in a row."""
PLOT_PT: Final = 118.0
HEAD_PT: Final = 34.0
"""Above a chart: what it shows, and its alerts in words."""
FOOT_PT: Final = 40.0
TICKS_PT: Final = 36.0
GAP_PT: Final = 26.0
BAND: Final = "#EEF0F2"
ALERT_FILL: Final = "#F6DDCC"
BANDS_NAMED: Final = 2
"""Of more outages none is named in the charts."""
TITLES: Final = MappingProxyType(
    {
        "completion_rate": "Completion rate",
        "step_failure_rate": "Step failure rate",
        "duration_p95": "Duration p95",
        "active": "Active executions",
    }
)
PERCENT: Final = ("completion_rate", "step_failure_rate")


class Box(NamedTuple):
    """A part of the canvas."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """Whether two parts overlap."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def health_panel(
    health: Health,
    *,
    title: str | None = None,
    subtitle: str | None = None,
    columns: int = 2,
    chart_pt: float = CHART_PT,
) -> Picture:
    """A chart for each rule, `columns` in a row, each `chart_pt` points wide (72 points are an inch)."""
    columns = max(1, min(columns, len(health.signals)))
    rows = -(-len(health.signals) // columns)
    title, subtitle = title or _title(health), subtitle or _subtitle(health)
    row_pt = HEAD_PT + PLOT_PT + FOOT_PT
    note = any(_pale(signal) for signal in health.signals)
    width = 2 * EDGE_PT + columns * chart_pt + (columns - 1) * GAP_PT
    canvas = Canvas(width, 62 + rows * row_pt + (16 if note else 0))
    canvas.header(title, subtitle)
    for place, signal in enumerate(health.signals):
        left = EDGE_PT + (place % columns) * (chart_pt + GAP_PT)
        top = 62 + place // columns * row_pt
        plot = Box(left + TICKS_PT, top + HEAD_PT, left + chart_pt, top + HEAD_PT + PLOT_PT)
        _Chart(canvas, health, signal, plot, place).draw()
    if note:
        canvas.text(EDGE_PT, canvas.height - 14, "pale: too few to judge by", size=SMALL_PT, color=MUTED, gid="note")
    canvas.figure.alt = "\n".join([f"{title}. {subtitle}", *map(str, health.signals)])
    return canvas.figure


def _title(health: Health) -> str:
    count = len(health.alerts)
    return f"{health.scenario or health.workflow}: " + (f"{count} alert{'s'[: count != 1]}" if count else "no alert")


def _subtitle(health: Health) -> str:
    until_us = health.until_us
    spans = [(one.service, moment(one.start_us, until_us), moment(one.end_us, until_us)) for one in health.outages]
    downs = [f"{service} down from {start} to {end}" for service, start, end in spans]
    shown = [*downs[:2], *([f"{len(downs) - 2} more outages"] if len(downs) > 2 else [])]
    return ", ".join([health.model, f"seed {health.seed}", *shown])


def _pale(signal: Signal) -> bool:
    return any(point.value is not None and not _counts(point, signal.rule) for point in signal.series.points)


def _counts(point: Sample, rule: Rule) -> bool:
    return point.samples >= rule.samples_min


def heading(rule: Rule, *, over: bool = True) -> str:
    """What a chart shows, with its unit, and its window if asked for.

    >>> heading(Rule(metric="step_failure_rate", above=0.05))
    'Step failure rate over 15 min (%)'
    """
    unit = " (%)" if rule.metric in PERCENT else " (s)" if rule.metric == "duration_p95" else ""
    window = f" over {spaced(rule.window)}" if over and rule.metric != "active" else ""
    return f"{TITLES[rule.metric]}{window}{unit}"


def spaced(duration: Duration) -> str:
    """A time span to be read.

    >>> spaced("15m"), spaced("1h30m"), spaced("90s")
    ('15 min', '90 min', '90 s')
    """
    us = duration_us(duration)
    return f"{us // MINUTE} min" if us % MINUTE == 0 else f"{us / SECOND:g} s"


def in_words(signal: Signal, until_us: int) -> str:
    """The alerts of a chart, or why there are none."""
    if signal.threshold is None:
        return "not judged: what is normal is not known"
    if not signal.judged:
        return f"not judged: never {signal.rule.samples_min} or more in the window"
    spans = [_alert_in_words(alert, until_us) for alert in signal.alerts]
    if not spans:
        return "no alert"
    if len(spans) == 1:
        return f"alert {spans[0]}"
    on_us = sum((until_us if alert.end_us is None else alert.end_us) - alert.start_us for alert in signal.alerts)
    return f"{len(spans)} alerts, on for {on_us / MINUTE:.4g} min in all"


def _alert_in_words(alert: Alert, until_us: int) -> str:
    start = f"from {moment(alert.start_us, until_us)}"
    if alert.end_us is None:
        return f"{start} to the end"
    lasts = f"{(alert.end_us - alert.start_us) / MINUTE:.4g} min"
    return f"{start} to {moment(alert.end_us, until_us)} ({lasts})"


def moment(us: int, until_us: int) -> str:
    """An instant as on the axis of a chart up to `until_us`: minutes of a short one, hours and minutes of a long one.

    >>> moment(91 * MINUTE, 2 * HOUR), moment(91 * MINUTE, 4 * HOUR)
    ('91 min', '1:31')
    """
    if until_us < 3 * HOUR:
        return f"{us / MINUTE:.4g} min"
    hours, rest_us = divmod(us, HOUR)
    return f"{hours}:{rest_us // MINUTE:02d}"


def nice_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round values from `low` to `high`, at most `most` and at least two wherever high > low.

    >>> nice_ticks(0, 10.1), nice_ticks(96, 100), nice_ticks(0, 1)
    ([0.0, 2.5, 5.0, 7.5, 10.0], [96.0, 97.0, 98.0, 99.0, 100.0], [0.0, 0.25, 0.5, 0.75, 1.0])
    """
    span = max(high - low, 1e-9)
    power = 10 ** math.floor(math.log10(span / most))
    steps = [digit * power for digit in (1, 2, 2.5, 5, 10, 20, 25, 50)]
    for step in steps:
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            return [round(place * step, 12) for place in range(first, last + 1)]
    return [low, high]


class _Chart:
    """One rule on the canvas."""

    def __init__(self, canvas: Canvas, health: Health, signal: Signal, plot: Box, place: int) -> None:
        self._canvas = canvas
        self._health = health
        self._signal = signal
        self._rule = signal.rule
        self._metric: Metric = signal.rule.metric
        self._plot = plot
        self._place = place
        self._factor = 100.0 if self._metric in PERCENT else 1.0
        self._time: TimeScale = time_scale(0, health.until_us, (), plot.left, plot.right)
        self._low, self._high = self._range()
        self._taken: list[Box] = []

    def draw(self) -> None:
        """Draw everything: first what is behind."""
        self._bands()
        self._axes()
        self._lines()
        self._series()
        self._peaks()
        self._labels()
        self._band_labels()
        self._head()

    # --- places
    def _range(self) -> tuple[float, float]:
        marks = [self._signal.threshold, normal_of(self._metric, self._health.baseline), self._rule.target]
        values = [value * self._factor for value in (*self._signal.series.values, *marks) if value is not None]
        if self._metric == "completion_rate":
            low = min([*values, 96.0])
            return (low - (100.0 - low) * 0.06 if low > 0 else 0.0), 100.0 + (100.0 - low) * 0.08
        return 0.0, max([*values, 1e-6]) * 1.18

    def _y(self, value: float) -> float:
        share = (value * self._factor - self._low) / (self._high - self._low)
        return self._plot.bottom - share * (self._plot.bottom - self._plot.top)

    def _xy(self, point: Sample) -> tuple[float, float]:
        assert point.value is not None
        return self._time.x(point.time_us), self._y(point.value)

    # --- behind
    def _bands(self) -> None:
        for down in self._health.outages:
            x = self._time.x(down.start_us)
            width = max(1.0, min(self._time.x(down.end_us), self._plot.right) - x)
            look = Look(BAND, MUTED)
            self._canvas.box(x, self._plot.top, width, self._plot.bottom - self._plot.top, look, gid="band", zorder=0)

    def _axes(self) -> None:
        left, _, right, bottom = self._plot
        ticks = nice_ticks(self._low, min(self._high, 100.0) if self._metric in PERCENT else self._high)
        for value in ticks:
            y = self._y(value / self._factor)
            self._canvas.line([left, right], [y, y], GRID, 0.8, zorder=1)
            words = f"{value:.6g}"
            self._canvas.text(left - 5, y, words, size=SMALL_PT, color=MUTED, align="right", gid=f"y:{self._place}")
        self._canvas.line([left, right], [bottom, bottom], RULE)
        below = axis(self._time, 0)
        for x, words in below.ticks:
            self._canvas.line([x, x], [bottom, bottom + 3], RULE)
            self._canvas.text(x, bottom + 11, words, size=SMALL_PT, color=MUTED, align="center", gid=f"x:{self._place}")
        middle = (left + right) / 2
        self._canvas.text(middle, bottom + 25, below.name, size=SMALL_PT, color=MUTED, align="center", gid="time")

    # --- lines
    def _lines(self) -> None:
        left, _, right, _ = self._plot
        for value, color, style, gid in self._marks():
            y = self._y(value)
            self._canvas.line([left, right], [y, y], color, 1.2, linestyle=style, zorder=3, gid=gid)

    def _marks(self) -> Iterator[tuple[float, str, tuple[int, tuple[float, ...]], str]]:
        if self._signal.threshold is not None:
            yield self._signal.threshold, palette.ORANGE, (0, (5, 3)), "threshold"
        for value in (normal_of(self._metric, self._health.baseline), self._rule.target):
            if value is not None:
                yield value, MUTED, (0, (1, 2)), "normal"

    def _series(self) -> None:
        points = self._signal.series.points
        self._path(points, palette.RULE, 1.2, "pale", judged=False)
        self._path(points, palette.BLUE, 1.6, "series", judged=True)
        for alert in self._signal.alerts:
            on = [one for one in points if _within(one, alert)]
            self._fill(on)
            self._path(on, palette.ORANGE, 2.2, "alert", judged=True)

    def _path(self, points: Sequence[Sample], color: str, width: float, gid: str, *, judged: bool) -> None:
        """Draw the stretches of the series that are judged, or those that are not."""
        for stretch in _stretches(points, self._rule, judged=judged):
            xs, ys = zip(*map(self._xy, stretch), strict=True)
            self._canvas.line(xs, ys, color, width, zorder=5, gid=gid, solid_joinstyle="round")

    def _fill(self, on: Sequence[Sample]) -> None:
        assert self._signal.threshold is not None
        limit = self._y(self._signal.threshold)
        beyond = max if self._rule.below is not None else min
        for stretch in _stretches(on, self._rule, judged=True):
            xs, ys = zip(*map(self._xy, stretch), strict=True)
            clipped = [beyond(y, limit) for y in ys]
            self._canvas.axes.fill_between(xs, clipped, limit, color=ALERT_FILL, linewidth=0, zorder=2)

    # --- words
    def _peaks(self) -> None:
        """Mark the worst of each alert; the worst of all with its value."""
        alerts = self._signal.alerts
        for alert in alerts:
            x, y = self._time.x(alert.peak_us), self._y(alert.peak)
            self._canvas.mark(x, y, "o", 6.5, color=palette.ORANGE, gid="peak")
            self._taken.append(Box(x - 4, y - 4, x + 4, y + 4))
        if alerts:
            worst = alerts[0]
            for alert in alerts:
                worst = alert if self._rule.worse(alert.peak, worst.peak) else worst
            self._peak_label(worst)

    def _peak_label(self, alert: Alert) -> None:
        x, y = self._time.x(alert.peak_us), self._y(alert.peak)
        words = worded(self._metric, alert.peak)
        width = text_width(words, BODY_PT, bold=True)
        low = min(max(y, self._plot.top + 6), self._plot.bottom - 7)
        spots = [(at, low + dy) for dy in (0, -11, 11, -16, 20, 30) for at in (x + 8, x - 8 - width)]
        self._write(words, spots, palette.ORANGE, "peak-label", bold=True, always=True)

    def _labels(self) -> None:
        """Name the lines, each in as many words as there is room for; where two lie close together, one of them."""
        named = list(self._named())
        if len(named) == 2 and abs(named[0][0] - named[1][0]) < 15:
            (y, words, color), (_, more, _) = named
            named = [(y, (f"{words[0]}, {more[0]}", *words), color)]
        top = min((y for y, _, _ in named), default=0.0)
        for y, wordings, color in named:
            above = y == top and self._rule.below is None
            done = any(self._write(words, self._spots(words, y, above=above), color, "line") for words in wordings)
            if not done and color != MUTED:
                self._write(wordings[-1], self._spots(wordings[-1], y, above=above), color, "line", always=True)

    def _named(self) -> Iterator[tuple[float, tuple[str, ...], str]]:
        """Each line's height, what to call it (long and short), and its colour."""
        rule, threshold = self._rule, self._signal.threshold
        normal = normal_of(self._metric, self._health.baseline)
        if threshold is not None:
            yield self._y(threshold), _line_in_words(rule, threshold, normal), palette.ORANGE
        if normal is not None:
            yield self._y(normal), (f"baseline {worded(self._metric, normal)}",), MUTED
        if rule.target is not None:
            yield self._y(rule.target), (f"target {worded(self._metric, rule.target)}",), MUTED

    def _spots(self, words: str, y: float, *, above: bool) -> Iterator[tuple[float, float]]:
        """Where a line's label can go: over it or under it, further and further to the right."""
        room = self._plot.right - self._plot.left - 10 - text_width(words, SMALL_PT)
        for dy in (-8, 8) if above else (8, -8):
            if self._plot.top + 5 <= y + dy <= self._plot.bottom - 5:
                yield from ((self._plot.left + 5 + dx, y + dy) for dx in range(0, max(1, int(room)), 6))

    def _band_labels(self) -> None:
        """Say what a band is, where there is room and they are few; the subtitle says it too."""
        for down in self._health.outages if len(self._health.outages) <= BANDS_NAMED else ():
            words = f"{down.service} down"
            width = text_width(words, SMALL_PT)
            x = (self._time.x(down.start_us) + self._time.x(down.end_us) - width) / 2
            x = min(max(x, self._plot.left + 2), self._plot.right - width - 2)
            heights = (self._plot.bottom - 8, self._plot.top + 7, (self._plot.top + self._plot.bottom) / 2)
            self._write(words, [(x, y) for y in heights], MUTED, "band-label")

    def _write(
        self,
        words: str,
        spots: Iterable[tuple[float, float]],
        color: str,
        gid: str,
        *,
        bold: bool = False,
        always: bool = False,
    ) -> bool:
        """Write at the first spot where nothing is; if there is none, not at all, or at the first."""
        size = BODY_PT if bold else SMALL_PT
        width = text_width(words, size, bold=bold)
        boxes = [Box(x - 2, y - size * 0.6, x + width + 2, y + size * 0.6) for x, y in spots]
        inside = [box for box in boxes if self._holds(box)]
        free = (box for box in inside if not any(map(box.meets, (*self._taken, *self._in_the_way(box)))))
        box = next(free, inside[0] if always and inside else None)
        if box is None:
            return False
        self._taken.append(box)
        middle = (box.top + box.bottom) / 2
        self._canvas.text(box.left + 2, middle, words, size=size, color=color, bold=bold, gid=f"{gid}:{self._place}")
        return True

    def _holds(self, box: Box) -> bool:
        """Whether a box is within the chart, or just beyond."""
        plot = self._plot
        across = plot.left <= box.left and box.right <= plot.right + 8
        return across and plot.top - 2 <= box.top and box.bottom <= plot.bottom + 1

    def _in_the_way(self, box: Box) -> Iterator[Box]:
        """The parts of the series, and the lines, that come near a box."""
        for one, other in pairwise(self._signal.series.points):
            if one.value is not None and other.value is not None:
                (x, y), (x2, y2) = self._xy(one), self._xy(other)
                if x <= box.right and box.left <= x2:
                    yield Box(x - 1, min(y, y2) - 1.5, x2 + 1, max(y, y2) + 1.5)
        for value, *_ in self._marks():
            yield Box(self._plot.left, self._y(value) - 0.5, self._plot.right, self._y(value) + 0.5)

    def _head(self) -> None:
        left, room = self._plot.left, self._plot.right - self._plot.left
        words = in_words(self._signal, self._health.until_us)
        color = palette.ORANGE if self._signal.alerts else MUTED
        whole, size = heading(self._rule), BODY_PT + 1
        shown = whole if text_width(whole, size, bold=True) <= room else heading(self._rule, over=False)
        self._canvas.text(left, self._plot.top - 25, shown, size=size, color=INK, bold=True, gid="heading")
        shown = elided(words, room, SMALL_PT + 0.5)
        self._canvas.text(left, self._plot.top - 11, shown, size=SMALL_PT + 0.5, color=color, gid="alerts")


def _line_in_words(rule: Rule, threshold: float, normal: float | None) -> tuple[str, ...]:
    """What to call a threshold, in more words and in fewer.

    >>> _line_in_words(Rule(metric="active", above_baseline=2, held_for="10m"), 240, 120)
    ('above 240 (2x baseline) for 10 min', 'above 240 for 10 min', 'above 240')
    """
    plain = f"{'above' if rule.below is None else 'below'} {worded(rule.metric, threshold)}"
    held = f" for {spaced(rule.held_for)}" if duration_us(rule.held_for) else ""
    factor = rule.above_baseline
    relative = factor is not None and normal is not None and factor * normal == threshold
    longest = (f"{plain} ({short(factor or 0)}x baseline){held}",) if relative else ()
    return tuple(dict.fromkeys((*longest, f"{plain}{held}", plain)))


def _within(point: Sample, alert: Alert) -> bool:
    return alert.start_us <= point.time_us and (alert.end_us is None or point.time_us <= alert.end_us)


def _stretches(points: Sequence[Sample], rule: Rule, *, judged: bool) -> Iterator[list[Sample]]:
    """Runs of neighbouring samples with values; of those that are judged, or of the others with a sample of overlap."""
    run: list[Sample] = []
    for one, other in pairwise(points):
        both = one.value is not None and other.value is not None
        if both and (_counts(one, rule) and _counts(other, rule)) == judged:
            run = run or [one]
            run.append(other)
        elif run:
            yield run
            run = []
    if run:
        yield run
