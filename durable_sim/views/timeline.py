"""The timeline of one execution: the workflow, the workers, and what each service saw and did.

Reads a finished recording, makes a picture of it, and the same in words. Always holds: picture and words come from the
same scene, and the words are the picture's alternative text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from durable_sim import trace as kinds
from durable_sim.simulation.run import Recording
from durable_sim.views.drawing import Drawing
from durable_sim.views.lanes import Lane, lanes_of
from durable_sim.views.picture import Picture
from durable_sim.views.scene import CALL_WORDS, Scene, scene
from durable_sim.views.time_axis import rounded


def timeline(
    recording: Recording, execution_id: str, *, title: str | None = None, subtitle: str | None = None
) -> Picture:
    """Draw the timeline of one execution.

    Ours above the rule: the workflow's steps, and the workers (of many, only those that had to do with it). Below it
    the services that it called: a bar is what the caller saw, with the number of the attempt; a diamond is an effect
    in the world. To the right, the ledger of each service; a net that is not as it should be is bold and orange.

    Raises:
        UnknownNameError: there is no execution of that id.
    """
    shown = scene(recording, execution_id)
    lanes = lanes_of(recording, shown)
    drawing = Drawing(shown, lanes)
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
    struck = [f"{blow.kind} {blow.worker} at {rounded(blow.time_us)}" for blow in shown.blows]
    if len(struck) > 3:
        counts = Counter(blow.kind for blow in shown.blows)
        struck = [f"{count} × {kind}" for kind, count in counts.items()]
    wrong = [f"{count} × {fate}" for fate, count in sorted(fates.items())]
    return f"{recording.model}, seed {recording.seed}. Faults: {', '.join([*struck, *wrong]) or 'none'}."
