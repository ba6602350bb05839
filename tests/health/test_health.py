"""Health of simulated runs: an outage computed by hand, ordinary days, planted troubles, the outages themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.durations import MINUTE, SECOND
from durable_sim.errors import UnknownNameError, UserError
from durable_sim.health.baseline import Baseline, baseline_of, ordinary
from durable_sim.health.health import Down, Health, health_of
from durable_sim.health.rules import RULES, Rule
from durable_sim.simulation.run import simulate
from durable_sim.simulation.scenario import Scenario
from durable_sim.world.faults import Crashes, Downtime, Mixture, Outage
from tests.health.worlds import NORMAL, a_day, outage, pay_or_wait

MODELS = ("status_columns", "replay", "steps")


def seen(scenario: Scenario, model: str = "replay", baseline: Baseline = NORMAL, **options: Any) -> Health:
    """The health of one run."""
    return health_of(simulate(scenario, model, 0), baseline, **options)


def spans(health: Health) -> dict[str, list[tuple[float, float | None]]]:
    """The alerts by metric: from which minute to which."""
    return {
        signal.rule.metric: [
            (alert.start_us / MINUTE, None if alert.end_us is None else alert.end_us / MINUTE)
            for alert in signal.alerts
        ]
        for signal in health.signals
    }


def test_an_outage_raises_all_four_alerts_when_arithmetic_says_so() -> None:
    """An order every 10 s, a charge takes 1 s, payments refuse all from minute 60 (3600 s) until minute 80 (4800 s).

    A refusal takes the two ways only, 0.4 s, and the next try comes 60 s later: every 60.4 s.
    Minute 60: nothing has ended badly yet.
    Minute 61 = 3660 s, window (2760, 3660]: 90 charges ended, those sent at 2760, ..., 3650 s; refused are the six that
    were sent at 3600, ..., 3650 s: 6.7 % > 5 %. Due are the 90 orders of 2760, ..., 3650 s, and the same six are late:
    93.3 % < 98 %. Active are the six and the order that has just come: 7. Minute 62: 13 > 10, which is the line (twice
    0.1 is too low). Minute 72: since exactly 10 min; minute 73: for more than that.
    The 120 orders of the outage are charged from 4800 s on, within 60.4 s: at a + 60.4 n, a being a multiple of 10 and
    n at most 20, so the last is charged at 3650 + 1208 = 4858 s, and ends at 4859 s. Minute 80: the last to end before
    the outage did so at 3591 s, so no duration is in the window; minute 81: more than 100 ended in (3960, 4860] after a
    minute or more: p95 > 2 s; and active is only the order that has just come.
    Minute 94 = 5640 s, window (4740, 5640]: late are still the orders due at 4750, ..., 4800 s, 6 of 90; minute 95:
    none. The last refused charge ended before 4800 s, where the window of minute 95 begins.
    Those that took long ended up to 4859 s, 120 of them in the window of minute 95, (4800, 5700], none in that of 96.
    """
    health = seen(a_day(outage=outage()))
    assert spans(health) == {
        "completion_rate": [(61, 95)],
        "step_failure_rate": [(61, 95)],
        "duration_p95": [(81, 96)],
        "active": [(73, 81)],
    }
    values = {metric: dict(zip(one.times_us, one.values, strict=True)) for metric, one in health.series.items()}
    assert values["step_failure_rate"][60 * MINUTE] == 0
    assert values["step_failure_rate"][61 * MINUTE] == 6 / 90
    assert values["completion_rate"][61 * MINUTE] == 84 / 90
    assert [values["active"][minute * MINUTE] for minute in (61, 62, 81)] == [7, 13, 1]
    assert values["duration_p95"][80 * MINUTE] is None
    assert values["duration_p95"][96 * MINUTE] == 1.0
    assert health.outages == (Down("payments", 60 * MINUTE, 80 * MINUTE),)


def test_the_same_day_without_the_outage_raises_none() -> None:
    """And all four rules had something to judge by."""
    health = seen(ordinary(a_day(outage=outage())))
    assert health.ok
    assert all(signal.judged for signal in health.signals)
    assert health.outages == ()


@pytest.mark.parametrize("model", MODELS)
def test_every_retrying_model_shows_the_outage(model: str) -> None:
    """Whatever each engine writes into the trace, failed attempts, late and slow and piled-up executions are seen."""
    day = a_day(outage=outage())
    normal = baseline_of(simulate(ordinary(day), model, 1))
    assert seen(ordinary(day), model, normal).ok
    assert all(found and found[0][0] > 60 for found in spans(seen(day, model, normal)).values())


def test_an_execution_that_fails_at_once_is_no_alert_but_for_its_steps() -> None:
    """Failed is a terminal state: without retries the outage shows in the step failures alone."""
    found = spans(seen(a_day(outage=outage()), "regular"))
    assert found == {"completion_rate": [], "step_failure_rate": [(61, 95)], "duration_p95": [], "active": []}


PLANTED: dict[str, tuple[Scenario, Scenario]] = {
    "step_failure_rate": (a_day(faults=Mixture(refuse=0.1)), a_day(faults=Mixture(refuse=0.005))),
    "duration_p95": (
        a_day(outage=Downtime("60m", "20m", Mixture(slow=1, slow_factor=3))),
        a_day(outage=Downtime("60m", "20m", Mixture(slow=1, slow_factor=2))),
    ),
    "completion_rate": (
        a_day(outage=Downtime("60m", "20m", Mixture(slow=0.5, slow_factor=9.9)), client_timeout="5s"),
        a_day(outage=Downtime("60m", "20m", Mixture(slow=0.5, slow_factor=1.5)), client_timeout="5s"),
    ),
    "active": (a_day(code=pay_or_wait), a_day()),
}


@pytest.mark.parametrize("metric", PLANTED)
def test_a_planted_trouble_raises_its_alert_and_its_harmless_twin_none(metric: str) -> None:
    """Charges that fail in 10 % of the calls and not 0.5 %; that take three times as long, not twice; that time out,
    not only dawdle; orders that wait for ever, not those that end."""
    planted, twin = PLANTED[metric]
    health = seen(planted)
    assert health.signal(metric).alerts
    assert seen(twin).ok


def test_what_never_ends_is_seen_to_the_horizon() -> None:
    """Orders that wait for ever leave no record: sampling goes on until the last was due, or as long as asked."""
    day = a_day(20, code=pay_or_wait)
    health = seen(day, until="30m")
    assert health.until_us == 30 * MINUTE
    assert health.series["active"].values[-1] == 2
    assert seen(day).until_us == 4 * MINUTE  # the last arrives at 190 s and is due at 200 s
    assert seen(replace(day, horizon="195s"), step="1s").until_us == 195 * SECOND


def test_a_failure_that_nobody_can_judge_is_said_to_be_none() -> None:
    """Ten orders are too few for three rules, and what is normal is not known for the fourth."""
    health = seen(a_day(10), baseline=Baseline(expected="10s"))
    assert [signal.judged for signal in health.signals] == [False] * 4
    text = str(health)
    assert "no sample of 50 or more (most: 10)" in text
    assert "active above 2x baseline (at least 10) for more than 10m: not judged, what is normal is not known" in text


def test_two_rules_on_one_metric_are_judged_each_by_its_own_window() -> None:
    """A short window sees the end of the outage sooner."""
    short, long = (Rule(metric="step_failure_rate", above=0.05, window=window) for window in ("5m", "30m"))
    health = seen(a_day(outage=outage()), rules=(short, long))
    assert [signal.alerts[0].end_us for signal in health.signals] == [85 * MINUTE, 110 * MINUTE]
    assert health.series["step_failure_rate"] == health.signals[0].series


def test_the_outages_told_are_those_that_were_played() -> None:
    """Every call that was refused lies in one of them, and every call that was not lies in none; up to the calm."""
    often = a_day(720, outage=Outage("10m", "5m", Mixture(refuse=1)))
    for scenario in (often, replace(often, calm_after="70m")):
        recording = simulate(scenario, "replay", 4)
        downs = health_of(recording, NORMAL).outages
        sent = [record for record in recording.trace if record.kind == "request_sent"]
        refused = {record.index for record in sent if record.data}
        within = {
            record.index for record in sent if any(down.start_us <= record.time_us < down.end_us for down in downs)
        }
        assert len(downs) > 2
        assert refused == within


def test_the_calm_ends_an_outage() -> None:
    """One that would have lasted until minute 80."""
    health = seen(replace(a_day(outage=outage()), calm_after="70m"))
    assert health.outages == (Down("payments", 60 * MINUTE, 70 * MINUTE),)


def test_an_alert_is_a_fact_about_the_run_not_of_who_asks() -> None:
    """Twice the same, and the alerts come in the order of time."""
    one, other = (seen(a_day(outage=outage())) for _ in range(2))
    assert one == other
    assert [alert.start_us for alert in one.alerts] == sorted(alert.start_us for alert in one.alerts)
    assert len(one.alerts) == len(RULES)


def test_the_text_tells_the_alerts_and_html_escapes_it() -> None:
    """A line each, with minutes; a scenario's name cannot break a page."""
    health = replace(seen(a_day(outage=outage())), scenario="<b>")
    assert "health of <b>, replay, seed 0: 4 alert(s)" in str(health)
    assert "payments down from 60 to 80 min" in str(health)
    assert "active above 2x baseline (at least 10) for more than 10m: from 73 min to 81 min, peak 121 at 80 min" in str(
        health
    )
    assert health._repr_html_().startswith("<pre ") and ">health of &lt;b&gt;" in health._repr_html_()


def test_mistakes_are_named() -> None:
    """A metric that no rule is about, a step or a time of nothing."""
    recording = simulate(a_day(10), "replay", 0)
    with pytest.raises(UnknownNameError, match="did you mean 'active'"):
        health_of(recording, NORMAL).signal("actives")
    with pytest.raises(UserError, match="step is 0s"):
        health_of(recording, NORMAL, step="0s")
    with pytest.raises(UserError, match="no time to sample"):
        health_of(recording, NORMAL, until="0s")


def test_an_ordinary_day_keeps_its_flakiness() -> None:
    """Outages and planned faults are left out; calls fail as often as they do."""
    day = a_day(outage=outage(), faults=Mixture(refuse=0.01))
    calm = ordinary(replace(day, faults=(Crashes(every="1h", until="2h"),)))
    assert calm.faults == ()
    assert calm.services["payments"].outage is None
    assert calm.services["payments"].faults == Mixture(refuse=0.01)


@pytest.mark.parametrize(("days", "minutes"), [(1, 1), (2, 2), (30, 22)])
def test_a_long_run_is_sampled_less_often(days: int, minutes: int) -> None:
    """Every minute up to 2,000 samples, then every so many whole minutes that there are no more."""
    recording = ds.run(_wait(f"{days} days"), {"id": "e-1"}, horizon="60d").recording
    (signal, *_) = health_of(recording, NORMAL).signals
    times_us = signal.series.times_us
    assert len(times_us) <= 2_000 and times_us[1] - times_us[0] == minutes * MINUTE


def _wait(lasts: str) -> Any:
    @ds.workflow
    async def wait(ctx: Any, one: Any) -> None:
        await ctx.sleep(lasts)

    return wait
