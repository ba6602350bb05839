"""Replay: from a history to what the workflow code wants next. Pure: no clock, no randomness of its own, no SimPy.

`Instance` is a workflow whose code has been run up to some event; feeding it the whole history of a run is a replay,
feeding it what is new is what a worker with a warm cache does. One completed workflow task is run at a time, as it was
the first time: signals and updates first, then what else came, in the order of the history. Always holds: each command
event of the history must be what the code issued at that place, or `NonDeterminismError` says which is not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from durable_sim.models.replay import events as kinds
from durable_sim.models.replay.chance import Chance
from durable_sim.models.replay.events import Event
from durable_sim.models.replay.local_markers import as_marker, cancelled, from_marker
from durable_sim.models.replay.matching_commands import asked_for, compare, recorded_as
from durable_sim.models.replay.outcomes import JOBS, Outcomes
from durable_sim.models.replay.runner import DeadlockError, Decision, LocalOutcome, Waiting, WorkflowTaskError
from durable_sim.workflows.commands import (
    CancelLocalActivity,
    CancelWorkflow,
    Command,
    CompleteWorkflow,
    FailWorkflow,
    RejectUpdate,
    ScheduleActivity,
    ScheduleLocalActivity,
    SetPatch,
    StartChild,
)
from durable_sim.workflows.context import WorkflowContext, WorkflowInfo
from durable_sim.workflows.definitions import Build, WorkflowDefinition
from durable_sim.workflows.failures import (
    Failure,
    NonDeterminismError,
    WorkflowFailure,
    activity_error,
    failure_of,
    is_cancellation,
)
from durable_sim.workflows.handlers import Handlers, UpdateRequest
from durable_sim.workflows.handles import LocalBackoff
from durable_sim.workflows.markers import PATCH, Markers
from durable_sim.workflows.payloads import copied
from durable_sim.workflows.program import ContinueRun, Program

if TYPE_CHECKING:
    from durable_sim.workflows.guard import Guard

MakeInfo = Callable[[dict[str, Any]], WorkflowInfo]


class Instance:
    """A workflow's code, run up to `position` events of its history. See `runner.WorkflowInstance`."""

    __slots__ = (
        "_begun",
        "_build",
        "_chance",
        "_definition",
        "_expected",
        "_fails_on",
        "_given_up",
        "_guard",
        "_handlers",
        "_jobs",
        "_local",
        "_make_info",
        "_markers",
        "_ours",
        "_outcomes",
        "_resets",
        "_signals",
        "_started",
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
        self._outcomes = Outcomes(self.program)
        self._definition: WorkflowDefinition | None = None
        self._fails_on: tuple[type[BaseException], ...] = ()
        self._expected: deque[Command] = deque()
        self._signals: list[Event] = []
        self._jobs: list[Event] = []
        self._resets: list[str] = []
        self._started: dict[str, Any] = {}
        self._chance: Chance | None = None
        self._local: dict[int, ScheduleLocalActivity] = {}
        self._begun: set[int] = set()
        self._given_up: set[int] = set()
        self._ours = False
        self._started_us = 0

    @property
    def token(self) -> Program:
        """What stands for the instance in a process's memory."""
        return self.program

    # --- events in --------------------------------------------------------------------------------------------------
    def apply(self, events: Sequence[Event], updates: Sequence[UpdateRequest] = ()) -> Decision:
        """Feed the events after `position`; where the last one starts a workflow task, gives that task's decision."""
        jobs, commands = JOBS, kinds.COMMAND_EVENTS
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
            elif kind == kinds.WORKFLOW_TASK_FAILED and event.attributes.get("cause") == kinds.RESET:
                self._resets.append(event.attributes["new_run_id"])
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
        outcomes: list[tuple[int, LocalOutcome]] = []
        while place < len(events) and events[place].type in kinds.COMMAND_EVENTS:
            told = events[place].attributes
            if events[place].type == kinds.MARKER_RECORDED:
                self._foresee(events[place], outcomes)
            elif events[place].type == kinds.WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
                updates.append(UpdateRequest(told["update_id"], told["name"], tuple(told["input"]), replayed=True))
            place += 1
        self._activate(updates)
        self._note_local()
        for event_id, outcome in outcomes:
            if outcome.seq in self._given_up:
                continue
            if outcome.seq not in self._local or self._ended:
                break  # left over: the code did not ask for it, as matching will find
            self._check_local(event_id, outcome)
            self._resolve(outcome)
            self._note_local()

    @property
    def _ended(self) -> bool:
        main = self.program.main
        return main is not None and main.done

    def _check_local(self, event_id: int, outcome: LocalOutcome) -> None:
        """A marker must be of the activity that the code has asked for."""
        asked = self._local[outcome.seq].name
        if asked != outcome.activity:
            recorded = f"a marker of local activity {outcome.activity}"
            raise NonDeterminismError(event_id, recorded, f"local activity {asked}")

    def _foresee(self, event: Event, outcomes: list[tuple[int, LocalOutcome]]) -> None:
        marker = event.attributes
        details = marker["details"]
        match marker["marker_name"]:
            case "core_patch":
                self._markers.recorded_patches.add(details["patch-data"][0]["id"])
            case "SideEffect":
                self._markers.recorded_values.append(details["data"][0])
            case "core_local_activity":
                outcomes.append((event.id, from_marker(marker)))

    # --- running code -----------------------------------------------------------------------------------------------
    def _activate(self, updates: Sequence[UpdateRequest]) -> None:
        program = self.program
        program.now_us = self._started_us
        jobs, self._jobs = self._jobs, []
        signals = self._signals
        if signals:
            self._signals = []
        starts = program.main is None and bool(jobs) and jobs[0].type == kinds.WORKFLOW_EXECUTION_STARTED
        for event in signals if starts else ():
            self._signal(event)  # kept until the code sets a handler
        if starts:
            signals = []
            self._start(jobs.pop(0))
            self._renew_chance()
            if updates:
                self._run(more=True)
        if jobs and (signals or updates or len(jobs) > 1):
            program.closing = frozenset(self._outcomes.ends(jobs))
        if signals or updates:
            for event in signals:
                self._signal(event)
            for update in updates:
                self._handlers.update(update._replace(arguments=tuple(copied(list(update.arguments)))))
            self._run(more=bool(jobs))
        self._renew_chance()
        if jobs or (starts and not updates):
            for event in jobs:
                self._outcomes.tell(event)
            self._run()

    def _signal(self, event: Event) -> None:
        self._handlers.signal(event.attributes["signal_name"], tuple(copied(event.attributes["input"])))

    def _renew_chance(self) -> None:
        """From a reset on the code draws other numbers, as with the seed that the real engine makes of the new run id.

        What was drawn before it stays: the copied history has been made with that.
        """
        for run_id in self._resets:
            assert self._chance is not None
            self._chance.renew(self._make_info(self._started | {"run_id": run_id}).random_stream)
        self._resets.clear()

    def _run(self, *, more: bool = False) -> None:
        program = self.program
        blocked_us = program.blocked_us
        if self._guard is None:
            program.advance(more=more)
        else:
            with self._guard:
                program.advance(more=more)
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
        self._started, info = told, self._make_info(told)
        self._chance = Chance(info.random_stream)
        info = replace(info, random_stream=self._chance.generator)
        context = WorkflowContext(self.program, info, self._handlers, self._markers)
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
        for seq in self.program.given_up:
            self._local.pop(seq, None)
            self._given_up.add(seq)
        self.program.given_up.clear()

    def _to_stop(self) -> tuple[int, ...]:
        """Those that the worker runs for code that no longer wants them."""
        stopped = tuple(sorted(self._begun & self._given_up))
        self._begun.difference_update(stopped)
        return stopped

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
        program.tell(as_marker(outcome))
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
        stop = self._to_stop() if self._given_up else ()
        if self._local and not self._ended:  # a workflow that has ended waits for none of them
            return Decision((), (), self._to_begin(), blocked_us, waits=True, given_up=stop)
        return Decision(self._closed(program.take_issued()), program.take_notes(), (), blocked_us, given_up=stop)

    def take_commands(self) -> Sequence[Command]:
        """The commands so far of a task whose local activities take long."""
        return self._with_markers(self.program.take_issued())

    def _with_markers(self, commands: list[Command]) -> list[Command]:
        """The commands as the server knows them: of a local activity that was given up it gets the marker."""
        for place, command in enumerate(commands):
            if type(command) is CancelLocalActivity:
                commands[place] = cancelled(command, self.program.now_us)
        return commands

    def _closed(self, commands: list[Command]) -> list[Command]:
        """The commands of a task, with the closing one if the function has ended."""
        main = self.program.main
        if main is not None and main.done:
            self.program.discard_unstarted()
            commands.append(self._closing(main.error, main))
        if self._given_up:
            commands = self._with_markers(commands)
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
        if self._outcomes.cancel_requested and is_cancellation(error):
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
        difference = compare(event, command, self._outcomes.commands, self._strict)
        if difference is not None:
            raise NonDeterminismError(event.id, *difference)
        self._outcomes.commands[event.id] = command

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

    # --- looking in -------------------------------------------------------------------------------------------------
    def query(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """Answer a query."""
        return self._handlers.query(name, tuple(copied(list(arguments))))

    def unheard(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The names of the signals that no handler has taken, and of those that have a handler."""
        return self._handlers.unheard()

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
