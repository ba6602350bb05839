"""What the server keeps of each run: its history, and what follows from it that is still open. Data only.

Always holds: everything here but the fields marked as volatile can be written down as JSON and read back, and is all
that a restarted server needs. Volatile are alarms (they follow from the times kept) and who waits for an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from durable_sim.models.executions import Execution
from durable_sim.models.replay import events as kinds
from durable_sim.models.replay.events import Event
from durable_sim.workflows.commands import ActivityOptions
from durable_sim.workflows.failures import Failure
from durable_sim.workflows.retry import RetryPolicy
from durable_sim.world.alarms import Alarm

MAIN_QUEUE = "main"
RunStatus = Literal["RUNNING", "COMPLETED", "FAILED", "CANCELED", "TERMINATED", "TIMED_OUT", "CONTINUED_AS_NEW"]
RUNNING: RunStatus = "RUNNING"
SCHEDULED, STARTED, BACKOFF = "SCHEDULED", "STARTED", "BACKOFF"
"""The phases of an activity; a workflow task has the first two."""
UNWRITTEN = -1
"""Stands for the id of an event that is buffered still."""
new_event = tuple.__new__  # half the price of Event(...), and there is one for each event
BufferedEvent = tuple[str, int, dict[str, Any]]


@dataclass(slots=True)
class PendingActivity:
    """An activity that has not closed yet. Its `options` have the retry policy and the time-outs."""

    step: int
    activity_id: str
    name: str
    task_queue: str
    input: list[Any]
    options: ActivityOptions
    scheduled_event_id: int
    scheduled_us: int
    queued_us: int
    attempt: int = 1
    phase: str = SCHEDULED
    started_us: int = 0
    retry_due_us: int = 0
    worker: str | None = None
    last_failure: Failure | None = None
    heartbeat_us: int = 0
    heartbeat_details: tuple[Any, ...] = ()
    cancel_event_id: int = 0
    alarm: Alarm | None = None  # volatile


@dataclass(slots=True)
class PendingTimer:
    """A timer that has neither fired nor been called off."""

    step: int
    timer_id: str
    started_event_id: int
    due_us: int
    alarm: Alarm | None = None  # volatile


@dataclass(slots=True)
class PendingChild:
    """A child whose end the workflow has not been told. `run_id` is unset until it has started."""

    step: int
    workflow_id: str
    workflow_type: str
    parent_close_policy: str
    initiated_event_id: int
    run_id: str | None = None
    started_event_id: int = 0


@dataclass(slots=True)
class PendingRequest:
    """A signal or a request to cancel on its way to another workflow."""

    step: int
    signal: bool
    initiated_event_id: int


@dataclass(slots=True)
class WorkflowTask:
    """The one workflow task of a run. The events of a second or later attempt, and of a task that only carries an
    update, are `transient`: in the history only once the task has succeeded."""

    attempt: int
    sticky: bool
    scheduled_event_id: int
    scheduled_us: int
    phase: str = SCHEDULED
    started_event_id: int = 0
    started_us: int = 0
    worker: str | None = None
    speculative: bool = False
    reported: bool = False
    transient: Sequence[Event] = ()
    alarm: Alarm | None = None  # volatile


@dataclass(slots=True)
class StartOptions:
    """How a run was asked for. Times are microseconds; None is unset."""

    workflow_id: str
    workflow_type: str
    input: list[Any]
    task_queue: str = MAIN_QUEUE
    execution_timeout_us: int | None = None
    run_timeout_us: int | None = None
    task_timeout_us: int = 10_000_000
    retry_policy: RetryPolicy | None = None
    memo: dict[str, Any] = field(default_factory=dict)
    search_attributes: dict[str, Any] = field(default_factory=dict)
    parent: dict[str, Any] | None = None
    root: dict[str, Any] | None = None


@dataclass(slots=True)
class Run:
    """One run of a workflow, as the server keeps it."""

    run_id: str
    first_run_id: str
    number: int
    options: StartOptions
    execution_started_us: int
    started_us: int
    attempt: int = 1
    status: RunStatus = "RUNNING"
    history: list[Event] = field(default_factory=list)
    buffered: list[BufferedEvent] = field(default_factory=list)
    activities: dict[int, PendingActivity] = field(default_factory=dict)
    timers: dict[int, PendingTimer] = field(default_factory=dict)
    children: dict[int, PendingChild] = field(default_factory=dict)
    requests: dict[int, PendingRequest] = field(default_factory=dict)
    task: WorkflowTask | None = None
    task_attempt: int = 1
    first_task_due_us: int = 0
    last_completed_event_id: int = 0
    task_failures: int = 0
    last_task_failure: str = ""
    sticky: str | None = None
    seen: int = 0
    build: str | None = None
    cancel_requested: bool = False
    updates: dict[str, int] = field(default_factory=dict)
    update_outcomes: dict[str, tuple[Any, Failure | None]] = field(default_factory=dict)
    patches: list[str] = field(default_factory=list)
    memo: dict[str, Any] = field(default_factory=dict)
    search_attributes: dict[str, Any] = field(default_factory=dict)
    result: Any = None
    failure: Failure | None = None
    next_run_id: str | None = None
    execution: Execution = field(default=None, repr=False)  # type: ignore[assignment]  # volatile, set by the server
    alarms: list[Alarm] = field(default_factory=list, repr=False)  # volatile
    in_batch: bool = False  # volatile: the commands of a task are being written
    saved_events: int = 0  # volatile: how many the store has
    workflow_id: str = field(init=False)
    trace_id: str = field(init=False)
    """Under which execution the trace and the effect ledger show it: a child goes with its root."""

    def __post_init__(self) -> None:
        root = self.options.root
        self.workflow_id = self.options.workflow_id
        self.trace_id = self.workflow_id if root is None else str(root["workflow_id"])

    @property
    def open(self) -> bool:
        """Whether it has not ended yet."""
        return self.status == "RUNNING"

    @property
    def task_started(self) -> bool:
        """Whether a worker has its workflow task."""
        return self.task is not None and self.task.phase == STARTED

    def append(self, time_us: int, event_type: str, attributes: dict[str, Any]) -> int:
        """Write an event; gives its id."""
        history = self.history
        event_id = len(history) + 1
        history.append(new_event(Event, (event_id, time_us, event_type, attributes)))
        return event_id

    def flush(self) -> bool:
        """Write what was buffered: first what is no end of an activity or child, in its order; then the ends."""
        buffered, self.buffered = self.buffered, []
        for at_the_back in (False, True):
            for event_type, time_us, attributes in buffered:
                if (event_type in kinds.SENT_TO_THE_BACK) == at_the_back:
                    event_id = self.append(time_us, event_type, self._with_started(event_type, attributes))
                    if event_type == kinds.CHILD_STARTED and attributes["initiated_event_id"] in self.children:
                        self.children[attributes["initiated_event_id"]].started_event_id = event_id
        return bool(buffered)

    def _with_started(self, event_type: str, attributes: dict[str, Any]) -> dict[str, Any]:
        """The end of an activity or a child names its start, which has got its id only now."""
        if event_type not in kinds.SENT_TO_THE_BACK or attributes["started_event_id"] != UNWRITTEN:
            return attributes
        child = "initiated_event_id" in attributes
        cause = "initiated_event_id" if child else "scheduled_event_id"
        start = kinds.CHILD_STARTED if child else kinds.ACTIVITY_TASK_STARTED
        for event in reversed(self.history):
            if event.type == start and event.attributes[cause] == attributes[cause]:
                return {**attributes, "started_event_id": event.id}
        return {**attributes, "started_event_id": 0}

    def cancel_alarms(self) -> None:
        """Call off everything that would still have happened to this run."""
        pending: list[Any] = [*self.activities.values(), *self.timers.values()]
        for one in [*pending, *([self.task] if self.task is not None else [])]:
            if one.alarm is not None:
                one.alarm.cancel()
        for alarm in self.alarms:
            alarm.cancel()
        self.alarms.clear()
