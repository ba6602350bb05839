"""The timeline of one execution: the workflow, the workers, and what each service saw and did.

Reads a finished recording, makes a picture of it, and the same in words. Always holds: picture and words come from the
same scene, and the words are the picture's alternative text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from durable_sim import trace as kinds
from durable_sim.checks.violations import Violation
from durable_sim.errors import UserError
from durable_sim.simulation.run import Recording
from durable_sim.views.drawing import Drawing
from durable_sim.views.lanes import Lane, lanes_of
from durable_sim.views.palette import POINTS
from durable_sim.views.picture import Picture
from durable_sim.views.scene import CALL_WORDS, Scene, scene
from durable_sim.views.time_axis import rounded

WIDTH: Final = 11.4
"""Inches; so wide is a page in landscape."""
WIDTH_MIN: Final = 6.0
_FAULTS: Mapping[str, str] = MappingProxyType(
    {kinds.SERVER_RESTARTED: "server restart", kinds.CANCEL_REQUESTED: "cancel"}
)


def timeline(
    recording: Recording,
    execution_id: str,
    *,
    title: str | None = None,
    subtitle: str | None = None,
    width: float = WIDTH,
    violations: Sequence[Violation] | None = None,
) -> Picture:
    """Draw the timeline of one execution, `width` inches wide.

    Ours above the rule: the workflow's steps, and the workers (of many, only those that had to do with it). Below it
    the services that it called: a bar is what the caller saw, with the number of the attempt; a diamond is an effect
    in the world. To the right, the ledger of each service; a net that is not as it should be is bold and orange:
    `violations` says what is (those that a `Run` found for the execution; by default it is judged here, alone).

    Raises:
        UnknownNameError: there is no execution of that id.
        UserError: it is to be so narrow that nothing could be read.
    """
    if width < WIDTH_MIN:
        raise UserError(f"width is {width} inches, expected {WIDTH_MIN:g} or more")
    shown = scene(recording, execution_id)
    lanes = lanes_of(recording, shown, violations)
    drawing = Drawing(shown, lanes, width * POINTS)
    default = f"{execution_id} under {recording.model}"
    drawing.draw(default if title is None else title, _made_by(recording, shown) if subtitle is None else subtitle)
    drawing.canvas.figure.alt = _in_words(recording, shown, lanes)
    return drawing.canvas.figure


def alt_text(recording: Recording, execution_id: str) -> str:
    """The timeline in words, for those who cannot see it and for tests: the same for the same run."""
    shown = scene(recording, execution_id)
    return _in_words(recording, shown, lanes_of(recording, shown))


def _in_words(recording: Recording, shown: Scene, lanes: Sequence[Lane]) -> str:
    outcomes = Counter(call.bar.kind for call in shown.calls)
    kinds_met = [(outcomes[kind], words.removeprefix("call ")) for kind, words in CALL_WORDS.items() if outcomes[kind]]
    calls = ", ".join(f"{count} {words}" for count, words in kinds_met)
    world = "; ".join(
        f"{lane.name} {', '.join(lane.counts)}, {lane.net}" for lane in lanes if lane.kind == "service" and lane.net
    )
    span = f"from {rounded(shown.start_us)} to {rounded(shown.end_us)}"
    made_by = _made_by(recording, shown)
    return (
        f"Timeline of {shown.execution.id} under {made_by} The engine says {shown.execution.status}, {span}. "
        f"Calls: {calls or 'none'}. Effect ledger: {world or 'empty'}."
    )


def _made_by(recording: Recording, shown: Scene) -> str:
    """Model, seed, and what went wrong meanwhile."""
    fates = Counter(str(one.data["fault"]) for one in shown.records if one.kind == kinds.REQUEST_SENT and one.data)
    blows = list(_struck(shown))
    struck = [f"{what}{f' {who}' if who else ''} at {rounded(time_us)}" for time_us, what, who in blows]
    if len(struck) > 3:
        struck = [f"{count} × {what}" for what, count in Counter(what for _, what, _ in blows).items()]
    wrong = [f"{count} × {fate}" for fate, count in sorted(fates.items())]
    return f"{recording.model}, seed {recording.seed}. Faults: {', '.join([*struck, *wrong]) or 'none'}."


def _struck(shown: Scene) -> Iterator[tuple[int, str, str]]:
    """The faults of processes that the figure shows: when, what, who, in the order of time."""
    blows = [(blow.time_us, blow.kind, blow.worker) for blow in shown.blows]
    pauses = [(pause.start_us, "pause", worker.name) for worker in shown.workers for pause in worker.pauses]
    others = [(one.time_us, _FAULTS[one.kind], "") for one in shown.messages if one.kind in _FAULTS]
    yield from sorted([*blows, *pauses, *others])
