"""What can happen to the things that a history tells of: activities, timers, children, updates, workflow tasks.

One table. Each kind of thing is opened by one event and closed by one other; in between it may be started and touched.
"""

from __future__ import annotations

from typing import NamedTuple

from durable_sim.models.replay import events


class Life(NamedTuple):
    """What can happen to a thing that one event opens: it may start, it may be touched, and one event closes it.

    Later events name the opening one in `by`. Closing events in `unstarted` need no start; the others name the event
    of the start in `started_event_id`. `same` has the attributes that stay the same; no two things that are open at
    once have the same `key`.
    """

    opens: str
    by: str
    closes: tuple[str, ...]
    starts: str | None = None
    touches: tuple[str, ...] = ()
    unstarted: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    key: str | None = None


WORKFLOW_TASK = Life(
    events.WORKFLOW_TASK_SCHEDULED,
    "scheduled_event_id",
    (events.WORKFLOW_TASK_COMPLETED, events.WORKFLOW_TASK_FAILED, events.WORKFLOW_TASK_TIMED_OUT),
    starts=events.WORKFLOW_TASK_STARTED,
    unstarted=(events.WORKFLOW_TASK_TIMED_OUT,),
)
LIVES = (
    WORKFLOW_TASK,
    Life(
        events.ACTIVITY_TASK_SCHEDULED,
        "scheduled_event_id",
        (
            events.ACTIVITY_TASK_COMPLETED,
            events.ACTIVITY_TASK_FAILED,
            events.ACTIVITY_TASK_TIMED_OUT,
            events.ACTIVITY_TASK_CANCELED,
        ),
        starts=events.ACTIVITY_TASK_STARTED,
        touches=(events.ACTIVITY_TASK_CANCEL_REQUESTED,),
        unstarted=(events.ACTIVITY_TASK_TIMED_OUT, events.ACTIVITY_TASK_CANCELED),
        key="activity_id",
    ),
    Life(
        events.TIMER_STARTED,
        "started_event_id",
        (events.TIMER_FIRED, events.TIMER_CANCELED),
        same=("timer_id",),
        key="timer_id",
    ),
    Life(
        events.CHILD_INITIATED,
        "initiated_event_id",
        (
            events.CHILD_START_FAILED,
            events.CHILD_COMPLETED,
            events.CHILD_FAILED,
            events.CHILD_CANCELED,
            events.CHILD_TIMED_OUT,
            events.CHILD_TERMINATED,
        ),
        starts=events.CHILD_STARTED,
        unstarted=(events.CHILD_START_FAILED,),
        same=("workflow_id", "workflow_type"),
    ),
    Life(
        events.CANCEL_EXTERNAL_INITIATED,
        "initiated_event_id",
        (events.CANCEL_EXTERNAL_FAILED, events.EXTERNAL_CANCEL_REQUESTED),
        same=("workflow_id",),
    ),
    Life(
        events.SIGNAL_EXTERNAL_INITIATED,
        "initiated_event_id",
        (events.SIGNAL_EXTERNAL_FAILED, events.EXTERNAL_SIGNALED),
        same=("workflow_id",),
    ),
    Life(
        events.WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
        "accepted_event_id",
        (events.WORKFLOW_EXECUTION_UPDATE_COMPLETED,),
        same=("update_id",),
        key="update_id",
    ),
)
OPENING = {life.opens: life for life in LIVES}
"""By the type of the event that opens."""
LATER = {name: life for life in LIVES for name in (life.starts, *life.touches, *life.closes) if name}
"""By the types of the events that come after it."""
