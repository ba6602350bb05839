"""Idempotency: exactly 24 hours."""

from __future__ import annotations

from hypothesis import find, given, settings
from hypothesis import strategies as st

from durable_sim.durations import DAY, HOUR
from durable_sim.models.steps.flow.idempotency import SeenKeys

Stream = list[tuple[int, str]]
streams = st.lists(
    st.tuples(st.sampled_from([0, 1, DAY - 1, DAY]) | st.integers(0, 30 * HOUR), st.sampled_from("abc")), max_size=20
)


def is_right(seen: SeenKeys, stream: Stream) -> bool:
    """A key is fresh if and only if the last time it was fresh is 24 hours ago, or never was."""
    now_us, since = 0, dict[str, int]()
    for gap_us, key in stream:
        now_us += gap_us
        fresh = key not in since or now_us - since[key] >= DAY
        if seen.fresh(key, now_us) != fresh:
            return False
        since |= {key: now_us} if fresh else {}
    return True


@given(streams)
def test_a_key_is_fresh_again_after_24_hours(stream: Stream) -> None:
    """To the microsecond, and counted from the first, not from repeats."""
    assert is_right(SeenKeys(), stream)


def test_the_last_microsecond_of_the_day() -> None:
    """One before 24 hours are over a key is not fresh; at 24 hours it is."""
    seen = SeenKeys()
    assert [seen.fresh("k", now_us) for now_us in (5, DAY + 4, DAY + 5)] == [True, False, True]


def test_asking_does_not_mark() -> None:
    """`known` leaves a key fresh."""
    seen = SeenKeys()
    assert not seen.known("k", 0)
    assert seen.fresh("k", 0)
    assert seen.known("k", DAY - 1)
    assert not seen.known("k", DAY)


class Sliding(SeenKeys):
    """Planted: a repeat lengthens the time."""

    def fresh(self, key: str, now_us: int) -> bool:
        """As it should be, but for the time of repeats."""
        fresh = super().fresh(key, now_us)
        self._since[key] = now_us
        return fresh


def test_a_time_that_slides_is_found() -> None:
    """Three events suffice."""
    found = find(streams, lambda stream: not is_right(Sliding(), stream), settings=settings(derandomize=True))
    assert len(found) == 3
