"""The work of a run, piece by piece: attempts of activities, calls of services, lives of workers.

Reads a finished recording, makes plain data of it, the same for every execution model. Always holds: each attempt, each
request and each start of a worker is there once, in the order in which it began; what is not known is None.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from durable_sim import trace as kinds
from durable_sim.simulation.run import Recording
from durable_sim.trace import Record

WAITING, RUNNING = "waiting", "running"
COMPLETED, FAILED, CANCELLED = "completed", "failed", "cancelled"
TIMED_OUT, REFUSED, WORKER_DIED = "timed_out", "refused", "worker_died"
OK, CALLER_DIED, UNDER_WAY = "ok", "caller_died", "under_way"
CRASHED, STOPPED, ALIVE = "crash", "deploy", "alive"

_DEATHS: Mapping[str, str] = MappingProxyType({kinds.WORKER_CRASHED: CRASHED, kinds.WORKER_STOPPED: STOPPED})
_REMEMBERED = "remembered"
"""Nobody had to make it: its step was done before."""
_CLOSING = (kinds.RESULT_RECORDED, kinds.ATTEMPT_TIMED_OUT, kinds.BACKOFF_BEGUN, kinds.TASK_COMPLETED)

Key = tuple[str | None, int | None, str | None]
"""Execution, step and activity."""


@dataclass(slots=True)
class Attempt:
    """One attempt of an activity.

    `ended_us` is when its code ended, or died with its worker; `closed_us` when the engine knew what came of it: the
    result recorded, or given up. `outcome`: completed, failed, cancelled, timed_out (the engine stopped waiting),
    worker_died, refused (a result that nobody wanted any more), running or waiting (at the end of the run).
    """

    execution: str | None
    activity: str | None
    step: int | None
    attempt: int
    worker: str | None = None
    scheduled_us: int | None = None
    started_us: int | None = None
    ended_us: int | None = None
    closed_us: int | None = None
    outcome: str = WAITING
    error: str | None = None
    backoff_us: int | None = None


@dataclass(slots=True)
class Call:
    """One request to a service, and what its caller saw. `fault` is what the world did to it.

    `outcome`: ok, failed (an error came back), timed_out (the caller gave up), caller_died, under_way (at the end).
    """

    call: int | None
    execution: str | None
    step: int | None
    attempt: int | None
    worker: str | None
    service: str
    operation: str
    fault: str | None
    sent_us: int
    received_us: int | None = None
    answered_us: int | None = None
    outcome: str = UNDER_WAY
    error: str | None = None
    effects: int = 0


@dataclass(slots=True)
class Life:
    """One life of a worker's process. `ended_how`: crash, deploy, or alive (at the end of the run).

    `in_flight` are the executions that were in its memory when it ended; `paused_us` counts the pauses that it came
    out of.
    """

    worker: str
    life: int
    version: str | None
    started_us: int
    ended_us: int | None = None
    ended_how: str = ALIVE
    in_flight: tuple[str, ...] = ()
    attempts: int = 0
    pauses: int = 0
    paused_us: int = 0


# --- attempts
def attempts(recording: Recording) -> list[Attempt]:
    """All attempts of a run."""
    return attempts_in(recording.trace)


def attempts_in(records: Iterable[Record]) -> list[Attempt]:
    """The attempts that these records tell of; with the deaths of workers among them, for they end attempts."""
    desk = _Desk()
    for record in records:
        desk.sees(record)
    return [attempt for attempt in desk.attempts if attempt.outcome != _REMEMBERED]


class _Desk:
    """Follows the attempts through a trace."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self._of: dict[Key, list[Attempt]] = {}
        self._unfinished: list[Attempt] = []

    def sees(self, record: Record) -> None:
        """Take one record in."""
        if record.step is None and record.kind == kinds.BACKOFF_ENDED:
            return  # a whole function is called again, outside of its steps
        if record.kind in (kinds.TASK_SCHEDULED, kinds.BACKOFF_ENDED):
            self._scheduled(record)
        elif record.kind == kinds.TASK_STARTED:
            self._started(record)
        elif record.kind in _DEATHS:
            self._died(record)
        else:
            attempt = self._meant(record)
            if attempt is not None:
                _note(attempt, record)

    def _scheduled(self, record: Record) -> Attempt:
        waiting = self._waiting(record)
        if waiting is not None:  # said twice: after the back-off, and again when the engine takes it up
            return waiting
        worker = record.worker if record.kind == kinds.TASK_SCHEDULED else None  # else: whoever made the last attempt
        attempt = Attempt(record.execution, record.subject, record.step, self._number(record), worker, record.time_us)
        self.attempts.append(attempt)
        self._of.setdefault(_key(record), []).append(attempt)
        self._unfinished.append(attempt)
        return attempt

    def _number(self, record: Record) -> int:
        """The engine's number of an attempt, or else the next one; code that begins again counts from 1."""
        if record.attempt is not None:
            return record.attempt
        before = self._of.get(_key(record), [])
        return before[-1].attempt + 1 if before and record.kind == kinds.BACKOFF_ENDED else 1

    def _waiting(self, record: Record) -> Attempt | None:
        return next((one for one in self._of.get(_key(record), []) if one.outcome == WAITING), None)

    def _started(self, record: Record) -> None:
        attempt = self._waiting(record)
        if attempt is None:
            attempt = self._scheduled(record)
            attempt.scheduled_us = None
        attempt.attempt = record.attempt or attempt.attempt
        attempt.worker, attempt.started_us, attempt.outcome = record.worker, record.time_us, RUNNING

    def _died(self, record: Record) -> None:
        """All that its process had begun ends with a worker."""
        for attempt in [one for one in self._unfinished if one.worker == record.worker and one.ended_us is None]:
            attempt.ended_us = record.time_us
            if attempt.outcome in (WAITING, RUNNING):
                attempt.outcome = WORKER_DIED
        self._unfinished = [one for one in self._unfinished if one.ended_us is None]

    def _meant(self, record: Record) -> Attempt | None:
        """The attempt that a record is about."""
        for attempt in reversed(self._of.get(_key(record), [])):
            same_worker = record.worker in (None, attempt.worker) or attempt.worker is None
            if same_worker and record.attempt in (None, attempt.attempt):
                return attempt
        return None


def _key(record: Record) -> Key:
    return record.execution, record.step, record.subject


def _note(attempt: Attempt, record: Record) -> None:
    """What a later record says of an attempt."""
    error, running = _error(record), attempt.outcome in (WAITING, RUNNING)
    if record.kind in (kinds.RESULT_REPORTED, kinds.RESULT_REFUSED):
        attempt.ended_us = record.time_us if attempt.ended_us is None else attempt.ended_us
        if running:
            refused = record.kind == kinds.RESULT_REFUSED
            attempt.outcome = REFUSED if refused else COMPLETED if error is None else FAILED
    elif record.kind in _CLOSING:
        attempt.closed_us = record.time_us if attempt.closed_us is None else attempt.closed_us
        if record.kind == kinds.BACKOFF_BEGUN:
            attempt.backoff_us = (record.data or {}).get("delay_us")
        if running or (error is not None and attempt.outcome == COMPLETED):
            attempt.outcome = _closed_as(record, error, started=attempt.started_us is not None)
            if attempt.outcome != TIMED_OUT and attempt.started_us is not None and attempt.ended_us is None:
                attempt.ended_us = record.time_us
    attempt.error = attempt.error or error


def _closed_as(record: Record, error: str | None, *, started: bool) -> str:
    if record.kind == kinds.ATTEMPT_TIMED_OUT:
        return TIMED_OUT
    if (record.data or {}).get("cancelled"):
        return CANCELLED
    return FAILED if error is not None else COMPLETED if started else _REMEMBERED


def _error(record: Record) -> str | None:
    """The failure that a record tells of, in a line."""
    data: Mapping[str, Any] = record.data or {}
    if record.kind == kinds.ATTEMPT_TIMED_OUT:
        return f"{data['timeout']} time-out"
    failure = data.get("failure")
    if failure is None:
        return None
    name = failure.get("type") or failure.get("name") or "failure"
    return f"{name}: {failure.get('message', '')}"


# --- calls
def calls(recording: Recording) -> list[Call]:
    """All calls of services in a run."""
    found: dict[int | None, Call] = {}
    for record in recording.trace:
        if record.kind == kinds.REQUEST_SENT:
            found[record.call] = _sent(record)
        elif record.kind in _DEATHS:
            _callers_died(found, record)
        elif record.call in found:
            _told(found[record.call], record)
    return list(found.values())


def _sent(record: Record) -> Call:
    service, _, operation = (record.subject or "").partition(".")
    fault = (record.data or {}).get("fault")
    who = record.execution, record.step, record.attempt, record.worker
    return Call(record.call, *who, service, operation, fault, record.time_us)


def _told(call: Call, record: Record) -> None:
    if record.kind == kinds.REQUEST_RECEIVED:
        call.received_us = record.time_us if call.received_us is None else call.received_us
    elif record.kind == kinds.EFFECT_APPLIED:
        call.effects += 1
    elif record.kind in (kinds.REPLY_RECEIVED, kinds.CALL_GIVEN_UP) and call.outcome == UNDER_WAY:
        call.error = (record.data or {}).get("error")
        call.answered_us = record.time_us
        given_up = record.kind == kinds.CALL_GIVEN_UP
        call.outcome = TIMED_OUT if given_up else OK if call.error is None else FAILED


def _callers_died(found: Mapping[int | None, Call], record: Record) -> None:
    for call in found.values():
        if call.outcome == UNDER_WAY and call.worker == record.worker:
            call.outcome = CALLER_DIED


# --- workers
def lives(recording: Recording) -> list[Life]:
    """All lives of all workers in a run."""
    found: list[Life] = []
    now: dict[str | None, Life] = {}
    paused_us: dict[str | None, int] = {}
    started: Counter[str] = Counter()
    for record in recording.trace:
        if record.kind == kinds.WORKER_STARTED and record.worker is not None:
            started[record.worker] += 1
            version = (record.data or {}).get("version")
            now[record.worker] = Life(record.worker, started[record.worker], version, record.time_us)
            found.append(now[record.worker])
        elif record.worker in now:
            _lived(now[record.worker], record, paused_us)
    return found


def _lived(life: Life, record: Record, paused_us: dict[str | None, int]) -> None:
    if record.kind in _DEATHS:
        life.ended_us, life.ended_how = record.time_us, _DEATHS[record.kind]
        life.in_flight = tuple((record.data or {}).get("in_flight", ()))
    elif record.kind == kinds.TASK_STARTED:
        life.attempts += 1
    elif record.kind == kinds.WORKER_PAUSED:
        life.pauses += 1
        paused_us[life.worker] = record.time_us
    elif record.kind == kinds.WORKER_RESUMED:
        life.paused_us += record.time_us - paused_us.pop(life.worker, record.time_us)


# --- in flight
def open_over_time(spans_us: Iterator[tuple[int, int | None]]) -> list[tuple[int, int]]:
    """How many spans are open from each instant on at which that changes; a span without an end stays open.

    >>> open_over_time(iter([(0, 10), (5, None)]))
    [(0, 1), (5, 2), (10, 1)]
    """
    changes: Counter[int] = Counter()
    for start_us, end_us in spans_us:
        changes[start_us] += 1
        if end_us is not None:
            changes[end_us] -= 1
    count, steps = 0, []
    for time_us, change in sorted(changes.items()):
        count += change
        steps.append((time_us, count))
    return steps
