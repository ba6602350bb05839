"""The trace: one record type, append-only, JSON lines out and in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st

from durable_sim import trace as kinds
from durable_sim.trace import Record, Trace, first_difference, record_to_json, records_from_jsonl

data = st.none() | st.dictionaries(st.text(), st.one_of(st.integers(), st.text(), st.booleans()), min_size=1)
records = st.builds(
    Record,
    st.integers(0, 100),
    st.integers(0, 10**15),
    st.text(min_size=1),
    st.none() | st.text(),
    st.none() | st.text(),
    st.none() | st.text(),
    st.none() | st.integers(0, 100),
    st.none() | st.integers(1, 100),
    st.none() | st.integers(1, 100),
    data,
)


def ticking(gaps_us: list[int]) -> Trace:
    """A trace with one record after each gap."""
    env = simpy.Environment()
    trace = Trace(env)

    def ticks() -> Iterator[simpy.Event]:
        for number, gap_us in enumerate(gaps_us):
            yield env.timeout(gap_us)
            trace.add("tick", execution=f"o-{number % 2}", step=number)

    env.process(ticks())  # type: ignore[arg-type]
    env.run()
    return trace


@given(st.lists(st.integers(0, 1_000), max_size=20))
def test_an_index_is_a_place_and_times_never_go_back(gaps_us: list[int]) -> None:
    """Record n is at place n, and no record is earlier than the one before it."""
    trace = ticking(gaps_us)
    assert [record.index for record in trace] == list(range(len(gaps_us)))
    assert [trace[place].step for place in range(len(trace))] == list(range(len(gaps_us)))
    times = [record.time_us for record in trace]
    assert times == sorted(times)
    assert sum(gaps_us) == (times[-1] if times else 0)


def test_a_record_keeps_what_it_was_told() -> None:
    """Each argument of `add` lands in the field of its name."""
    trace = Trace(simpy.Environment())
    trace.add(kinds.REQUEST_SENT, "o-1", "w1", "payments.charge", 3, 2, 17, {"fault": "slow"})
    assert trace[0] == Record(0, 0, "request_sent", "o-1", "w1", "payments.charge", 3, 2, 17, {"fault": "slow"})


def test_of_gives_one_execution_in_order() -> None:
    """The records of other executions, and of none, are left out."""
    trace = ticking([5, 5, 5, 5])
    trace.add("worker_crashed", worker="w1")
    assert [record.step for record in trace.of("o-1")] == [1, 3]


def test_empty_fields_are_left_out_of_the_lines() -> None:
    """A line holds index, time, kind and what else was given, in the order of the fields."""
    trace = Trace(simpy.Environment())
    trace.add("worker_started", worker="w1")
    assert trace.to_jsonl() == '{"index":0,"time_us":0,"kind":"worker_started","worker":"w1"}\n'


@given(st.lists(records, max_size=8))
def test_json_lines_are_read_back_as_the_same_records(some: list[Record]) -> None:
    """Out and in is the identity, whatever the texts hold."""
    lines = "".join(map(record_to_json, some))
    assert lines.count("\n") == len(some)
    assert records_from_jsonl(lines.splitlines(keepends=True)) == some


@given(records)
def test_a_line_is_ascii_json(record: Record) -> None:
    """A line survives any encoding: it is plain ASCII, whatever the names are."""
    line = record_to_json(record)
    assert line.isascii()
    assert json.loads(line)["kind"] == record.kind


def test_blank_lines_are_skipped_on_reading() -> None:
    """A file that ends in an empty line reads like one that does not."""
    trace = ticking([1, 1])
    assert records_from_jsonl([*trace.to_jsonl().splitlines(), "", "  \n"]) == list(trace)


def test_the_digest_is_the_hash_of_the_lines() -> None:
    """Equal digests mean equal lines, and any other record gives another digest."""
    trace = ticking([5, 7])
    assert trace.digest() == hashlib.sha256(trace.to_jsonl().encode()).hexdigest()
    assert trace.digest() == ticking([5, 7]).digest()
    assert trace.digest() != ticking([5, 8]).digest()
    assert trace.digest() != ticking([5]).digest()


def test_the_digest_of_a_small_trace_is_pinned() -> None:
    """The bytes are the same on every Python version."""
    assert ticking([5, 7]).digest() == "e4779f0f57849199914372d15f2555214e3200bf54ff43da70456b3274d3212c"


def test_equal_traces_have_no_first_difference() -> None:
    """Two runs of the same are the same."""
    assert first_difference(ticking([5, 7]), ticking([5, 7])) is None


def test_the_first_difference_names_the_record_and_both_sides() -> None:
    """The place and both records are shown, later differences are not."""
    assert first_difference(ticking([5, 7, 1]), ticking([5, 8, 2])) == (
        'record 1: {"index":1,"time_us":12,"kind":"tick","execution":"o-1","step":1} against '
        '{"index":1,"time_us":13,"kind":"tick","execution":"o-1","step":1}'
    )


@pytest.mark.parametrize(("left", "right"), [([5], [5, 7]), ([5, 7], [5])])
def test_a_trace_that_goes_on_differs_from_one_that_ends(left: list[int], right: list[int]) -> None:
    """Where one is the beginning of the other, the lengths are told."""
    expected = "one trace ends after 1 records, the other has 2"
    assert first_difference(ticking(left), ticking(right)) == expected


def test_observers_are_told_at_once_and_in_order() -> None:
    """An observer sees each record when it is already in the trace."""
    trace = Trace(simpy.Environment())
    seen: list[tuple[str, int, int]] = []
    trace.observers.append(lambda record: seen.append(("a", record.index, len(trace))))
    trace.observers.append(lambda record: seen.append(("b", record.index, len(trace))))
    trace.add("one")
    trace.add("two")
    assert seen == [("a", 0, 1), ("b", 0, 1), ("a", 1, 2), ("b", 1, 2)]


def test_an_observer_may_leave_and_may_add_records() -> None:
    """A fault that strikes at a record removes itself and adds records of its own, and no index is used twice."""
    trace = Trace(simpy.Environment())

    def strike(record: Record) -> None:
        trace.observers.remove(strike)
        trace.add("worker_crashed")

    later: list[str] = []
    trace.observers += [strike, lambda record: later.append(record.kind)]
    trace.add("request_sent")
    trace.add("request_received")
    assert sorted(later) == ["request_received", "request_sent", "worker_crashed"]
    assert [(record.index, record.kind) for record in trace] == [
        (0, "request_sent"),
        (1, "worker_crashed"),
        (2, "request_received"),
    ]
