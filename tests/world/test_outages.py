"""Outages: up and down in turn, the same whoever asks and in whatever order."""

from __future__ import annotations

import random
from itertools import pairwise
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_sim.durations import HOUR, MINUTE
from durable_sim.errors import UserError
from durable_sim.randomness import Constant
from durable_sim.world.faults import Downtime, Mixture, Outage
from durable_sim.world.outages import OutageClock
from durable_sim.world.services.base import OperationSpec, ServiceSpec
from durable_sim.world.services.email import Email

OUTAGE = Outage("10m", "1m", Mixture(refuse=1))


def clock(seed: int = 1) -> OutageClock:
    """A clock of its own stream."""
    return OutageClock(OUTAGE, random.Random(seed))


@given(st.lists(st.integers(0, 24 * HOUR), max_size=30), st.randoms(use_true_random=False))
def test_the_answer_depends_on_the_instant_only(times_us: list[int], shuffler: random.Random) -> None:
    """Not on which questions were asked before."""
    one, other = clock(), clock()
    expected = {time_us: one.down(time_us) for time_us in times_us}
    shuffler.shuffle(times_us)
    assert {time_us: other.down(time_us) for time_us in times_us} == expected


def test_a_service_starts_up() -> None:
    """At the first instant nothing is down."""
    assert not any(clock(seed).down(0) for seed in range(200))


def test_the_share_of_time_down_is_that_of_the_means() -> None:
    """One minute down for ten up: one eleventh of the time, in windows of a minute on average."""
    ours = clock()
    samples = [ours.down(second * MINUTE // 60) for second in range(60 * 60 * 24 * 10)]
    assert fmean(samples) == pytest.approx(1 / 11, rel=0.1)
    windows = sum(down and not before for before, down in pairwise(samples))
    assert sum(samples) / windows == pytest.approx(60, rel=0.1)


def test_failures_come_in_bursts(bench: Any) -> None:
    """While a service is down all its operations fail, while it is up none does."""
    spec = ServiceSpec(Email, latency=Constant("10ms"), outage=OUTAGE)
    b = bench({"email": spec})
    asked = []
    for number in range(600):
        operation = "email.send" if number % 2 else "email.send_cancellation"
        arguments = ("a", "hello") if number % 2 else ("a",)
        asked.append(b.send(operation, *arguments, execution=f"o-{number}"))
        b.run(for_us=10_000_000)
    failed = [one.error is not None for one in asked]
    ours = OutageClock(OUTAGE, b.world.randomness.stream("outage", "email"))
    assert failed == [ours.down(number * 10_000_000) for number in range(600)]
    changes = sum(before != after for before, after in pairwise(failed))
    assert 0 < changes < sum(failed), "single failures, not bursts"


def test_an_outage_has_faults_of_its_own(bench: Any) -> None:
    """While down, the slowness is the outage's, not the calm service's."""
    slow = Outage("1us", "1000d", Mixture(slow=1, slow_factor=50))
    spec = ServiceSpec(Email, latency=Constant("100ms"), outage=slow)
    b = bench({"email": spec})
    b.run(for_us=1_000)
    asked = b.ask("email.send", "a", "hello")
    assert asked.at_us - 1_000 == 5_000_000


def test_from_calm_after_on_there_is_no_outage(bench: Any) -> None:
    """A service that would be down for a thousand days works again."""
    down = Outage("1us", "1000d", Mixture(refuse=1))
    b = bench({"email": ServiceSpec(Email, latency=Constant("1ms"), outage=down)}, calm_after_us=1_000_000)
    b.run(for_us=1_000)
    assert b.ask("email.send", "a", "hello").error is not None
    b.run(for_us=1_000_000)
    assert b.ask("email.send", "a", "hello").error is None


def test_an_outage_hits_an_operation_with_settings_of_its_own(bench: Any) -> None:
    """A service that is down is down for all its operations."""
    spec = ServiceSpec(
        Email,
        latency=Constant("100ms"),
        outage=Outage("1us", "1000d", Mixture(refuse=1)),
        operations={"send": OperationSpec(latency=Constant("10ms"), faults=Mixture())},
    )
    b = bench({"email": spec})
    b.run(for_us=1_000)
    assert b.ask("email.send", "a", "hello").error is not None


def test_an_outage_without_time_is_refused() -> None:
    """Neither of the two means may be nothing."""
    for means, name in ((("0s", "1m"), "mean_up"), (("1m", "0s"), "mean_down")):
        with pytest.raises(UserError) as caught:
            Outage(*means)
        assert str(caught.value) == f"outage: {name} is 0s, expected more"


def test_a_downtime_is_down_from_its_start_up_to_its_end() -> None:
    """At its first instant it is down, at its last it is up again; before and long after too."""
    known = OutageClock(Downtime("10m", "5m"), random.Random(0))
    instants = (0, 10 * MINUTE - 1, 10 * MINUTE, 15 * MINUTE - 1, 15 * MINUTE, 99 * HOUR)
    assert [known.down(us) for us in instants] == [False, False, True, True, False, False]
    assert OutageClock(Downtime("0s", "5m"), random.Random(0)).down(0)


@pytest.mark.parametrize(("until_us", "downs"), [(10 * MINUTE, []), (10 * MINUTE + 1, [(10 * MINUTE, 15 * MINUTE)])])
def test_the_stretches_are_those_that_begin_before_an_instant(until_us: int, downs: list[tuple[int, int]]) -> None:
    """Each whole, also where it ends later."""
    assert OutageClock(Downtime("10m", "5m"), random.Random(0)).downs_us(until_us) == downs


@given(st.integers(1, 48 * HOUR))
def test_the_stretches_of_an_outage_are_when_it_is_down(until_us: int) -> None:
    """Down from each start up to the end, up right before and at the end."""
    for start_us, end_us in clock().downs_us(until_us):
        found = clock()
        assert start_us < until_us
        assert [found.down(us) for us in (start_us - 1, start_us, end_us - 1, end_us)] == [False, True, True, False]


def test_a_downtime_of_no_time_is_refused() -> None:
    """It could not do anything."""
    with pytest.raises(UserError, match="lasts is 0s"):
        Downtime("1m", "0s")
