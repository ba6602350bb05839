"""Where the simulator does not do what was recorded, on purpose or not yet; everything else must be the same.

For each history: how the words of a difference begin, and why it is there. An entry that no longer occurs fails the
test, and so does a difference that is not listed.
"""

from __future__ import annotations

from collections.abc import Mapping

KNOWN_DIFFERENCES: Mapping[str, Mapping[str, str]] = {
    "r_deploy_nondeterminism__after_rollback": {
        "event 22 (WorkflowTaskScheduled): task_queue_kind: recorded 'STICKY'": (
            "the recorded worker kept no cache before the deploy and one after it; a simulation has one setting"
        ),
    },
    "s2_sandbox_datetime_now": {
        "event 4 (WorkflowTaskFailed): failure: recorded": (
            "the guard is no sandbox and has words of its own: where the clock was read, and what to use instead"
        ),
    },
}

NOT_PORTABLE: Mapping[str, str] = {}
"""Histories that cannot be played at all, and why."""
