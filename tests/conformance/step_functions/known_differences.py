"""Where the simulator does not do what was recorded, on purpose; everything else must be the same.

For each execution: how the words of a difference begin, and why it is there. An entry that no longer occurs fails the
test, and so does a difference that is not listed.
"""

from __future__ import annotations

from collections.abc import Mapping

_ABORTED = (
    "the recorder, which is not the real service, writes no aborted events: the real one ends each task state in a "
    "failing Parallel or Map with TaskStateAborted, and the other iterations with MapIterationAborted"
)

KNOWN_DIFFERENCES: Mapping[str, Mapping[str, str]] = {
    "map_item_fails": {
        "number of TaskStateAborted: recorded 0": _ABORTED,
        "number of MapIterationAborted: recorded 0": _ABORTED,
    },
    "parallel_branch_fails_uncaught": {"number of TaskStateAborted: recorded 0": _ABORTED},
}

LEFT_OUT: Mapping[str, str] = {}
"""Executions that cannot be played at all, and why."""
