"""Replaying every prefix of a history: what a worker would do if it took over at any point of it.

A replay of the whole history runs the code once; this runs it anew up to the end of each completed workflow task, so
that code whose behaviour depends on how often, or where, it was run before (global variables, caches) shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from durable_sim.models.replay import events as kinds
from durable_sim.models.replay.events import Event
from durable_sim.models.replay.instance import Instance, MakeInfo
from durable_sim.workflows.definitions import Build


def prefix_ends(history: Sequence[Event]) -> Iterator[int]:
    """How long the prefixes are that end with the commands of a completed workflow task."""
    for place, event in enumerate(history):
        if event.type == kinds.WORKFLOW_TASK_COMPLETED:
            end = place + 1
            while end < len(history) and history[end].type in kinds.COMMAND_EVENTS:
                end += 1
            yield end


def replay_prefixes(build: Build, make_info: MakeInfo, history: Sequence[Event], *, strict: bool = True) -> int:
    """Replay every prefix of a history with the code of a build; gives how many there were.

    Strict by default: code that is deterministic asks for the same arguments and time-outs, too.

    Raises:
        NonDeterminismError: the code does not issue the commands that the history has.
        WorkflowTaskError: the code raised something that is no workflow failure.
    """
    ends = list(prefix_ends(history))
    for end in ends:
        Instance(build, make_info, strict=strict).replay(history[:end])
    return len(ends)
