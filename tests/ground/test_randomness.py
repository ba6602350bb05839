"""Randomness: named streams of one seed, and distributions that are sampled by inversion."""

from __future__ import annotations

import random
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_sim.errors import DurationError, UserError
from durable_sim.randomness import Constant, Distribution, Exponential, LogNormal, Randomness, Uniform

seeds = st.integers(min_value=0, max_value=2**64)
names = st.lists(st.one_of(st.text(), st.integers()), max_size=3).map(tuple)
chances = st.floats(min_value=0, max_value=1, exclude_max=True)


@given(seeds, names)
def test_a_draw_depends_on_nothing_but_seed_and_name(seed: int, name: tuple[str | int, ...]) -> None:
    """Same seed and name: the same numbers, from any number of `Randomness` objects, in any order of asking."""
    first = Randomness(seed).uniforms(*name)
    other = Randomness(seed)
    other.uniforms("somebody", "else")
    other.stream(*name).random()
    assert other.uniforms(*name) == first


@given(seeds, names, names)
def test_other_names_and_other_seeds_draw_other_numbers(
    seed: int, name: tuple[str | int, ...], other: tuple[str | int, ...]
) -> None:
    """No two names share a number, and neither do two seeds."""
    here = set(Randomness(seed).uniforms(*name))
    if other != name:
        assert here.isdisjoint(Randomness(seed).uniforms(*other))
        assert Randomness(seed).stream(*name).random() != Randomness(seed).stream(*other).random()
    assert here.isdisjoint(Randomness(seed + 1).uniforms(*name))


def test_the_parts_of_a_name_do_not_run_together() -> None:
    """("a", "bc"), ("ab", "c"), ("abc",), (1,) and ("1",) are five names."""
    randomness = Randomness(1)
    parts: list[tuple[str | int, ...]] = [("a", "bc"), ("ab", "c"), ("abc",), (1,), ("1",)]
    assert len({randomness.uniforms(*name) for name in parts}) == 5


def test_a_new_stream_never_shifts_another() -> None:
    """Draws from a stream are the same whatever is drawn from other streams in between."""
    alone = Randomness(3).stream("arrivals")
    expected = [alone.random() for _ in range(10)]
    randomness = Randomness(3)
    ours, found = randomness.stream("arrivals"), []
    for number in range(10):
        found.append(ours.random())
        randomness.stream("faults", number).random()
        randomness.uniforms("call", number)
    assert found == expected


def test_streams_leave_the_global_generator_alone() -> None:
    """Nobody's use of `random` is disturbed."""
    before = random.getstate()
    Randomness(1).stream("a").random()
    Randomness(1).uniforms("a")
    assert random.getstate() == before


def test_uniforms_are_even_and_below_one() -> None:
    """Eight numbers a name, in [0, 1), with the mean and the correlation of independent even ones."""
    draws = [Randomness(5).uniforms("call", number) for number in range(2_000)]
    assert {len(draw) for draw in draws} == {8}
    assert all(0 <= u < 1 for draw in draws for u in draw)
    for place in range(8):
        assert fmean(draw[place] for draw in draws) == pytest.approx(0.5, abs=0.03)
    assert fmean((draw[0] - 0.5) * (draw[1] - 0.5) for draw in draws) == pytest.approx(0, abs=0.01)


def test_the_numbers_of_a_seed_are_pinned() -> None:
    """Seed 0 draws these very numbers, on every Python version and whatever PYTHONHASHSEED."""
    assert Randomness(0).uniforms("a") == (
        0.15361160928320472,
        0.6943229550353578,
        0.36838077039679307,
        0.19223666785183335,
        0.612602737449899,
        0.9084423992380054,
        0.9462384368443044,
        0.42878639739855706,
    )
    assert Randomness(7).uniforms("payments.charge", "o-1", 1)[:3] == (
        0.20535562377498573,
        0.21774908351851352,
        0.5301084030457801,
    )
    assert Randomness(7).stream("arrivals").random() == 0.7320399087927906
    assert Randomness(7).stream("arrivals").getrandbits(64) == 6705310066715064239
    assert Randomness(7).stream("x", 3).expovariate(1.0) == 0.3638302312221948


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        (Constant("80ms"), [80_000] * 4),
        (Uniform("1s", "2s"), [1_153_612, 1_694_323, 1_368_381, 1_192_237]),
        (Exponential("1s"), [166_777, 1_185_226, 459_469, 213_486]),
        (LogNormal("80ms", "800ms"), [29_119, 132_288, 57_358, 33_826]),
    ],
)
def test_the_times_of_a_distribution_are_pinned(distribution: Distribution, expected: list[int]) -> None:
    """The first four numbers of seed 0 give these very times, on every Python version."""
    assert [distribution.sample_us(u) for u in Randomness(0).uniforms("a")[:4]] == expected


def test_a_lognormal_has_the_median_and_the_99th_percentile_it_was_given() -> None:
    """Inverting 0.5 gives p50, inverting 0.99 gives p99, to the microsecond."""
    latency = LogNormal(p50="350ms", p99="2500ms")
    assert latency.sample_us(0.5) == 350_000
    assert latency.sample_us(0.99) == 2_500_000


def test_a_lognormal_whose_percentiles_are_equal_is_constant() -> None:
    """Without spread every draw is the median."""
    assert {LogNormal("1s", "1s").sample_us(u) for u in (0.0, 0.3, 0.999)} == {1_000_000}


@given(chances, chances)
def test_a_larger_chance_is_never_a_shorter_time(one: float, other: float) -> None:
    """Sampling is by inversion: monotone in u, never negative, finite at both ends."""
    low, high = sorted((one, other))
    for distribution in (Uniform("1s", "3s"), Exponential("1s"), LogNormal("80ms", "800ms")):
        assert 0 <= distribution.sample_us(low) <= distribution.sample_us(high) < 10**9


def test_an_exponential_has_the_mean_it_was_given() -> None:
    """The average over an even grid of chances is the mean."""
    times = [Exponential("2s").sample_us((place + 0.5) / 10_000) for place in range(10_000)]
    assert fmean(times) == pytest.approx(2_000_000, rel=0.001)


@given(chances)
def test_a_uniform_stays_between_its_ends(u: float) -> None:
    """From low to high; equal ends are allowed."""
    assert 1_000_000 <= Uniform("1s", "1500ms").sample_us(u) <= 1_500_000
    assert Uniform("1s", "1s").sample_us(u) == 1_000_000


@pytest.mark.parametrize(
    ("kind", "spans", "text"),
    [
        (Uniform, ("2s", "1s"), "uniform: low 2s is above high 1s; swap them"),
        (LogNormal, ("2s", "1s"), "lognormal: p50 2s is above p99 1s; swap them"),
        (
            LogNormal,
            ("0s", "1s"),
            "lognormal: p50 is 0s: a lognormal time is always positive; use a constant instead",
        ),
    ],
)
def test_spans_in_the_wrong_order_are_refused(kind: Any, spans: tuple[str, str], text: str) -> None:
    """The error names the distribution, what was found, and what to do."""
    with pytest.raises(UserError) as caught:
        kind(*spans)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    "make",
    [
        lambda: Constant("5 parsecs"),
        lambda: Exponential("5 parsecs"),
        lambda: Uniform("1s", "5 parsecs"),
        lambda: LogNormal("5 parsecs", "1s"),
    ],
)
def test_a_span_that_cannot_be_read_is_refused_when_the_distribution_is_made(make: Any) -> None:
    """The mistake shows where it is made, not in the middle of a run."""
    with pytest.raises(DurationError):
        make()


def test_distributions_are_values() -> None:
    """Equal by content, so that scenarios can be compared; a set keeps one of two equal ones."""
    assert LogNormal("80ms", "800ms") == LogNormal("80ms", "800ms")
    assert LogNormal("80ms", "800ms") != LogNormal("80ms", "801ms")
    assert len({Constant("80ms"), Constant("80ms"), Exponential("80ms")}) == 2
