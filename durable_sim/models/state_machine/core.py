"""What all states of an execution share: the history, the clock, timers and tokens, and how a state is left.

A state is entered, does its work, and is left with an output or a failure; a failure is retried, caught, or passed to
whoever started the strand. Pure: it knows the time that it is told, asks for everything by actions, and draws random
numbers by name. Always holds: every token is given out once; what is asked for under one is either ended or forgotten.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from durable_sim.errors import InternalError
from durable_sim.models.state_machine import flow
from durable_sim.models.state_machine.actions import Action, CancelTimer, SetTimer, TimerKind
from durable_sim.models.state_machine.history import History, size_of, time_text
from durable_sim.models.state_machine.language.errors import DATA_LIMIT_EXCEEDED, QUERY_EVALUATION_ERROR, StatesError
from durable_sim.models.state_machine.language.retrying import Retriers, catcher
from durable_sim.models.state_machine.strands import Failure, Path, Stay, Strand, Work
from durable_sim.randomness import Randomness

_ABORTABLE = ("Task", "Wait", "Parallel", "Map")


@dataclass(frozen=True, slots=True)
class Limits:
    """Quotas and times of the service. None is no limit; `transition_us` passes before a state is entered."""

    history: int | None = 25_000
    payload_bytes: int = 262_144
    transition_us: int = 0
    inline_iterations: int = 40
    child_executions: int = 10_000
    execution_us: int | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose execution it is: `run_id` names its tokens and random numbers; `machine` is the state machine's name."""

    name: str
    run_id: str
    machine: str = "machine"
    role: str = "arn:aws:iam::123456789012:role/simulated"
    more: Mapping[str, Any] | None = None

    @property
    def arn(self) -> str:
        """The execution's id."""
        return f"arn:aws:states:us-east-1:123456789012:execution:{self.machine}:{self.name}"

    @property
    def machine_arn(self) -> str:
        """The state machine's id."""
        return f"arn:aws:states:us-east-1:123456789012:stateMachine:{self.machine}"


class _Timer(NamedTuple):
    kind: TimerKind
    step: int
    ring: Callable[[], None]


class Core:
    """The shared part of one execution."""

    def __init__(self, identity: Identity, whole_input: Any, randomness: Randomness, limits: Limits) -> None:
        self.identity = identity
        self.input = whole_input
        self.limits = limits
        self.history = History(limits.history)
        self.actions: list[Action] = []
        self.now_us = 0
        self.started_us = 0
        self.redrives = 0
        self.waiting: dict[str, Any] = {}
        self.make_work: Callable[[Stay], Work] = _no_work
        self._randomness = randomness
        self._stream = randomness.stream("state_machine", identity.run_id)
        self._ready: deque[Strand] = deque()
        self._timers: dict[str, _Timer] = {}
        self._tokens = 0
        self._steps: dict[Path, int] = {}
        self._attempts: dict[int, int] = {}

    # --- tokens, timers, events ---
    def token(self) -> str:
        """A token that was never given out."""
        self._tokens += 1
        return f"{self.identity.run_id}:{self._tokens}"

    def set_timer(
        self, kind: TimerKind, due_us: int, step: int, ring: Callable[[], None], subject: str = "", why: Any = None
    ) -> str:
        """Ask for a timer; `why` is the failure behind a back-off."""
        token = self.token()
        self._timers[token] = _Timer(kind, step, ring)
        error, cause = (why.error, why.cause) if why else (None, None)
        self.actions.append(SetTimer(token, max(due_us, self.now_us), kind, step, subject, error, cause))
        return token

    def cancel_timer(self, token: str | None) -> None:
        """Call a timer off, if it is still set."""
        timer = self._timers.pop(token or "", None)
        if timer is not None:
            self.actions.append(CancelTimer(token or "", timer.kind, timer.step))

    def cancel_all_timers(self) -> None:
        """Nothing is waited for any more."""
        for token in list(self._timers):
            self.cancel_timer(token)

    def fire(self, token: str) -> None:
        """A timer is due."""
        timer = self._timers.pop(token, None)
        if timer is not None:
            timer.ring()

    def write(self, strand: Strand, event_type: str, **details: Any) -> int:
        """Write the next event of a strand."""
        told = {name: value for name, value in details.items() if value is not None}
        strand.previous_id = self.history.append(event_type, strand.previous_id, self.now_us, told)
        return strand.previous_id

    def write_aside(self, strand: Strand, event_type: str, **details: Any) -> int:
        """Write an event that the next one of the strand does not follow from."""
        previous_id = strand.previous_id
        event_id = self.write(strand, event_type, **details)
        strand.previous_id = previous_id
        return event_id

    def attempt_number(self, step: int) -> int:
        """The number of the next call that belongs to a step."""
        number = self._attempts[step] = self._attempts.get(step, 0) + 1
        return number

    # --- what expressions see ---
    def view(self, stay: Stay, token: str | None = None, item: Mapping[str, Any] | None = None) -> flow.View:
        """What the expressions of a stay see beside their data."""
        return flow.View(
            stay.input, self._context(stay, token, item), stay.strand.variables, self._stream, stay.jsonata
        )

    def _context(self, stay: Stay, token: str | None, item: Mapping[str, Any] | None) -> dict[str, Any]:
        identity = self.identity
        context: dict[str, Any] = {
            "Execution": {
                "Id": identity.arn,
                "Input": self.input,
                "Name": identity.name,
                "RoleArn": identity.role,
                "StartTime": time_text(self.started_us),
                "RedriveCount": self.redrives,
            },
            "State": {"EnteredTime": time_text(stay.entered_us), "Name": stay.name, "RetryCount": stay.retries},
            "StateMachine": {"Id": identity.machine_arn, "Name": identity.machine},
            **(identity.more or {}),
        }
        if token is not None:
            context["Task"] = {"Token": token}
        item = stay.strand.item if item is None else item
        if item is not None:
            context["Map"] = {"Item": item}
        return context

    # --- into a state ---
    def go_to(self, strand: Strand, name: str, data: Any) -> None:
        """Enter a state next, once the time of a transition has passed."""
        strand.on_the_way = (name, data)
        if self.limits.transition_us:
            due_us = self.now_us + self.limits.transition_us
            strand.transition = self.set_timer("transition", due_us, 0, lambda: self._ready.append(strand))
        else:
            self._ready.append(strand)

    def run_ready(self) -> None:
        """Enter all states that are due, and those that follow at once."""
        while self._ready:
            strand = self._ready.popleft()
            if strand.alive and strand.on_the_way is not None:
                name, data = strand.on_the_way
                strand.on_the_way = strand.transition = None
                self._enter(strand, name, data)

    def _enter(self, strand: Strand, name: str, data: Any) -> None:
        path = (*strand.path, strand.entries)
        strand.entries += 1
        step = self._steps.setdefault(path, len(self._steps) + 1)
        state = strand.states[name]
        stay = Stay(strand, name, state, data, step, path, self.now_us, Retriers(state.get("Retry", ())))
        strand.stay = stay
        self.write(strand, f"{stay.type}StateEntered", name=name, input=data)
        stay.work = self.make_work(stay)
        self.begin(stay)

    def begin(self, stay: Stay) -> None:
        """Begin the work of a state, for the first time or again."""
        assert stay.work is not None
        try:
            stay.work.begin()
        except StatesError as error:
            self.refused(stay, error)

    # --- out of a state ---
    def complete(self, stay: Stay, result: Any, view: flow.View, next_state: str | None = None) -> None:
        """The work has given a result: make output and variables of it, and go on."""
        try:
            result = flow.selected(stay.state, result, view)
            variables = flow.assigned(stay.state, result, view, result=result)
            output = flow.output(stay.state, result, view)
        except StatesError as error:
            self.refused(stay, error)
        else:
            self.leave(stay, output, variables, next_state or stay.state.get("Next"))

    def leave(self, stay: Stay, output: Any, variables: dict[str, Any], next_state: str | None) -> None:
        """Leave a state with an output."""
        strand = stay.strand
        if size_of(output) > self.limits.payload_bytes:
            failure = Failure(
                DATA_LIMIT_EXCEEDED, f"The output of state '{stay.name}' is larger than the payload limit."
            )
            strand.owner.strand_failed(strand, failure)
            return
        told = {"assignedVariables": variables} if variables else {}
        self.write(strand, f"{stay.type}StateExited", name=stay.name, output=output, **told)
        strand.variables.update(variables)
        strand.stay = None
        if next_state is None:
            strand.owner.strand_succeeded(strand, output)
        else:
            self.go_to(strand, next_state, output)

    def refused(self, stay: Stay, error: StatesError) -> None:
        """An expression, a path or a quota of a state has failed."""
        failure = Failure(error.error, error.cause)
        if error.error == QUERY_EVALUATION_ERROR:
            self.write(stay.strand, "EvaluationFailed", state=stay.name, error=error.error, cause=error.cause)
        self.failed(stay, failure)

    def failed(self, stay: Stay, failure: Failure) -> None:
        """A state has failed: try again, go where a catcher says, or fail its strand. Nothing matches Runtime."""
        delay_us = stay.retriers.delay_us(failure.name, self._draw(stay))
        if delay_us is not None:
            return self._back_off(stay, failure, delay_us)
        assert stay.work is not None
        stay.work.close(failure)
        found = catcher(stay.state, failure.name)
        if found is not None:
            self._catch(stay, found, failure)
        else:
            stay.strand.owner.strand_failed(stay.strand, failure)

    def _draw(self, stay: Stay) -> float:
        return self._randomness.uniforms("retry", self.identity.run_id, stay.step, stay.retries)[0]

    def _back_off(self, stay: Stay, failure: Failure, delay_us: int) -> None:
        def again() -> None:
            stay.backoff = None
            stay.retries += 1
            self.begin(stay)

        stay.backoff = self.set_timer("retry", self.now_us + delay_us, stay.step, again, stay.name, failure)

    def _catch(self, stay: Stay, found: Mapping[str, Any], failure: Failure) -> None:
        try:
            output, variables = flow.caught(found, failure, self.view(stay))
        except StatesError as error:
            stay.strand.owner.strand_failed(stay.strand, Failure(error.error, error.cause))
        else:
            self.leave(stay, output, variables, found["Next"])

    # --- the end of what is no longer wanted ---
    def abort(self, strand: Strand) -> None:
        """Stop a strand where it is. It can be taken up again by `redrive`."""
        if not strand.alive:
            return
        strand.alive = False
        self.cancel_timer(strand.transition)
        stay = strand.stay
        if stay is not None:
            self.cancel_timer(stay.backoff)
            stay.backoff = None
            assert stay.work is not None
            stay.work.abort()
            self.write_aborted(strand)

    def write_aborted(self, strand: Strand) -> None:
        """Write that the state of a strand was aborted; a Pass, Choice, Succeed or Fail has no such event."""
        if strand.stay is not None and strand.stay.type in _ABORTABLE:
            self.write(strand, f"{strand.stay.type}StateAborted")

    def redrive(self, strand: Strand) -> None:
        """Take a strand up again where it failed or was stopped, with retry counters at 0."""
        strand.alive = True
        stay = strand.stay
        if stay is None:
            if strand.on_the_way is not None:
                self.go_to(strand, *strand.on_the_way)
            return
        stay.retriers, stay.retries = Retriers(stay.state.get("Retry", ())), 0
        assert stay.work is not None
        try:
            stay.work.redrive()
        except StatesError as error:
            self.refused(stay, error)


def _no_work(stay: Stay) -> Work:
    raise InternalError(f"nobody knows what to do in state {stay.name}")
