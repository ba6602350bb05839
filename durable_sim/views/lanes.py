"""The rows of a timeline and the labels above them: which there are, how high, and where each goes.

Takes a scene, the recording's ledger and the verdict on the execution. Always holds: bars of one row do not overlap in
time; a net is called wrong only for a violation that the judge found; labels of one row do not meet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from durable_sim.checks.ledgers import entries_by_execution
from durable_sim.checks.owed import debt_of
from durable_sim.checks.verdict import Judged, judge
from durable_sim.checks.violations import Violation
from durable_sim.models.executions import Execution
from durable_sim.simulation.run import Recording
from durable_sim.views.palette import BLUE, INK, MUTED, text_width
from durable_sim.views.scene import Bar, Blow, Message, Scene, through_all_lanes
from durable_sim.views.time_axis import TimeScale

LANE_PT: Final = 37.0
BAR_PT: Final = 19.5
STACKED_PT: Final = 13.0
"""The height of a bar in a lane where several run at the same time."""
NEIGHBOURS_PT: Final = 60.0
"""Blows of one kind that are closer than this share a label."""

_WRONG: Mapping[str, str] = MappingProxyType(
    {
        "duplicate_effect": "duplicate",
        "compensation_order": "wrong order",
        "lost_effect": "lost",
        "orphaned_effect": "orphaned",
        "wrong_amount": "wrong amount",
    }
)


@dataclass(frozen=True, slots=True)
class Lane:
    """A row of the figure, and what the ledger says beside it: plain lines, then the net, which may be wrong."""

    name: str
    kind: str
    bars: tuple[Bar, ...] = ()
    counts: tuple[str, ...] = ()
    net: str = ""
    wrong: bool = False

    @property
    def rows(self) -> list[int]:
        """For each bar the row that it goes into, so that bars of the same time lie below each other."""
        ends_us: list[int] = []
        rows = []
        for bar in self.bars:
            row = next((row for row, end_us in enumerate(ends_us) if end_us <= bar.start_us), len(ends_us))
            ends_us[row : row + 1] = [bar.end_us]
            rows.append(row)
        return rows

    @property
    def depth(self) -> int:
        """How many rows it has."""
        return max(self.rows, default=0) + 1

    @property
    def pitch(self) -> float:
        """From row to row."""
        return STACKED_PT + (6 if self.kind == "service" else 2)

    @property
    def bar_height(self) -> float:
        """How high its bars are."""
        return BAR_PT if self.depth == 1 else STACKED_PT

    @property
    def height(self) -> float:
        """How high the lane is."""
        return LANE_PT if self.depth == 1 else max(LANE_PT, self.depth * self.pitch + 10)

    def bar_top(self, row: int) -> float:
        """Where a row of bars begins, below the top of the lane."""
        if self.depth == 1:
            return (LANE_PT - BAR_PT) / 2
        return (self.height - self.depth * self.pitch) / 2 + row * self.pitch


@dataclass(frozen=True, slots=True)
class Label:
    """A label above the lanes: the place of its line, its own centre, its row counted upwards."""

    x: float
    center: float
    row: int
    words: str
    color: str


def lanes_of(recording: Recording, shown: Scene, violations: Sequence[Violation] | None = None) -> list[Lane]:
    """The workflow, the workers, and the services that it called or that were left wrong.

    `violations` are those of the execution; by default it is judged here, alone.
    """
    found = _judged(recording, shown.execution).violations if violations is None else violations
    steps = tuple(sorted(shown.steps, key=lambda bar: (bar.start_us, bar.gid)))
    lanes = [Lane("workflow", "workflow", steps)]
    lanes += [Lane(f"worker {worker.name}", "worker") for worker in shown.workers]
    wrong = [_service_of(one.subject) for one in found if one.kind in _WRONG]
    services = dict.fromkeys((*(call.service for call in shown.calls), *wrong))
    return [*lanes, *(_service_lane(recording, shown, found, name) for name in services)]


def _judged(recording: Recording, execution: Execution) -> Judged:
    """The verdict on one execution alone."""
    ledger = tuple(entries_by_execution(recording)[execution.id])
    owed = debt_of(recording.scenario, recording.seed, execution.ordinal)
    return judge(replace(recording, executions=(execution,), ledger=ledger), [owed]).executions[0]


def _service_of(subject: str) -> str:
    return subject.partition(".")[0]


def _service_lane(recording: Recording, shown: Scene, violations: Sequence[Violation], name: str) -> Lane:
    bars = tuple(call.bar for call in shown.calls if call.service == name)
    effect_kinds = {key: kind for key, kind in recording.effect_kinds.items() if _service_of(key) == name}
    if not effect_kinds:
        return Lane(name, "service", bars)
    made = Counter(one.kind for one in recording.ledger if one.execution == shown.execution.id)
    counts = [f"{made[key]} × {key.partition('.')[2]}" for key in effect_kinds if made[key]]
    net = sum(made[key] * (-1 if kind.undoes else 1) for key, kind in effect_kinds.items())
    wrong = [_WRONG[one.kind] for one in violations if one.kind in _WRONG and _service_of(one.subject) == name]
    words = f"net {net:+d}" if net else "net 0"
    return Lane(name, "service", bars, _in_lines(counts), ", ".join([words, *wrong[:1]]), bool(wrong))


def _in_lines(counts: Sequence[str]) -> tuple[str, ...]:
    """Counts in one line if that is short, else each in a line of its own."""
    line = ", ".join(counts) or "none"
    return (line,) if len(line) <= 25 else tuple(counts)


def labels_above(shown: Scene, scale: TimeScale, left: float, right: float) -> list[Label]:
    """What is written above the lanes between two places on the canvas: blows, and runs begun anew."""
    return _placed(list(_wanted(shown, scale)), left, right)


def _wanted(shown: Scene, scale: TimeScale) -> Iterator[tuple[float, str, str]]:
    """What is written above the lanes: place, words, colour; the most important first."""
    for blows in _neighbours(shown, scale):
        x = scale.x(blows[0].time_us)
        who = ", ".join(blow.worker for blow in blows) if len(blows) <= 3 else f"× {len(blows)}"
        yield x, f"{blows[0].kind} {who}", INK if blows[0].kind == "crash" else BLUE
    for messages in message_batches(shown, scale):
        words = messages[0].words if len(messages) == 1 else f"{messages[0].words} × {len(messages)}"
        yield scale.x(messages[0].time_us), words, MUTED


def message_batches(shown: Scene, scale: TimeScale) -> list[list[Message]]:
    """The messages; those of the same words that are close together share a label."""
    batches: list[list[Message]] = []
    for message in shown.messages:
        before = next((one[-1] for one in reversed(batches) if one[-1].words == message.words), None)
        if before is not None and scale.x(message.time_us) - scale.x(before.time_us) < NEIGHBOURS_PT:
            next(one for one in reversed(batches) if one[-1] == before).append(message)
        else:
            batches.append([message])
    return batches


def _neighbours(shown: Scene, scale: TimeScale) -> list[list[Blow]]:
    """The blows that are drawn through all lanes; those of one kind that are close together share a label."""
    groups: list[list[Blow]] = []
    for blow in through_all_lanes(shown.blows):
        last = groups[-1][-1] if groups else None
        if scale.is_cut(blow.time_us):
            continue
        near = last is not None and scale.x(blow.time_us) - scale.x(last.time_us) < NEIGHBOURS_PT
        if last is not None and near and last.kind == blow.kind:
            groups[-1].append(blow)
        else:
            groups.append([blow])
    return groups


def _placed(labels: Sequence[tuple[float, str, str]], left: float, right: float) -> list[Label]:
    """Put labels into two rows so that neither they nor the lines up to them meet; leave out what has no room.

    A label is over the middle of its line, or to one side of it where another line is near on the other side.
    """
    taken: list[tuple[int, float, float]] = []
    placed: list[Label] = []
    for x, words, color in labels:
        half = text_width(words, bold=True) / 2 + 4
        others = [other for other, _, _ in labels if 0 < abs(other - x) < half + 2]
        shift = 0.0 if not others or min(others) < x < max(others) else half - 8 if min(others) < x else 8 - half
        center = min(max(x + shift, left + half), right)
        for row in (0, 1):
            wanted = [(row, center - half, center + half), *((lower, x - 2, x + 2) for lower in range(row))]
            if all(_apart(one, other) for one in wanted for other in taken):
                taken += wanted
                placed.append(Label(x, center, row, words, color))
                break
    return placed


def _apart(one: tuple[int, float, float], other: tuple[int, float, float]) -> bool:
    return one[0] != other[0] or one[2] <= other[1] or other[2] <= one[1]
