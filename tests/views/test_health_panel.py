"""The health panel: what is drawn is what was measured, alerts stand out, and all of it can be read at any size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.lines import Line2D

from durable_sim.durations import MINUTE
from durable_sim.health.baseline import Baseline, ordinary
from durable_sim.health.health import Health, health_of
from durable_sim.health.rules import RULES, Rule
from durable_sim.simulation.run import simulate
from durable_sim.views import palette
from durable_sim.views.health_panel import health_panel, nice_ticks
from durable_sim.views.picture import Picture
from durable_sim.world.faults import Mixture, Outage
from tests.health.worlds import NORMAL, a_day, outage, pay_or_wait


def seen(scenario: Any, baseline: Baseline = NORMAL, **options: Any) -> Health:
    """The health of one run."""
    return health_of(simulate(scenario, "replay", 0), baseline, **options)


DAYS: dict[str, Callable[[], Health]] = {
    "outage": lambda: seen(a_day(outage=outage())),
    "calm": lambda: seen(ordinary(a_day())),
    "on to the end": lambda: seen(a_day(outage=outage()), until="75m"),
    "few": lambda: seen(a_day(10), Baseline(expected="10s")),
    "many outages": lambda: seen(a_day(outage=Outage("10m", "5m", Mixture(refuse=1)))),
    "from the start": lambda: seen(a_day(outage=outage("0s", "5m"))),
    "half bad": lambda: seen(a_day(faults=Mixture(refuse=0.06))),
    "piling up": lambda: seen(a_day(code=pay_or_wait)),
    "one sample": lambda: seen(a_day(10), until="1m"),
    "one rule": lambda: seen(a_day(outage=outage()), rules=RULES[:1]),
    "six hours": lambda: seen(a_day(720, every="30s", outage=outage("100m", "5m"))),
}
SIZES = [{}, {"columns": 1, "chart_pt": 200.0}, {"columns": 1, "chart_pt": 600.0}, {"columns": 4, "chart_pt": 240.0}]


@pytest.fixture(scope="module", params=list(DAYS))
def health(request: pytest.FixtureRequest) -> Health:
    """Each of the days."""
    return DAYS[request.param]()


@pytest.fixture(scope="module")
def bad_day() -> Health:
    """The day with the outage."""
    return DAYS["outage"]()


def texts(figure: Picture, gid: str) -> list[str]:
    """What is written in the role of this name."""
    return [text.get_text() for text in figure.axes[0].texts if (text.get_gid() or "").split(":")[0] == gid]


def lines(figure: Picture, gid: str) -> list[Line2D]:
    """The lines in the role of this name."""
    artists: list[Artist] = figure.axes[0].get_children()
    return [one for one in artists if isinstance(one, Line2D) and one.get_gid() == gid]


def collisions(figure: Picture) -> list[tuple[str, str]]:
    """Pairs of texts that overlap, and texts that stick out of the figure."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in figure.axes[0].texts if text.get_text()]
    found = [
        (one, other)
        for (one, a), (other, b) in combinations(boxes, 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1.5
    ]
    width, height = figure.bbox.width, figure.bbox.height
    return found + [(one, "edge") for one, a in boxes if a.x0 < 0 or a.y0 < 0 or a.x1 > width or a.y1 > height]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_no_text_overlaps_another(health: Health, size: dict[str, Any]) -> None:
    """All texts are within the figure and clear of each other, in narrow and wide charts."""
    assert collisions(health_panel(health, **size)) == []


def test_there_is_a_chart_for_each_rule(health: Health) -> None:
    """With its heading and its alerts in words."""
    figure = health_panel(health)
    assert len(texts(figure, "heading")) == len(texts(figure, "alerts")) == len(health.signals)
    assert len(lines(figure, "threshold")) == sum(signal.threshold is not None for signal in health.signals)


def test_every_value_is_drawn_at_its_place(bad_day: Health) -> None:
    """From left to right in time, and the higher the more: the line of the step failures is the series."""
    figure = health_panel(replace(bad_day, signals=(bad_day.signal("step_failure_rate"),)))
    drawn = [(x, y) for line in lines(figure, "series") for x, y in zip(*line.get_data(), strict=True)]
    judged = [point for point in bad_day.series["step_failure_rate"].points if point.samples >= 20]
    assert len(drawn) == len(judged)
    heights = sorted({(point.value, round(float(y), 6)) for point, (_, y) in zip(judged, drawn, strict=True)})
    assert [y for _, y in heights] == sorted((y for _, y in heights), reverse=True)
    assert [x for x, _ in drawn] == sorted(x for x, _ in drawn)


def test_an_alert_is_told_in_words_and_drawn_in_orange(bad_day: Health) -> None:
    """From its start to its end, with its worst value."""
    figure = health_panel(bad_day)
    assert texts(figure, "alerts") == [
        "alert from 61 min to 95 min (34 min)",
        "alert from 61 min to 95 min (34 min)",
        "alert from 81 min to 96 min (15 min)",
        "alert from 73 min to 81 min (8 min)",
    ]
    assert texts(figure, "peak-label") == ["0 %", "100 %", "1149 s", "121"]
    assert {line.get_color() for line in lines(figure, "alert")} == {palette.ORANGE}
    assert texts(figure, "title") == ["a day: 4 alerts"]
    assert texts(figure, "subtitle") == ["replay, seed 0, payments down from 60 min to 80 min"]


def test_a_calm_day_has_no_orange_line_but_the_thresholds() -> None:
    """Nothing is recoloured, and each chart says that there is no alert."""
    figure = health_panel(DAYS["calm"]())
    assert lines(figure, "alert") == lines(figure, "peak") == []
    assert texts(figure, "alerts") == ["no alert"] * 4
    assert texts(figure, "title") == ["a day: no alert"]


def test_a_line_breaks_where_there_is_no_value(bad_day: Health) -> None:
    """No execution ended from minute 75 to 80: the durations before and after are not joined."""
    figure = health_panel(replace(bad_day, signals=(bad_day.signal("duration_p95"),)))
    xs = [x for gid in ("series", "pale") for line in lines(figure, gid) for x in line.get_xdata()]
    width = max(xs) - min(xs)
    minute = width / (bad_day.until_us / MINUTE - 1)
    gap = max(b - a for a, b in zip(sorted(xs), sorted(xs)[1:], strict=False))
    assert gap == pytest.approx(7 * minute, rel=0.01)


def test_what_could_not_be_judged_is_pale_and_says_so() -> None:
    """Ten orders: three charts have no sample that is large enough."""
    figure = health_panel(DAYS["few"]())
    assert texts(figure, "alerts") == [
        "not judged: never 50 or more in the window",
        "not judged: never 20 or more in the window",
        "not judged: what is normal is not known",
        "not judged: what is normal is not known",
    ]
    assert texts(figure, "note") == ["pale: too few to judge by"]
    assert len(lines(figure, "pale")) == 3


def test_many_alerts_are_summed_up() -> None:
    """Their number and how long they were on in all; each has its mark, the worst its value."""
    health = DAYS["many outages"]()
    alerts = health.signal("step_failure_rate").alerts
    figure = health_panel(replace(health, signals=(health.signal("step_failure_rate"),)))
    on = sum((alert.end_us or health.until_us) - alert.start_us for alert in alerts) / MINUTE
    assert len(alerts) > 1
    assert texts(figure, "alerts") == [f"{len(alerts)} alerts, on for {on:.4g} min in all"]
    assert len(lines(figure, "peak")) == len(alerts)
    assert len(texts(figure, "peak-label")) == 1


def test_times_of_a_long_run_are_hours_and_minutes() -> None:
    """As its axis counts hours."""
    figure = health_panel(DAYS["six hours"]())
    assert "payments down from 1:40 to 1:45" in texts(figure, "subtitle")[0]
    assert set(texts(figure, "time")) == {"simulated time (h)"}


def test_the_alternative_text_says_all(bad_day: Health) -> None:
    """The title, and every rule with its alerts."""
    alt = health_panel(bad_day, title="Payments refuse").alt
    assert alt.startswith("Payments refuse. replay, seed 0")
    assert all(str(alert) in alt for alert in bad_day.alerts)


def test_the_same_health_gives_the_same_bytes(bad_day: Health) -> None:
    """No clock and no order of a set is in a picture."""
    assert health_panel(bad_day)._repr_png_() == health_panel(bad_day)._repr_png_()


def test_the_size_is_as_asked() -> None:
    """Charts in a row with gaps; never more columns than charts."""
    health = DAYS["calm"]()
    assert health_panel(health, columns=1, chart_pt=320).get_figwidth() == pytest.approx((320 + 40) / 72)
    assert health_panel(health, columns=9, chart_pt=100).get_figwidth() == pytest.approx((400 + 3 * 26 + 40) / 72)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 0.003), (95.7, 100), (0, 2723), (3, 3.1), (0, 12.5)])
def test_ticks_are_few_and_within(low: float, high: float) -> None:
    """Two to five, in order, not outside."""
    ticks = nice_ticks(low, high)
    assert 2 <= len(ticks) <= 5
    assert low <= ticks[0] < ticks[-1] <= high
    assert ticks == sorted(ticks)


def test_a_rule_of_ones_own_is_drawn_alike() -> None:
    """Any number of rules, two on one metric too."""
    rules = (Rule(metric="active", above=5, window="1h"), Rule(metric="active", above_baseline=3))
    figure = health_panel(seen(a_day(outage=outage()), rules=rules))
    assert texts(figure, "heading") == ["Active executions", "Active executions"]
    assert "above 5" in " ".join(texts(figure, "line"))
