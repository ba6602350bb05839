"""Replay: from a history to what the workflow code wants next. Pure: no clock, no randomness of its own, no SimPy.

`Instance` is a workflow whose code has been run up to some event; feeding it the whole history of a run is a replay,
feeding it what is new is what a worker with a warm cache does. One completed workflow task is run at a time, as it was
the first time: signals and updates first, then what else came, in the order of the history. Always holds: each command
event of the history must be what the code issued at that place, or `NonDeterminismError` says which is not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from durable_sim.durations import format_us
from durable_sim.models.replay import events as kinds
from durable_sim.models.replay.events import Event
from durable_sim.models.replay.matching_commands import asked_for, compare, recorded_as
from durable_sim.models.replay.runner import Decision, LocalOutcome, Waiting, WorkflowTaskError
from durable_sim.randomness import Randomness
from durable_sim.workflows.commands import (
    CancelWorkflow,
    Command,
    CompleteWorkflow,
    FailWorkflow,
    RecordMarker,
    RejectUpdate,
    ScheduleActivity,
    ScheduleLocalActivity,
    SetPatch,
    StartChild,
)
from durable_sim.workflows.context import LocalBackoff, WorkflowContext, WorkflowInfo
from durable_sim.workflows.definitions import Build, WorkflowDefinition, definition_of
from durable_sim.workflows.failures import (
    Failure,
    NonDeterminismError,
    WorkflowFailure,
    activity_error,
    cancelled_failure,
    child_error,
    failure_of,
    is_cancellation,
)
from durable_sim.workflows.handlers import Handlers, UpdateRequest
from durable_sim.workflows.markers import LOCAL_ACTIVITY, PATCH, Markers
from durable_sim.workflows.payloads import copied
from durable_sim.workflows.program import ContinueRun, Program

if TYPE_CHECKING:
    from durable_sim.workflows.guard import Guard

MakeInfo = Callable[[dict[str, Any]], WorkflowInfo]


class DeadlockError(WorkflowTaskError):
    """The code held its thread for longer than the worker allows."""

    def __init__(self, limit_us: int) -> None:
        what = f"[TMPRL1101] Potential deadlock detected: workflow didn't yield within {format_us(limit_us)}"
        super().__init__(Failure("_DeadlockError", f"{what}; move heavy work into an activity"))
        self.limit_us = limit_us

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.limit_us,)


class Instance:
    """A workflow's code, run up to `position` events of its history. See `runner.WorkflowInstance`."""

    __slots__ = (
        "_begun",
        "_build",
        "_cancel_requested",
        "_commands",
        "_definition",
        "_expected",
        "_fails_on",
        "_guard",
        "_handlers",
        "_jobs",
        "_local",
        "_make_info",
        "_markers",
        "_ours",
        "_signals",
        "_started_us",
        "_strict",
        "deadlock_us",
        "position",
        "program",
        "replayed_tasks",
    )  # fmt: skip

    def __init__(
        self,
        build: Build,
        make_info: MakeInfo,
        *,
        strict: bool = False,
        guard: Guard | None = None,
        deadlock_us: int | None = None,
    ) -> None:
        self.program = Program()
        self.position = 0
        self.replayed_tasks = 0
        self.deadlock_us = deadlock_us
        self._build = build
        self._make_info = make_info
        self._strict = strict
        self._guard = guard
        self._handlers = Handlers(self.program)
        self._markers = Markers(self.program)
        self._definition: WorkflowDefinition | None = None
        self._fails_on: tuple[type[BaseException], ...] = ()
        self._expected: deque[Command] = deque()
        self._signals: list[Event] = []
        self._jobs: list[Event] = []
        self._commands: dict[int, Command] = {}
        self._local: dict[int, ScheduleLocalActivity] = {}
        self._begun: set[int] = set()
        self._ours = False
        self._cancel_requested = False
        self._started_us = 0

    @property
    def token(self) -> Program:
        """What stands for the instance in a process's memory."""
        return self.program

    # --- events in --------------------------------------------------------------------------------------------------
    def apply(self, events: Sequence[Event], updates: Sequence[UpdateRequest] = ()) -> Decision:
        """Feed the events after `position`; where the last one starts a workflow task, gives that task's decision."""
        jobs, commands = _JOBS, kinds.COMMAND_EVENTS
        for place, event in enumerate(events):
            kind = event.type
            if kind in commands:
                self._match(event)
            elif kind in jobs or kind == kinds.WORKFLOW_EXECUTION_STARTED:
                self._jobs.append(event)
            elif kind == kinds.WORKFLOW_TASK_STARTED:
                self._task_started(event)
            elif kind == kinds.WORKFLOW_TASK_COMPLETED:
                if self._ours:  # this instance itself ran the task that the history now says is completed
                    self._ours = False
                else:
                    self._task_completed(event, events, place)
            elif kind == kinds.WORKFLOW_EXECUTION_SIGNALED:
                self._signals.append(event)
        self.position += len(events)
        if events and events[-1].type != kinds.WORKFLOW_TASK_STARTED:
            return Decision()
        return self._decide_now(updates)

    def _task_started(self, event: Event) -> None:
        self._started_us = event.time_us
        self.program.continue_as_new_suggested = bool(event.attributes.get("suggest_continue_as_new"))

    def _decide_now(self, updates: Sequence[UpdateRequest]) -> Decision:
        """Run the task that has just been started."""
        if self._expected:
            self._nothing_left(self.position)
        self.program.history_length = self.position
        self._activate(updates)
        return self._decision()

    def _task_completed(self, event: Event, events: Sequence[Event], place: int) -> None:
        """Run what an earlier, completed task ran; its commands must come next in the history."""
        self._nothing_left(event.id)
        program = self.program
        program.replaying, program.history_length = True, event.id - 1
        try:
            self._replay_task(events, place + 1)
        finally:
            program.replaying = False
        program.take_notes()
        self._expected.extend(self._closed(program.take_issued()))
        self.replayed_tasks += 1

    def _replay_task(self, events: Sequence[Event], place: int) -> None:
        """Run a recorded task, given what the history behind it says: patches, values, updates, local activities."""
        updates: list[UpdateRequest] = []
        outcomes: list[LocalOutcome] = []
        while place < len(events) and events[place].type in kinds.COMMAND_EVENTS:
            told = events[place].attributes
            if events[place].type == kinds.MARKER_RECORDED:
                self._foresee(told, outcomes)
            elif events[place].type == kinds.WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
                updates.append(UpdateRequest(told["update_id"], told["name"], tuple(told["input"]), replayed=True))
            place += 1
        self._activate(updates)
        self._note_local()
        for outcome in outcomes:
            if outcome.seq not in self._local or self._ended:
                break  # left over: the code did not ask for it, as matching will find
            self._resolve(outcome)
            self._note_local()

    @property
    def _ended(self) -> bool:
        main = self.program.main
        return main is not None and main.done

    def _foresee(self, marker: dict[str, Any], outcomes: list[LocalOutcome]) -> None:
        details = marker["details"]
        match marker["marker_name"]:
            case "core_patch":
                self._markers.recorded_patches.add(details["patch-data"][0]["id"])
            case "SideEffect":
                self._markers.recorded_values.append(details["data"][0])
            case "core_local_activity":
                outcomes.append(_outcome(marker))

    # --- running code -----------------------------------------------------------------------------------------------
    def _activate(self, updates: Sequence[UpdateRequest]) -> None:
        program = self.program
        program.now_us = self._started_us
        jobs, self._jobs = self._jobs, []
        signals = self._signals
        if signals:
            self._signals = []
        if program.main is None and jobs and jobs[0].type == kinds.WORKFLOW_EXECUTION_STARTED:
            self._start(jobs.pop(0))
            self._run()
        if jobs and (signals or updates or len(jobs) > 1):
            program.closing = frozenset(self._ends(jobs))
        if signals or updates:
            for event in signals:
                self._handlers.signal(event.attributes["signal_name"], tuple(copied(event.attributes["input"])))
            for update in updates:
                self._handlers.update(update._replace(arguments=tuple(copied(list(update.arguments)))))
            self._run()
        if jobs:
            for event in jobs:
                _JOBS[event.type](self, event)
            self._run()

    def _ends(self, jobs: Sequence[Event]) -> Iterator[int]:
        """The steps whose end the code is about to be told. What it cancels of them meanwhile, it cancels too late."""
        for event in jobs:
            reference = _ENDS.get(event.type)
            command = self._commands.get(event.attributes[reference]) if reference else None
            if command is not None:
                yield command.step  # type: ignore[union-attr]

    def _run(self) -> None:
        program = self.program
        blocked_us = program.blocked_us
        if self._guard is None:
            program.advance()
        else:
            with self._guard:
                program.advance()
        if self.deadlock_us is not None and program.blocked_us - blocked_us > self.deadlock_us:
            program.blocked_us = blocked_us + self.deadlock_us
            raise DeadlockError(self.deadlock_us)
        if program.failure is not None:
            raise self._mistake(program.failure)

    def _start(self, event: Event) -> None:
        told = event.attributes
        definition = self._build.workflow(told["workflow_type"])
        if definition is None:
            known = ", ".join(self._build.workflow_names) or "none"
            found = f"Workflow class {told['workflow_type']} is not registered on this worker"
            raise WorkflowTaskError(Failure("NotFoundError", f"{found}, available workflows: {known}"))
        if self._guard is not None:
            self._read_for_the_guard(definition)
        self._definition = definition
        self._fails_on = self._handlers.fails_on = definition.fails_on
        context = WorkflowContext(self.program, self._make_info(told), self._handlers, self._markers)
        self.program.start(definition.function(context, *copied(told["input"])))

    def _read_for_the_guard(self, definition: WorkflowDefinition) -> None:
        """Let the guard find in the function what it could not see while it runs."""
        from durable_sim.workflows.guard import NonDeterministicCall  # only where there is a guard

        assert self._guard is not None
        try:
            self._guard.check(definition.function)
        except NonDeterministicCall as error:
            raise WorkflowTaskError(failure_of(error)) from error

    # --- local activities -------------------------------------------------------------------------------------------
    def _note_local(self) -> None:
        for command in self.program.take_local():
            self._local[command.seq] = command
            if command.function is not None:
                self._build.learn_activity(command.name, command.function)

    def _to_begin(self) -> tuple[ScheduleLocalActivity, ...]:
        """Those that the worker has not been given yet: new ones and, after a replay, those that have no outcome."""
        if len(self._local) == len(self._begun):
            return ()
        waiting = tuple(command for seq, command in self._local.items() if seq not in self._begun)
        self._begun.update(command.seq for command in waiting)
        return waiting

    def resolve_local(self, outcome: LocalOutcome) -> Decision:
        """Tell how a local activity ended, within the task; gives what the code does next."""
        self._resolve(outcome)
        return self._decision()

    def _resolve(self, outcome: LocalOutcome) -> None:
        program, step = self.program, self._local.pop(outcome.seq).step
        self._begun.discard(outcome.seq)
        program.now_us = outcome.complete_us
        program.tell(_marker(outcome))
        if outcome.failure is None:
            program.settle(step, copied(outcome.result))
        elif outcome.backoff_us is not None:
            program.settle(step, LocalBackoff(outcome.attempt + 1, outcome.backoff_us, outcome.scheduled_us))
        else:
            program.settle(step, error=activity_error(outcome.activity, outcome.retry_state, outcome.failure))
        self._run()

    # --- decisions out ----------------------------------------------------------------------------------------------
    def _decision(self) -> Decision:
        program = self.program
        self._note_local()
        blocked_us, program.blocked_us = program.blocked_us, 0
        if self._local and not self._ended:  # a workflow that has ended waits for none of them
            return Decision((), (), self._to_begin(), blocked_us, waits=True)
        return Decision(self._closed(program.take_issued()), program.take_notes(), (), blocked_us)

    def take_commands(self) -> Sequence[Command]:
        """The commands so far of a task whose local activities take long."""
        return self.program.take_issued()

    def _closed(self, commands: list[Command]) -> list[Command]:
        """The commands of a task, with the closing one if the function has ended."""
        main = self.program.main
        if main is not None and main.done:
            self.program.discard_unstarted()
            commands.append(self._closing(main.error, main))
        for command in commands:
            match command:
                case ScheduleActivity(function=function) if function is not None:
                    self._build.learn_activity(command.name, function)
                case StartChild(function=function) if function is not None:
                    self._build.learn_workflow(command.workflow_type, function)
        return commands

    def _closing(self, error: BaseException | None, main: Any) -> Command:
        name = self._definition.name if self._definition is not None else ""
        if error is None:
            return CompleteWorkflow(copied(main.result(), f"result of {name}"))
        if isinstance(error, ContinueRun):
            return error.command
        if self._cancel_requested and is_cancellation(error):
            return CancelWorkflow()
        if isinstance(error, (WorkflowFailure, TimeoutError, *self._fails_on)):
            return FailWorkflow(failure_of(error))
        raise self._mistake(error)

    def _mistake(self, error: BaseException) -> Exception:
        if isinstance(error, NonDeterminismError):
            return error
        return WorkflowTaskError(failure_of(error))

    def fails_on(self, error: BaseException) -> bool:
        """Whether the workflow asks to be failed by such an error, instead of its task."""
        return isinstance(error, self._fails_on)

    def sent(self, commands: Sequence[Command]) -> None:
        """Remember that these commands were sent: their events will come back with the next task."""
        self._expected.extend(commands)
        self._ours = True

    def rewind(self, events: int) -> None:
        """The server has dropped the last events again: those of a task that only refused an update."""
        self.position -= events
        self._ours = False
        self._expected.clear()

    # --- matching ---------------------------------------------------------------------------------------------------
    def _match(self, event: Event) -> None:
        expected = self._expected
        while expected and type(expected[0]) is RejectUpdate:
            expected.popleft()
        if event.type in _SOMETIMES_PASSED_OVER and _is_passed_over(event, expected):
            return
        if not expected:
            raise NonDeterminismError(event.id, recorded_as(event), "nothing more at this point")
        command = expected.popleft()
        difference = compare(event, command, self._commands, self._strict)
        if difference is not None:
            raise NonDeterminismError(event.id, *difference)
        self._commands[event.id] = command

    def _nothing_left(self, event_id: int) -> None:
        """Every command of the task before must have come back by now."""
        while self._expected and type(self._expected[0]) is RejectUpdate:
            self._expected.popleft()
        if self._expected:
            raise NonDeterminismError(event_id, "no such command", asked_for(self._expected[0]))

    def replay(self, history: Sequence[Event]) -> Instance:
        """Run over a whole history, behind whose end nothing more can come of what the code has asked for."""
        self.apply(history)
        self._nothing_left(self.position)
        return self

    # --- jobs -------------------------------------------------------------------------------------------------------
    def _activity_closed(self, event: Event) -> None:
        told = event.attributes
        step = self._step_of(event, "scheduled_event_id")
        if event.type == kinds.ACTIVITY_TASK_COMPLETED:
            self.program.settle(step, copied(told["result"]))
            return
        canceled = event.type == kinds.ACTIVITY_TASK_CANCELED
        failure = cancelled_failure(details=tuple(told.get("details") or ())) if canceled else told["failure"]
        retry_state = told.get("retry_state") or ("CANCEL_REQUESTED" if canceled else "")
        command: Any = self._commands[told["scheduled_event_id"]]
        info = {
            "activity_type": command.name,
            "activity_id": command.id,
            "scheduled_event_id": told["scheduled_event_id"],
            "started_event_id": told.get("started_event_id", 0),
            "identity": told.get("identity"),
            "retry_state": retry_state,
        }
        self.program.settle(step, error=activity_error(command.name, retry_state, failure, info))

    def _timer_fired(self, event: Event) -> None:
        self.program.settle(self._step_of(event, "started_event_id"))

    def _child_started(self, event: Event) -> None:
        self.program.settle(self._step_of(event, "initiated_event_id"), event.attributes["run_id"])

    def _child_start_failed(self, event: Event) -> None:
        told = event.attributes
        failure = Failure("WorkflowAlreadyStarted", "Workflow execution already started", non_retryable=True)
        error = child_error(told["workflow_id"], "NON_RETRYABLE_FAILURE", failure, {"workflow_id": told["workflow_id"]})
        self.program.settle(self._step_of(event, "initiated_event_id"), error=error)

    def _child_closed(self, event: Event) -> None:
        told = event.attributes
        step = -self._step_of(event, "initiated_event_id")
        if event.type == kinds.CHILD_COMPLETED:
            self.program.settle(step, copied(told["result"]))
            return
        failure, state = _child_failure(event), told.get("retry_state") or "RETRY_POLICY_NOT_SET"
        info = {name: told[name] for name in ("workflow_id", "run_id", "workflow_type", "initiated_event_id")}
        info |= {"started_event_id": told.get("started_event_id", 0), "retry_state": state}
        self.program.settle(step, error=child_error(told["workflow_id"], state, failure, info))

    def _external_done(self, event: Event) -> None:
        self.program.settle(self._step_of(event, "initiated_event_id"))

    def _external_failed(self, event: Event) -> None:
        told = event.attributes
        message = "Unable to signal" if event.type == kinds.SIGNAL_EXTERNAL_FAILED else "Unable to cancel"
        failure = Failure("ExternalWorkflowNotFound", f"{message} external workflow because it was not found")
        step = self._step_of(event, "initiated_event_id")
        self.program.settle(
            step, error=failure._replace(message=f"{failure.message}: {told['workflow_id']}").to_exception()
        )

    def _cancel_main(self, event: Event) -> None:
        self._cancel_requested = True
        if self.program.main is not None:
            self.program.main.cancel()

    def _step_of(self, event: Event, reference: str) -> int:
        cause = event.attributes[reference]
        command = self._commands.get(cause)
        if command is None:
            raise NonDeterminismError(event.id, f"{event.type} of event {cause}", "nothing that it could belong to")
        return command.step  # type: ignore[union-attr]

    # --- looking in -------------------------------------------------------------------------------------------------
    def query(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """Answer a query."""
        return self._handlers.query(name, tuple(copied(list(arguments))))

    def waits(self) -> tuple[Waiting, ...]:
        """Where the main coroutine waits."""
        main = self.program.main
        if main is None or main.done:
            return ()
        return (Waiting(tuple(_frames(main.coroutine))),)


def _frames(coroutine: Any) -> Iterable[tuple[str, str, int]]:
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None)
        if frame is None:
            return
        yield frame.f_code.co_name, frame.f_code.co_filename, frame.f_lineno
        coroutine = getattr(coroutine, "cr_await", None)


_ENDS = {
    **dict.fromkeys(
        (
            kinds.ACTIVITY_TASK_COMPLETED,
            kinds.ACTIVITY_TASK_FAILED,
            kinds.ACTIVITY_TASK_TIMED_OUT,
            kinds.ACTIVITY_TASK_CANCELED,
        ),
        "scheduled_event_id",
    ),
    **dict.fromkeys(
        (
            kinds.CHILD_COMPLETED,
            kinds.CHILD_FAILED,
            kinds.CHILD_CANCELED,
            kinds.CHILD_TIMED_OUT,
            kinds.CHILD_TERMINATED,
            kinds.CHILD_START_FAILED,
        ),
        "initiated_event_id",
    ),
    kinds.TIMER_FIRED: "started_event_id",
}
"""Events that end a step, and by which attribute they name its beginning."""
_SOMETIMES_PASSED_OVER = (kinds.UPSERT_SEARCH_ATTRIBUTES, kinds.MARKER_RECORDED)


def _is_passed_over(event: Event, expected: deque[Command]) -> bool:
    """What the server adds to a patch, and a deprecated patch that the code no longer knows, match nothing."""
    told = event.attributes
    if event.type == kinds.UPSERT_SEARCH_ATTRIBUTES:
        return list(told["search_attributes"]) == [kinds.CHANGE_VERSION]
    if event.type != kinds.MARKER_RECORDED or told["marker_name"] != PATCH:
        return False
    patch = told["details"]["patch-data"][0]
    known = bool(expected) and isinstance(expected[0], SetPatch) and expected[0].id == patch["id"]
    return bool(patch["deprecated"]) and not known


def _marker(outcome: LocalOutcome) -> RecordMarker:
    data = {
        "seq": outcome.seq,
        "attempt": outcome.attempt,
        "activity_id": str(outcome.seq),
        "activity_type": outcome.activity,
        "complete_us": outcome.complete_us,
        "backoff_us": outcome.backoff_us,
        "original_schedule_us": outcome.scheduled_us,
        "retry_state": outcome.retry_state,
    }
    details: dict[str, list[Any]] = {"data": [data]}
    if outcome.failure is None:
        details["result"] = [copied(outcome.result, f"result of {outcome.activity}")]
    return RecordMarker(LOCAL_ACTIVITY, details, outcome.failure)


def _outcome(marker: dict[str, Any]) -> LocalOutcome:
    data = marker["details"]["data"][0]
    result = marker["details"].get("result", [None])
    return LocalOutcome(
        data["seq"],
        data["activity_type"],
        data["attempt"],
        data["complete_us"],
        data["original_schedule_us"],
        result[0] if result else None,
        marker.get("failure"),
        data.get("retry_state") or "",
        data.get("backoff_us"),
    )


def _child_failure(event: Event) -> Failure:
    match event.type:
        case kinds.CHILD_FAILED:
            return event.attributes["failure"]  # type: ignore[no-any-return]
        case kinds.CHILD_CANCELED:
            return cancelled_failure()
        case kinds.CHILD_TERMINATED:
            return Failure("TerminatedFailure", "terminated", kind="terminated")
    return Failure("ActivityTimeout", "child workflow timed out", timeout_type="START_TO_CLOSE", kind="timeout")


_Feed = Callable[[Instance, Event], None]


_JOBS: Mapping[str, _Feed] = {
    kinds.ACTIVITY_TASK_COMPLETED: Instance._activity_closed,
    kinds.ACTIVITY_TASK_FAILED: Instance._activity_closed,
    kinds.ACTIVITY_TASK_TIMED_OUT: Instance._activity_closed,
    kinds.ACTIVITY_TASK_CANCELED: Instance._activity_closed,
    kinds.TIMER_FIRED: Instance._timer_fired,
    kinds.CHILD_STARTED: Instance._child_started,
    kinds.CHILD_START_FAILED: Instance._child_start_failed,
    kinds.CHILD_COMPLETED: Instance._child_closed,
    kinds.CHILD_FAILED: Instance._child_closed,
    kinds.CHILD_CANCELED: Instance._child_closed,
    kinds.CHILD_TIMED_OUT: Instance._child_closed,
    kinds.CHILD_TERMINATED: Instance._child_closed,
    kinds.EXTERNAL_SIGNALED: Instance._external_done,
    kinds.EXTERNAL_CANCEL_REQUESTED: Instance._external_done,
    kinds.SIGNAL_EXTERNAL_FAILED: Instance._external_failed,
    kinds.CANCEL_EXTERNAL_FAILED: Instance._external_failed,
    kinds.WORKFLOW_EXECUTION_CANCEL_REQUESTED: Instance._cancel_main,
}


class NativeRunner:
    """Runs this package's own workflow functions: one build of them. See `runner.CodeRunner`."""

    __slots__ = ("_build", "_deadlock_us", "_guard", "_make_info", "_strict")

    def __init__(
        self,
        build: Build,
        make_info: Callable[[str, dict[str, Any]], WorkflowInfo],
        *,
        strict: bool = False,
        guard: Guard | None = None,
        deadlock_us: int | None = None,
    ) -> None:
        self._build = build
        self._make_info = make_info
        self._strict = strict
        self._guard = guard
        self._deadlock_us = deadlock_us

    def instance(self, started: Event, run_id: str) -> Instance:
        """A new instance for the run of this id, whose history begins with this event."""
        options: dict[str, Any] = {"strict": self._strict, "guard": self._guard, "deadlock_us": self._deadlock_us}
        return Instance(self._build, partial(self._make_info, run_id), **options)

    def activity(self, name: str) -> Callable[..., Any] | None:
        """The activity of that name, if this build has one."""
        return self._build.activity(name)


def info_of(run_id: str, started: dict[str, Any], randomness: Randomness) -> WorkflowInfo:
    """The identity of a run, from its first event.

    Its random numbers go with the run id recorded there: a run made by a reset has those of the run it came from.
    """
    workflow_id, own = started["workflow_id"], started["run_id"]
    name = ("workflow", workflow_id) if own == workflow_id else ("workflow", workflow_id, own)
    return WorkflowInfo(
        workflow_id,
        run_id,
        started["workflow_type"],
        lambda: randomness.stream(*name),
        started.get("attempt") or 1,
        started.get("task_queue") or "main",
        started.get("continued_run_id"),
        started.get("parent"),
        started.get("memo") or {},
        started.get("search_attributes") or {},
    )


def replay_history(
    workflows: Callable[..., Any] | Iterable[Callable[..., Any]],
    history: Sequence[Event],
    *,
    strict: bool = False,
    seed: int = 0,
) -> Instance:
    """Run workflow code over a whole history, as the real SDK's Replayer does; gives the instance at its end.

    `workflows` are the functions of the build to try, `seed` that of the simulation that made the history. With
    `strict`, arguments, time-outs and timer lengths are compared too, which the real engine lets pass.

    Raises:
        NonDeterminismError: the code does not issue the commands that the history has.
        WorkflowTaskError: the code raised something that is no workflow failure.
    """
    functions = [workflows] if callable(workflows) else list(workflows)
    build = Build(None, {definition_of(function).name: function for function in functions})

    def make_info(started: dict[str, Any]) -> WorkflowInfo:
        return info_of(started["run_id"], started, Randomness(seed))

    return Instance(build, make_info, strict=strict).replay(history)
