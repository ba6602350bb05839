"""The player: a run that goes on while it is watched, with play, pause and speed, and a crash or a deploy at any time.

Always holds: the picture is that of the run at `now_us`; between two instants at which something happens nothing is
drawn anew but the clock.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import ipywidgets as widgets

from durable_sim.durations import DAY, HOUR, MILLISECOND, MINUTE, SECOND, seconds
from durable_sim.errors import UnknownNameError
from durable_sim.simulation.scenario import Scenario
from durable_sim.widgets.clickable import ClickablePicture
from durable_sim.widgets.panel import Panel, dropdown, on_change, preformatted, rows
from durable_sim.widgets.playback import Playback, something_happened
from durable_sim.widgets.subject import subject_of

FRAME_MS: Final = 250
"""From one tick of the clock to the next, on the wall."""
SPEEDS: Final = (
    ("100 ms a second", 100 * MILLISECOND),
    ("real time", SECOND),
    ("10 s a second", 10 * SECOND),
    ("1 min a second", MINUTE),
    ("1 h a second", HOUR),
    ("1 day a second", DAY),
)
"""Simulated time for a second on the wall."""
_TICKS: Final = 1_000_000_000


class Player(Panel):
    """Plays a run.

    `ticks` is the clock with its buttons for play, pause and back to the start; `speed` says how much simulated time a
    second on the wall is; `next`, `crash` and `deploy` are buttons; `picture` is the run at `now_us`.
    """

    def __init__(self, playback: Playback) -> None:
        self.playback = playback
        self.now_us = 0
        self.ticks = widgets.Play(value=0, min=0, max=_TICKS, step=1, interval=FRAME_MS, show_repeat=False)
        self.speed = dropdown("speed", SPEEDS, SECOND)
        self.next = widgets.Button(description="next", icon="step-forward", tooltip="to the next instant")
        self.crash = widgets.Button(description="crash a worker", icon="bolt")
        self.deploy = widgets.Button(description="deploy", icon="refresh")
        self.clock = widgets.HTML()
        self.told = widgets.HTML()
        self.picture = ClickablePicture()
        self._last_tick = 0
        self._listen()
        self._draw()
        line = [self.ticks, self.speed, self.next, self.crash, self.deploy, self.clock]
        super().__init__(widgets.VBox([*rows(line), self.picture, self.told]))

    def _listen(self) -> None:
        on_change([self.ticks], self._ticked)
        self.next.on_click(lambda _: self.go_to(self.playback.next_us(self.now_us)))
        self.crash.on_click(lambda _: self._strike(self.playback.crashed(self.now_us)))
        self.deploy.on_click(lambda _: self._strike(self.playback.deployed(self.now_us)))
        self.picture.observe(lambda _: self._tell(), names="chosen")

    def _ticked(self) -> None:
        """Time passes; or the clock was set back to its start."""
        passed = self.ticks.value - self._last_tick
        self._last_tick = self.ticks.value
        if self.ticks.value == 0:
            self.go_to(0)
        elif passed > 0:
            self.go_to(self.now_us + passed * self.speed.value * FRAME_MS // 1000)

    def go_to(self, now_us: int) -> None:
        """Show the run at an instant, at the latest at its end."""
        before_us = self.now_us
        self.now_us = min(now_us, self.playback.moments_us[-1])
        if self.now_us < before_us or something_happened(self.playback.moments_us, before_us, self.now_us):
            self._draw()
        else:
            self._set_clock()

    def _strike(self, playback: Playback) -> None:
        """From now on the run goes another way."""
        self.playback = playback
        self.now_us = self.playback.next_us(self.now_us)
        self._draw()

    def _draw(self) -> None:
        run = self.playback.at(self.now_us)
        one = run.executions[0]
        name, status = one.execution.id, one.execution.status
        title = f"{name}: {'running' if status == 'open' else status}, at {seconds(self.now_us)}"
        words = f"model={run.model}; seed={run.seed}; blows={len(self.playback.blows)}; now={seconds(self.now_us)}"
        self.picture.show_run(run, f"{words}; status={status}", title=title)
        self._tell()
        self._set_clock()

    def _set_clock(self) -> None:
        at_end = self.now_us >= self.playback.moments_us[-1]
        self.clock.value = f"<b>{seconds(self.now_us)}</b>{' (nothing more happens)' if at_end else ''}"

    def _tell(self) -> None:
        self.told.value = preformatted(self.picture.told) if self.picture.told else ""


def player(
    what: Scenario | str | Path | Any,
    input: Any = None,
    *,
    model: str = "replay",
    seed: int | None = None,
    **settings: Any,
) -> Player:
    """A panel that plays one execution, with play, pause and speed, and buttons to crash and to deploy on the way.

    Args:
        what: what is run, as for `explorer`.
        model: the execution model.
        seed: by default that of the scenario file, or 0.

    Raises:
        UserError: what was given cannot be run.
        UnknownNameError: there is no such model, or it cannot run the workflow.
    """
    subject = subject_of(what, input, **settings)
    if model not in subject.models():
        raise UnknownNameError("execution model for this scenario", model, subject.models())
    seed = subject.seed if seed is None else seed
    return Player(Playback(subject.scenario(seed), model, seed))
