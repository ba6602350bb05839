"""Names with times: the earliest first, however often they were changed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from durable_sim.models.steps.flow.dues import Dues

acts = st.tuples(st.sampled_from(["set", "drop", "take"]), st.sampled_from("abcd"), st.integers(0, 9))


@given(st.lists(acts, max_size=40))
def test_the_same_as_sorting_all_names(stream: list[tuple[str, str, int]]) -> None:
    """By time, then by who was set first since it was last dropped."""
    dues, model = Dues(), dict[str, int]()
    for act, name, time_us in stream:
        if act == "set":
            dues.set(name, time_us)
            model[name] = time_us
        elif act == "drop":
            dues.drop(name)
            model.pop(name, None)
        else:
            ripe = sorted((one for one in model if model[one] <= time_us), key=lambda one: model[one])
            assert dues.take(time_us) == ripe
            model = {one: due_us for one, due_us in model.items() if one not in ripe}
        assert dues.next_us == min(model.values(), default=None)
