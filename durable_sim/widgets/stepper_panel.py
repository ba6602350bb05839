"""The replay stepper: the history on one side, the code on the other, event by event.

Always holds: both sides show the same step; what came from the history and what is new is told by a word as well as by
its colour.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any, Final

import ipywidgets as widgets

from durable_sim.durations import seconds
from durable_sim.results.run import Run
from durable_sim.widgets.panel import Panel, dropdown, on_change, rows, slider
from durable_sim.widgets.replay_steps import Replayed, Step, replay_steps, takeovers

_MONO: Final = "font-family: DejaVu Sans Mono, Consolas, monospace; font-size: 12px; line-height: 1.4"
_LOOKS: Final = {"history": "background: #D6E7F3; color: #0F4A78", "new": "background: #D9EFE6; color: #00694C"}
_HERE: Final = "background: #FFF4DC; outline: 1px solid #E69F00"
_BEFORE: Final = "background: #E3E7EB"
_AROUND: Final = 9
"""So many events are shown before and after the one that the stepper is at."""


class Stepper(Panel):
    """Steps through the replay of one execution.

    `step` is the slider (1 is the first event), `known` the slider of how many events there were when a worker took
    over, `picture` the one widget that shows both sides; its words are `alt`.
    """

    def __init__(self, run: Run, execution: str, code: Callable[..., Any] | None = None) -> None:
        self.run = run
        self.execution = execution
        self._code = code
        self.replayed = replay_steps(run.recording, execution, code=code)
        whole = len(self.replayed.steps)
        known = sum(step.origin == "history" for step in self.replayed.steps)
        self.step = slider("event", 1, whole, 1)
        self.known = slider("events on record", 0, whole, known)
        self.back = widgets.Button(description="back", icon="step-backward")
        self.next = widgets.Button(description="next", icon="step-forward")
        self.picture = widgets.HTML()
        self.back.on_click(lambda _: self._move(-1))
        self.next.on_click(lambda _: self._move(1))
        on_change([self.step], self._draw)
        on_change([self.known], self._replay)
        self._draw()
        super().__init__(widgets.VBox([*rows(self._controls()), self.picture]))

    def _controls(self) -> list[Any]:
        taken = takeovers(self.run.recording, self.execution)
        self.takeover = dropdown("taken over by", [("nobody", len(self.replayed.steps)), *taken], self.known.value)
        on_change([self.takeover], self._take_over)
        return [self.back, self.next, self.step, self.known, *([self.takeover] if taken else [])]

    @property
    def shown(self) -> Step:
        """The step that is shown."""
        place: int = self.step.value - 1
        return self.replayed.steps[place]

    @property
    def alt(self) -> str:
        """Both sides in words."""
        shown = self.shown
        where = "nowhere" if shown.position is None else str(shown.position)
        problem = f"; problem={shown.problem}" if shown.problem else ""
        return f"event={shown.event.id} {shown.event.type} {shown.name}; from={shown.origin}; code at={where}{problem}"

    def _move(self, by: int) -> None:
        self.step.value = self.step.value + by  # the slider keeps within its bounds

    def _take_over(self) -> None:
        self.known.value = self.takeover.value

    def _replay(self) -> None:
        self.replayed = replay_steps(self.run.recording, self.execution, self.known.value, self._code)
        self._draw()

    def _draw(self) -> None:
        self.picture.value = side_by_side(self.replayed, self.step.value - 1, self.alt)


def side_by_side(replayed: Replayed, place: int, alt: str) -> str:
    """History and code at one step, as HTML."""
    shown = replayed.steps[place]
    begin = max(0, place - _AROUND)
    events = "".join(
        _event_row(step, begin + number == place)
        for number, step in enumerate(replayed.steps[begin : place + _AROUND + 1])
    )
    column = "flex: 1 1 440px; min-width: 0; overflow-x: auto"
    told = html.escape(shown.problem or shown.told)
    return (
        f'<div role="figure" aria-label="{html.escape(alt)}" style="{_MONO}; contain: inline-size; width: 100%">'
        f'<p style="margin: 4px 0"><b>{told}</b></p>'
        f'<div style="display: flex; flex-wrap: wrap; gap: 12px">'
        f'<table style="{column}; border-collapse: collapse; display: block">{events}</table>'
        f'<div style="{column}">{_code(replayed, shown)}</div></div></div>'
    )


def _event_row(step: Step, is_shown: bool) -> str:
    event = step.event
    look = f' style="{_HERE}; font-weight: bold"' if is_shown else ""
    origin = f'<td style="{_LOOKS[step.origin]}; padding: 0 6px">{step.origin}</td>'
    cells = "".join(
        f'<td style="padding: 0 6px; text-align: {align}; white-space: nowrap">{html.escape(words)}</td>'
        for words, align in ((str(event.id), "right"), (seconds(event.time_us), "right"), (_words(step), "left"))
    )
    return f"<tr{look}>{origin}{cells}</tr>"


def _words(step: Step) -> str:
    return f"{step.event.type} {step.name}".strip()


def _code(replayed: Replayed, shown: Step) -> str:
    """The source, the line where the code waits marked, and the one from where it came."""
    if not replayed.lines:
        return f"<p>{html.escape(str(shown.position or 'the code is not running'))}</p>"
    here, before = replayed.lines_at(shown.position), replayed.lines_at(shown.ran_from)
    return "".join(
        _code_line(number, text, number in here, number in before)
        for number, text in enumerate(replayed.lines, start=replayed.first_line)
    )


def _code_line(number: int, text: str, is_here: bool, was_here: bool) -> str:
    look, mark = (_HERE, "▶") if is_here else (_BEFORE, "·") if was_here else ("", " ")
    return f'<div style="white-space: pre; {look}">{mark}{number:>5}  {html.escape(text)}</div>'


def stepper(run: Run, execution: str | None = None, code: Callable[..., Any] | None = None) -> Stepper:
    """A panel that steps through the replay of an execution (by default the worst) of a run under `replay`.

    Args:
        code: other code to replay the history with; where it departs from the history, the panel ends and says how.

    Raises:
        UserError: the run is under another model.
        UnknownNameError: there is no execution of that id.
    """
    return Stepper(run, execution or run.worst.execution.id, code)
