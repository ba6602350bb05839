"""The story of one execution as text: a readable timeline of what mattered, one line an instant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from durable_sim import trace as kinds
from durable_sim.checks.verdict import Judged
from durable_sim.durations import format_us, seconds
from durable_sim.simulation.run import Recording
from durable_sim.trace import Record

_QUIET = (kinds.REQUEST_RECEIVED, kinds.REPLY_SENT, kinds.TASK_SCHEDULED, kinds.BACKOFF_ENDED, kinds.TASK_COMPLETED)

LINES_MAX = 200
"""A longer story (a thousand retries) is told by its beginning and its end."""
_HEAD, _TAIL = 120, 60

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
    told = [
        f"  {seconds(record.time_us):>12}  {record.worker or '':<4} {text}"
        for record in _of_interest(recording, execution.id)
        if (text := _tell(record))
    ]
    lines = [f"{execution.id} under {recording.model}: {judged.verdict} (the engine says: {execution.status})"]
    lines += told if len(told) <= LINES_MAX else [*told[:_HEAD], _left_out(told), *told[-_TAIL:]]
    lines += [
        f"  => {violation.subject}: found {violation.found}, expected {violation.expected}"
        for violation in judged.violations
    ]
    return "\n".join(lines)


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


def _tell(record: Record) -> str | None:
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
            return f"the workflow starts again from the top (run {data['run']})"
        case kinds.EXECUTION_LOST:
            return f"the run is lost{': ' + data['error'] if 'error' in data else ''}"
        case kinds.EXECUTION_ENDED:
            return f"the workflow ends: {data['status']}{_because(data)}"
        case kinds.REQUEST_SENT:
            return f"-> {record.subject}{attempt}"
        case kinds.EFFECT_APPLIED:
            return f"   ** {_effect(data)} (ledger {data['effect']})"
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


def _effect(data: dict[str, object]) -> str:
    subject = f" {data['subject']}" if data["subject"] else ""
    undoes = f", undoes ledger {data['undoes']}" if "undoes" in data else ""
    return f"{data['kind']}{subject} takes effect: {data['quantity']}{undoes}"


def _because(data: dict[str, dict[str, object]]) -> str:
    failure = data.get("failure")
    return f" ({failure['message']})" if failure else ""
