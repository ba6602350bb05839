"""The minimal counterexamples and the numbers of combinations of the paper on lineage-driven fault injection
(SIGMOD 2015, figures 12 and 13)."""

from __future__ import annotations

import pytest

from tests.search.molly import (
    CLASSIC,
    REDUN,
    RETRY,
    SIMPLE,
    Bounds,
    Fault,
    Loss,
    Protocol,
    Stop,
    by_exhaustion,
    search,
    two_phase_commit,
)

SIMPLE_SET: set[Fault] = {Loss("a", "b", 1)}
RETRY_SET: set[Fault] = {Loss("a", "b", 1), Stop("a", 2)}
CLASSIC_SET: set[Fault] = {Loss("a", "b", 1), Loss("c", "a", 2), Loss("c", "b", 2)}
DELIVERY = (
    pytest.param(SIMPLE, Bounds(4, 2, 0), [SIMPLE_SET], id="simple-deliv"),
    pytest.param(RETRY, Bounds(4, 2, 1), [RETRY_SET], id="retry-deliv"),
    pytest.param(CLASSIC, Bounds(5, 3, 0), [CLASSIC_SET], id="classic-deliv"),
    pytest.param(REDUN, Bounds(4, 2, 1), [], id="redun-deliv"),
)
COMMIT = Bounds(5, 0, 1, "Cabd")


def mirrored(faults: set[Fault]) -> frozenset[Fault]:
    """The same with b and c in each other's place."""
    other = {"a": "a", "b": "c", "c": "b"}
    return frozenset(
        Loss(other[one.sender], other[one.receiver], one.at) if isinstance(one, Loss) else Stop(other[one.node], one.at)
        for one in faults
    )


@pytest.mark.parametrize(("protocol", "bounds", "sets"), DELIVERY)
def test_minimal_counterexamples(protocol: Protocol, bounds: Bounds, sets: list[set[Fault]]) -> None:
    """Lineage finds the paper's minimal fault sets and their mirror images, no more and no fewer."""
    expected = {form for one in sets for form in (frozenset(one), mirrored(one))}
    found = search(protocol, bounds, "bc").sets
    assert set(found) == expected and len(found) == len(expected)


@pytest.mark.parametrize(("protocol", "bounds", "sets"), DELIVERY)
def test_all_combinations_tried(protocol: Protocol, bounds: Bounds, sets: list[set[Fault]]) -> None:
    """Trying every fault set there is gives the same minimal ones, in many more executions."""
    every = list(bounds.every_fault_set())
    found = search(protocol, bounds, "bc")
    assert set(by_exhaustion(protocol, bounds)) == set(found.sets)
    assert found.executions < len(every) / 3


def test_two_phase_commit() -> None:
    """Nine of the twenty ways in which one node can stop keep two-phase commit from an end."""
    coordinator = {frozenset({Stop("C", at)}) for at in (2, 3, 4)}
    agents = {frozenset({Stop(node, at)}) for node in "abd" for at in (1, 2)}
    assert set(search(two_phase_commit, COMMIT, ["decision"]).sets) == coordinator | agents
    assert set(by_exhaustion(two_phase_commit, COMMIT)) == coordinator | agents


def test_redundant_delivery_of_the_paper() -> None:
    """In the paper's own bounds, with 8e18 combinations, lineage shows in a few executions that nothing breaks it."""
    found = search(REDUN, Bounds(11, 10, 1), "bc")
    assert found.sets == () and found.executions < 100


def test_retries_that_end_too_early() -> None:
    """Without a round that no failure reaches, redundant delivery breaks: that it does not is no artefact."""
    found = search(REDUN, Bounds(3, 3, 0), "bc").sets
    assert found and set(found) == set(by_exhaustion(REDUN, Bounds(3, 3, 0)))


@pytest.mark.parametrize(
    ("protocol", "bounds", "goals", "paper", "ours"),
    [
        pytest.param(SIMPLE, Bounds(4, 2, 0), "bc", 2, 2, id="simple-deliv"),
        pytest.param(RETRY, Bounds(4, 2, 1), "bc", 3, 5, id="retry-deliv"),
        pytest.param(CLASSIC, Bounds(5, 3, 0), "bc", 5, 9, id="classic-deliv"),
        pytest.param(REDUN, Bounds(11, 10, 1), "bc", 11, 27, id="redun-deliv"),
        pytest.param(two_phase_commit, COMMIT, ["decision"], 2, 3, id="2pc"),
    ],
)
def test_executions(protocol: Protocol, bounds: Bounds, goals: str, paper: int, ours: int) -> None:
    """Until the first counterexample, or until none is left, so many executions are needed; the paper's tool, which
    also reasons about what was not there, needs as many or fewer."""
    assert search(protocol, bounds, goals, first=True).executions == ours >= paper


@pytest.mark.parametrize(
    ("bounds", "combinations"),
    [
        pytest.param(Bounds(4, 2, 0), "4.10e+03", id="simple-deliv"),
        pytest.param(Bounds(4, 2, 1), "4.07e+04", id="retry-deliv"),
        pytest.param(Bounds(5, 3, 0), "2.62e+05", id="classic-deliv"),
        pytest.param(Bounds(5, 0, 1, "abcd"), "2.40e+01", id="2pc"),
        pytest.param(Bounds(8, 0, 1, "abcd"), "3.60e+01", id="2pc-ctp"),
        pytest.param(Bounds(9, 7, 1, "abcd"), "2.43e+26", id="3pc"),
        pytest.param(Bounds(6, 4, 1, "abcde"), "1.85e+25", id="kafka"),
        pytest.param(Bounds(11, 10, 1), "8.07e+18", id="redun-deliv"),
    ],
)
def test_combinations(bounds: Bounds, combinations: str) -> None:
    """The formula gives the paper's numbers of combinations."""
    assert f"{bounds.combinations:.2e}" == combinations
