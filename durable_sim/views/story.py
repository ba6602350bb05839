"""The story of one execution as text: a readable timeline of what mattered, one line an instant."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from durable_sim import trace as kinds
from durable_sim.checks.ledgers import EffectKey, key_of, namer
from durable_sim.checks.verdict import Judged
from durable_sim.durations import format_us, seconds
from durable_sim.simulation.run import Recording
from durable_sim.trace import Record

_QUIET = (kinds.REQUEST_RECEIVED, kinds.REPLY_SENT, kinds.TASK_SCHEDULED, kinds.BACKOFF_ENDED, kinds.TASK_COMPLETED)

LINES_MAX = 200
"""A longer story (a thousand retries) is told by its beginning and its end."""
_HEAD, _TAIL = 120, 60
_FOLDED_MIN = 5
"""So often is the same told before it is folded."""
_CYCLE_MAX = 6
"""So many lines can be one round of what repeats: a call, its time-out, a back-off."""
_VARYING = re.compile(r" \(attempt \d+\)| in [\w.]+$")

_MESSAGES = {
    kinds.SIGNAL_RECEIVED: "signal {name} arrives",
    kinds.UPDATE_ACCEPTED: "update {name} is accepted",
    kinds.UPDATE_COMPLETED: "update {id} is done",
    kinds.CANCEL_REQUESTED: "somebody asks it to stop",
    kinds.CHILD_STARTED: "child {child} starts",
    kinds.CHILD_ENDED: "child {child} ends: {status}",
    kinds.CONTINUED_AS_NEW: "continues as new (run {run})",
}


def story(recording: Recording, judged: Judged) -> str:
    """What happened to one execution: verdict, timeline, violations."""
    execution = judged.execution
    words = namer(key_of(entry) for entry in recording.ledger if entry.execution == execution.id)
    lines_told = [
        _Line(record.time_us, record.worker or "", text)
        for record in _of_interest(recording, execution.id)
        if (text := _tell(record, words))
    ]
    told = list(_folded(lines_told))
    lines = [f"{execution.id} under {recording.model}: {judged.verdict} (the engine says: {execution.status})"]
    lines += told if len(told) <= LINES_MAX else [*told[:_HEAD], _left_out(told), *told[-_TAIL:]]
    lines += [
        f"  => {violation.subject}: found {violation.found}, expected {violation.expected}"
        for violation in judged.violations
    ]
    return "\n".join(lines)


class _Line(NamedTuple):
    """A line of a story."""

    time_us: int
    worker: str
    text: str

    def __str__(self) -> str:
        return f"  {seconds(self.time_us):>12}  {self.worker:<4} {self.text}"

    @property
    def shape(self) -> str:
        """What is the same from one attempt to the next; an effect is the same as nothing else."""
        return f"{self.text}{self.time_us}" if "**" in self.text else _VARYING.sub("", self.text)


def _folded(lines: Sequence[_Line]) -> Iterator[str]:
    """The lines; what goes on in the same way is told once, with how often and until when."""
    shapes, place = [line.shape for line in lines], 0
    while place < len(lines):
        length, times = _repeated(shapes, place)
        yield from map(str, lines[place : place + length])
        place += length * times
        if times > 1:
            yield f"  {'...':>12}       the same {times - 1:,} more times, until {seconds(lines[place - 1].time_us)}"


def _repeated(shapes: Sequence[str], place: int) -> tuple[int, int]:
    """How many lines from here on are said again at once, and how many times they are said; (1, 1): they are not."""
    for length in range(1, _CYCLE_MAX + 1):
        block, times = shapes[place : place + length], 1
        while shapes[place + times * length : place + (times + 1) * length] == block:
            times += 1
        if times >= _FOLDED_MIN:
            return length, times
    return 1, 1


def _left_out(told: list[str]) -> str:
    return f"  {'...':>12}       {len(told) - _HEAD - _TAIL:,} lines are left out here"


def story_lengths(recording: Recording) -> Counter[str | None]:
    """How much there is to tell of each execution: its records in the trace."""
    return Counter(record.execution for record in recording.trace)


def _of_interest(recording: Recording, execution: str) -> Iterator[Record]:
    """The execution's own records, and the blows to workers that had it in memory and to the server that keeps it."""
    for record in recording.trace:
        struck = record.execution is None and record.data is not None and execution in record.data.get("in_flight", ())
        if record.execution == execution or struck:
            yield record


def _tell(record: Record, words: Callable[[EffectKey], str]) -> str | None:
    """A record in words; None for what goes without saying."""
    if record.kind in _QUIET or (record.subject or "").startswith("status."):
        return _tell_status(record)
    if record.kind in _MESSAGES:
        return _MESSAGES[record.kind].format_map(record.data or {})
    data = record.data or {}
    attempt = f" (attempt {record.attempt})" if record.attempt and record.attempt > 1 else ""
    match record.kind:
        case kinds.EXECUTION_STARTED:
            return "the workflow starts"
        case kinds.EXECUTION_RESTARTED:
            how = "is taken up again where it ended" if data.get("redriven") else "starts again from the top"
            return f"the workflow {how} (run {data['run']})"
        case kinds.EXECUTION_LOST:
            return f"the run is lost{': ' + data['error'] if 'error' in data else ''}"
        case kinds.EXECUTION_ENDED:
            return f"the workflow ends: {data['status']}{_because(data)}"
        case kinds.REQUEST_SENT:
            return f"-> {record.subject}{attempt}"
        case kinds.EFFECT_APPLIED:
            return f"   ** {_effect(data, words)} (ledger {data['effect']})"
        case kinds.REPLY_RECEIVED:
            return f"<- {record.subject}: {data['error']}" if "error" in data else f"<- {record.subject}: done"
        case kinds.CALL_GIVEN_UP:
            return f"<- {record.subject}: no answer, given up"
        case kinds.ATTEMPT_TIMED_OUT:
            return f"{record.subject}: the engine stops waiting for attempt {record.attempt} ({data['timeout']})"
        case kinds.BACKOFF_BEGUN:
            return f"{record.subject}: tries again in {format_us(data['delay_us'])}"
        case kinds.RESULT_RECORDED:
            return f"{record.subject}: {'failure' if 'failure' in data else 'result'} recorded"
        case kinds.RESULT_REFUSED if data.get("lost"):
            return f"{record.subject}: its {'failure' if 'failure' in data else 'result'} is lost, the code went on"
        case kinds.RESULT_REFUSED:
            return f"{record.subject}: a late result{attempt} is refused"
        case kinds.REPLAYED:
            if "steps" in data:
                return f"called again from the top ({data['steps']} step(s) remembered)"
            return f"history replayed ({data['events']} events)"
        case kinds.WORKFLOW_TASK_TIMED_OUT:
            return f"workflow task timed out ({data['timeout']})"
        case kinds.WORKFLOW_TASK_FAILED:
            return f"workflow task failed: {data['message']}"
        case kinds.TIMER_STARTED:
            return f"sleeps for {format_us(data['duration_us'])}"
        case kinds.TIMER_FIRED:
            return "wakes up"
        case kinds.TIMER_CANCELLED:
            return "calls a timer off"
        case kinds.COMPENSATION_BEGUN:
            return f"compensation {record.subject} begins"
        case kinds.WORKER_CRASHED:
            return "!! the worker crashes"
        case kinds.WORKER_STOPPED:
            return "!! a deploy stops the worker"
        case kinds.WORKER_PAUSED:
            return "!! the worker freezes"
        case kinds.SERVER_RESTARTED:
            return "!! the server comes up again, with what was stored"
    return None


def _tell_status(record: Record) -> str | None:
    if record.kind == kinds.RESULT_RECORDED and record.data is not None:
        return f"column {record.data['column']} updated"
    if record.kind == kinds.CALL_GIVEN_UP:
        return f"<- {record.subject}: no answer, given up"
    return None


def _effect(data: dict[str, Any], words: Callable[[EffectKey], str]) -> str:
    effect = words(EffectKey(data["kind"], data["subject"], data.get("whose", "")))
    undoes = f", undoes ledger {data['undoes']}" if "undoes" in data else ""
    return f"{effect} takes effect: {data['quantity']}{undoes}"


def _because(data: dict[str, dict[str, object]]) -> str:
    failure = data.get("failure")
    return f" ({failure['message']})" if failure else ""
