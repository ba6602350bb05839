"""Zombie commits: writes of an attempt that come after those of the attempt that took its place.

An attempt that stood still for longer than its time-out wakes up, does not know that it was given up, and writes. Only
the resource itself can refuse that, by a token that grows with each holder: M. Kleppmann, "How to do distributed
locking", 2016. Looked at are services with the option `fenced=True`, which promise it.

A late write that lands before the first one of the next attempt is none: a fence that has not yet seen the next
token must let it through, and then nothing is overwritten that is newer.
"""

from __future__ import annotations

from collections.abc import Iterator

from durable_sim import trace as kinds
from durable_sim.checks.violations import Violation
from durable_sim.durations import seconds
from durable_sim.simulation.run import Recording
from durable_sim.trace import Record

ZOMBIE_COMMIT = "zombie_commit"


def no_zombie_commits(recording: Recording) -> Iterator[Violation]:
    """Effects on a fenced service by an attempt, after an effect on it by a later attempt of the same step."""
    fenced = {name for name, spec in recording.scenario.services.items() if spec.options.get("fenced")}
    latest: dict[tuple[str | None, int | None, str], Record] = {}
    for record in recording.trace:
        service = str(record.subject).partition(".")[0]
        if record.kind != kinds.EFFECT_APPLIED or service not in fenced or record.attempt is None:
            continue
        newer = latest.setdefault((record.execution, record.step, service), record)
        if newer.attempt is not None and record.attempt < newer.attempt:
            yield _commit(record, newer)
        else:
            latest[record.execution, record.step, service] = record


def _commit(record: Record, newer: Record) -> Violation:
    found = f"an effect of attempt {record.attempt}, after one of attempt {newer.attempt} at {seconds(newer.time_us)}"
    subject = f"{record.subject} by step {record.step}"
    return Violation(ZOMBIE_COMMIT, record.execution, subject, found, "a refusal: its token is stale", record.time_us)
