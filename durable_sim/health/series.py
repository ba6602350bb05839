"""The four metrics as rolling series, from plain marks in time.

Pure. Always holds: the window of a sample at t is (t - window, t]: what happens at the instant itself counts; a sample
of an empty window is None, never 0; `samples` says how many things a value was made of.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, NamedTuple

Metric = Literal["completion_rate", "step_failure_rate", "duration_p95", "active"]
"""Two shares from 0 to 1, seconds, and a count."""


class Span(NamedTuple):
    """An execution's life: when it was asked for, and when it came to its end (None: not yet)."""

    start_us: int
    end_us: int | None


class Sample(NamedTuple):
    """One value of a series, None where there is nothing to make it of, and of how many things it was made."""

    time_us: int
    value: float | None
    samples: int


@dataclass(frozen=True, slots=True)
class Series:
    """A metric over time."""

    metric: Metric
    points: tuple[Sample, ...]

    @property
    def times_us(self) -> tuple[int, ...]:
        """When the samples were taken."""
        return tuple(point.time_us for point in self.points)

    @property
    def values(self) -> tuple[float | None, ...]:
        """What they were."""
        return tuple(point.value for point in self.points)


def completion_rate(spans: Sequence[Span], expected_us: int, window_us: int, times_us: Sequence[int]) -> Series:
    """Of the executions whose expected duration ran out within the window, the share that had ended by then.

    Whether one ends in time is not known before its expected duration is over, so this metric lags by that much: at t
    it is about executions that started from t - window - expected to t - expected. Completed and failed both count as
    ended; an end right at the limit is in time.
    """
    due = [(span.start_us + expected_us, span.end_us) for span in spans]
    marks = sorted((limit_us, end_us is not None and end_us <= limit_us) for limit_us, end_us in due)
    return Series("completion_rate", _shares(marks, window_us, times_us))


def step_failure_rate(ends: Sequence[tuple[int, bool]], window_us: int, times_us: Sequence[int]) -> Series:
    """Of the attempts of steps that ended within the window, the share that failed; `ends` are (when, whether failed).

    An attempt fails by an error, a refusal or a time-out, whether it is retried or not.
    """
    return Series("step_failure_rate", _shares(sorted(ends), window_us, times_us))


def duration_p95(spans: Sequence[Span], window_us: int, times_us: Sequence[int]) -> Series:
    """The 95th percentile (nearest rank), in seconds, of the durations of the executions that ended within the window.

    Those that are still open are not in it: while nothing ends there is no value, and the slow ones show only when they
    end.
    """
    ended = sorted((span.end_us, span.end_us - span.start_us) for span in spans if span.end_us is not None)
    ends_us = [end_us for end_us, _ in ended]
    points: list[Sample] = []
    for time_us in times_us:
        begin, end = _window(ends_us, time_us, window_us)
        found = sorted(duration_us for _, duration_us in ended[begin:end])
        points.append(Sample(time_us, percentile(found, 95) / 1e6 if found else None, len(found)))
    return Series("duration_p95", tuple(points))


def active(spans: Sequence[Span], times_us: Sequence[int]) -> Series:
    """How many executions are under way: asked for, and not at their end. One that ends at the instant is over.

    `samples` counts all that have been asked for so far.
    """
    starts_us = sorted(span.start_us for span in spans)
    ends_us = sorted(span.end_us for span in spans if span.end_us is not None)
    begun = [bisect_right(starts_us, us) for us in times_us]
    points = (
        Sample(us, float(count - bisect_right(ends_us, us)), count) for us, count in zip(times_us, begun, strict=True)
    )
    return Series("active", tuple(points))


def percentile(ordered: Sequence[int], percent: int) -> int:
    """The nearest-rank percentile of values in order: the smallest that `percent` per cent of them do not exceed.

    >>> percentile([1, 2, 3, 4], 50), percentile(range(1, 21), 95), percentile([7], 95)
    (2, 19, 7)
    """
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def _shares(marks: Sequence[tuple[int, bool]], window_us: int, times_us: Sequence[int]) -> tuple[Sample, ...]:
    marks_us = [mark_us for mark_us, _ in marks]
    sums = [0, *accumulate(int(counted) for _, counted in marks)]
    points: list[Sample] = []
    for time_us in times_us:
        begin, end = _window(marks_us, time_us, window_us)
        value = (sums[end] - sums[begin]) / (end - begin) if end > begin else None
        points.append(Sample(time_us, value, end - begin))
    return tuple(points)


def _window(ordered_us: Sequence[int], time_us: int, window_us: int) -> tuple[int, int]:
    """The places in (time - window, time]."""
    return bisect_right(ordered_us, time_us - window_us), bisect_right(ordered_us, time_us)
