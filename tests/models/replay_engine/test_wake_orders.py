"""In which order branches wake whose waits have ended before one workflow task: as recorded from the real SDK.

The conformance tests have its Replayer judge the same plans.
"""

from __future__ import annotations

import pytest

from tests.conformance.temporal_sdk.branches import ORDERS, played


@pytest.mark.parametrize("name", ORDERS)
def test_branches_wake_in_the_order_of_the_real_sdk(name: str) -> None:
    """Whoever stands behind one task more comes a turn later: a timer's branch before an activity's."""
    order = ORDERS[name]
    history = played(order.plan, order.drive).history()
    scheduled = [event for event in history if event.type == "ActivityTaskScheduled"]
    assert tuple(event.attributes["activity_type"] for event in scheduled) == order.scheduled


def test_a_race_calls_its_timer_off_after_what_the_winner_goes_on_with() -> None:
    """The sleep is a task of its own: its timer is called off in its turn, when the next activity is scheduled."""
    order = ORDERS["a race that calls a timer off"]
    types = [event.type for event in played(order.plan, order.drive).history()]
    called_off = types.index("TimerCanceled")
    assert types[called_off - 2 : called_off] == ["WorkflowTaskCompleted", "ActivityTaskScheduled"]
