"""The drawing of a timeline: where everything goes, and then everything drawn from top to bottom.

Takes a scene and its lanes, makes a picture. Always holds: a bar is what the caller saw of one call, a diamond is where
the world changed; a stretch that is cut out of the time axis is marked as cut in every lane; the legend explains what
occurs, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from durable_sim.views import palette
from durable_sim.views.lanes import BAR_PT, LANE_PT, Lane, labels_above, message_batches
from durable_sim.views.palette import (
    BODY_PT,
    CALL_LOOKS,
    EDGE_PT,
    INK,
    MUTED,
    RULE,
    SMALL_PT,
    STEP_LOOKS,
    Canvas,
    Look,
    elided,
    text_width,
    wrapped,
)
from durable_sim.views.scene import CALL_WORDS, Bar, Scene, Worker, through_all_lanes
from durable_sim.views.time_axis import TimeScale, about, axis, time_scale

STRIP_PT: Final = 3.2
"""The height of a strip along the lower edge of a bar."""
SLIVER_PT: Final = 2.6
"""No bar is drawn narrower."""
LEGEND_GAP_PT: Final = 15.0
CUTS_TOLD_MAX: Final = 5
"""How long each of so many cuts lasts is written before any tick; of more, only where there is room."""
MARK_GAP_PT: Final = 8.0
"""Marks of messages that share a label are never closer."""


class Drawing:
    """One figure in the making: where everything goes, then everything drawn from top to bottom."""

    def __init__(self, shown: Scene, lanes: Sequence[Lane], width: float) -> None:
        self.scene = shown
        self.lanes = lanes
        self.width = width
        self.left = EDGE_PT + max(text_width(elided(lane.name, 120)) for lane in lanes) + 12
        ledger = [text_width(line, SMALL_PT + 0.5, bold=True) for lane in lanes for line in (*lane.counts, lane.net)]
        self.ledger_x = self.width - EDGE_PT - min(190.0, 4 + max([80.0, *ledger]))
        self.right = self.ledger_x - 20
        self.scale = self._fitted()
        self.labels = labels_above(shown, self.scale, self.left - 40, self.right + 10)
        self.top: float = 60 + 15 * max((label.row + 1 for label in self.labels), default=0)
        self.bottom = self.top + sum(lane.height for lane in lanes)
        self.legend = wrapped(list(self._legend()), _legend_width, self.width - 2 * EDGE_PT + LEGEND_GAP_PT)
        self.canvas = Canvas(self.width, self.bottom + 58 + 18 * len(self.legend))

    def draw(self, title: str, subtitle: str) -> None:
        """Draw everything."""
        self.canvas.header(title, subtitle)
        y = self.top
        for place, lane in enumerate(self.lanes):
            self._background(lane, y, place)
            self._bars(lane, y)
            if lane.kind == "workflow":
                self._backoffs(lane, y)
                self._end(lane, y)
            elif lane.kind == "worker":
                self._worker(self.scene.workers[place - 1], y)
            else:
                self._effects(lane, y)
                self._ledger(lane, y)
            y += lane.height
        self._rules()
        self._cuts()
        self._blows()
        self._axis()
        self._draw_legend()

    # --- places
    def _fitted(self) -> TimeScale:
        """A scale that leaves room for the words behind the workflow's last bar."""
        begin, end = self.left + 10, self.right - 10
        start_us, end_us, idle = self.scene.start_us, self.scene.end_us, self.scene.idle
        scale = time_scale(start_us, end_us, idle, begin, end)
        for _ in range(4):
            over = scale.x(self._ends_us) + 20 + text_width(self._status, bold=True) - self.right
            end -= max(0.0, over)
            scale = time_scale(start_us, end_us, idle, begin, end)
        return scale

    @property
    def _ends_us(self) -> int:
        """When the workflow's last bar ends, or the workflow itself; one that is still open ends with the picture."""
        ended_us = self.scene.execution.ended_us
        if ended_us is None:
            return self.scene.end_us
        return max([ended_us, *(bar.end_us for bar in self.scene.steps)])

    @property
    def _status(self) -> str:
        return self.scene.execution.status

    # --- lanes
    def _background(self, lane: Lane, y: float, place: int) -> None:
        if place % 2 == 0:
            self.canvas.box(self.left, y, self.right - self.left, lane.height, Look(palette.ZEBRA, INK), zorder=0)
        self.canvas.text(self.left - 10, y + lane.height / 2, elided(lane.name, 120), align="right", gid="lane")

    def _bars(self, lane: Lane, y: float) -> None:
        looks = CALL_LOOKS if lane.kind == "service" else STEP_LOOKS
        rows = lane.rows
        for place, bar in enumerate(lane.bars):
            later = [self.scale.x(one.start_us) for one, row in zip(lane.bars, rows, strict=True) if row == rows[place]]
            x = self.scale.x(bar.start_us)
            free = min([begin for begin in later if begin > x], default=self.right)
            self._bar(bar, looks[bar.kind], y + lane.bar_top(rows[place]), lane, free)

    def _bar(self, bar: Bar, look: Look, y: float, lane: Lane, free: float) -> None:
        """A bar and its label: inside if it fits there, else, for the number of an attempt, behind it."""
        x = self.scale.x(bar.start_us)
        width = max(SLIVER_PT, self.scale.x(bar.end_us) - x)
        rim = look if look.edge != "none" or width < 4 else replace(look, edge=palette.WHITE)
        self._box(bar, rim, x, y, width, lane.bar_height)
        size = BODY_PT - 0.5 if lane.depth == 1 else SMALL_PT
        fitting = [words for words in bar.labels if text_width(words, size, bold=True) + 5 <= width]
        middle = y + lane.bar_height / 2
        if fitting:
            self._inside(fitting, x, x + width, middle, look, size)
        elif lane.kind == "service" and bar.labels and x + width + text_width(bar.labels[0], SMALL_PT) + 5 < free:
            self.canvas.text(x + width + 2, middle, bar.labels[0], size=SMALL_PT, color=MUTED, gid="attempt")

    def _box(self, bar: Bar, look: Look, x: float, y: float, width: float, height: float) -> None:
        """The bar itself; that of a call whose caller never heard an answer has no end."""
        if bar.kind in ("cut_off", "under_way"):
            self.canvas.box(x, y, width, height, replace(look, edge="none"), gid=bar.gid)
            self.canvas.line([x + width, x, x, x + width], [y, y, y + height, y + height], look.edge, 0.9, zorder=4)
        else:
            self.canvas.box(x, y, width, height, look, gid=bar.gid, line=0.5 if look.edge == palette.WHITE else 0.9)

    def _clear(self, begin: float, end: float) -> tuple[float, float]:
        """The widest part of a bar through which no line goes."""
        lines = [self.scale.x(blow.time_us) for blow in through_all_lanes(self.scene.blows)]
        tears = [(cut.left + cut.right) / 2 for cut in self.scale.cuts()]
        blocked = sorted([*((x, x) for x in lines), *((x - 3, x + 3) for x in tears)])
        inside = [(left, right) for left, right in blocked if begin < right and left < end]
        edges = [begin, *(x for pair in inside for x in pair), end]
        return max(zip(edges[::2], edges[1::2], strict=True), key=lambda part: part[1] - part[0])

    def _inside(self, labels: Sequence[str], begin: float, end: float, y: float, look: Look, size: float) -> None:
        left, right = self._clear(begin, end)
        clear = [words for words in labels if text_width(words, size, bold=True) + 5 <= right - left]
        words, x = (clear[0], (left + right) / 2) if clear else (labels[0], (begin + end) / 2)
        if look.hatch is not None or not clear:
            width = text_width(words, size, bold=True) + 4
            over = 4 if clear else 6.5  # above the lines that go through it
            self.canvas.box(x - width / 2, y - size * 0.62, width, size * 1.24, Look(look.fill, INK), zorder=over)
        self.canvas.text(x, y, words, size=size, color=look.text, bold=True, align="center", gid="label")

    def _backoffs(self, lane: Lane, y: float) -> None:
        """A strip along the lower edge of the step that waits for its next attempt."""
        rows = dict(zip((bar.gid for bar in lane.bars), lane.rows, strict=True))
        for wait in self.scene.backoffs:
            low = y + lane.bar_top(rows.get(wait.gid, 0)) + lane.bar_height
            self._strip(wait, low, palette.BACKOFF, "backoff")

    def _strip(self, bar: Bar, low: float, look: Look, gid: str) -> None:
        x = self.scale.x(bar.start_us)
        width = max(SLIVER_PT / 2, self.scale.x(bar.end_us) - x)
        self.canvas.box(x, low - STRIP_PT, width, STRIP_PT, look, gid=gid, zorder=3.5)

    def _end(self, lane: Lane, y: float) -> None:
        """What the engine says of the execution."""
        undone = any(bar.kind == "undo" for bar in lane.bars)
        colors = {"completed": palette.GREEN, "failed": palette.PURPLE if undone else palette.ORANGE}
        color = colors.get(self._status, MUTED)
        x, middle = self.scale.x(self._ends_us) + 5.0, y + lane.height / 2
        self.canvas.box(x, middle - 4, 8, 8, Look(color, INK))
        self.canvas.text(x + 12, middle, self._status, color=color, bold=True, gid="status")

    def _worker(self, worker: Worker, y: float) -> None:
        top = y + (LANE_PT - BAR_PT) / 2
        for life in worker.lives:
            if not (self.scale.is_cut(life.start_us) and self.scale.is_cut(life.end_us)):
                self._life(life, worker, top)
        for attempt in worker.busy:
            self._strip(attempt, top + BAR_PT, palette.BUSY, "busy")
        for pause in worker.pauses:
            x = self.scale.x(pause.start_us)
            self.canvas.box(x, top, max(SLIVER_PT, self.scale.x(pause.end_us) - x), BAR_PT, palette.PAUSED, gid="pause")
        for time_us in worker.replays_us:
            self.canvas.box(self.scale.x(time_us), top, 4, BAR_PT, Look(palette.SKY, INK), gid="replay", zorder=4)

    def _life(self, life: Bar, worker: Worker, top: float) -> None:
        x, end = self.scale.x(life.start_us), self.scale.x(life.end_us)
        self.canvas.box(x, top, max(SLIVER_PT, end - x), BAR_PT, Look(palette.ALIVE, MUTED), gid="life")
        label_x, width = x + 6, text_width(life.labels[0], SMALL_PT)
        replays = [self.scale.x(time_us) for time_us in worker.replays_us]
        tears = [(cut.left + cut.right) / 2 for cut in self.scale.cuts()]
        for mark in sorted([*replays, *tears]):
            if label_x - 8 < mark < label_x + width + 3:
                label_x = mark + 8
        if life.labels[0] and label_x + width + 6 < end:
            self.canvas.text(label_x, top + BAR_PT / 2, life.labels[0], size=SMALL_PT, color=MUTED, gid="version")

    def _effects(self, lane: Lane, y: float) -> None:
        rows = dict(zip((bar.gid for bar in lane.bars), lane.rows, strict=True))
        size = 5.6 if len(rows) <= 30 else 4.4
        taken: list[tuple[float, float]] = []
        for call in self.scene.calls:
            if call.service == lane.name:
                low = y + lane.bar_top(rows[call.bar.gid]) + lane.bar_height + (3.5 if lane.depth == 1 else 1)
                for index, time_us in call.effects_us:
                    x = self._beside(self.scale.x(time_us), low, size + 1, taken)
                    self.canvas.mark(x, low, "D", size, gid=f"effect:{index}")

    def _beside(self, x: float, y: float, gap: float, taken: list[tuple[float, float]]) -> float:
        """Where a mark goes so that it hides no other of its row: two effects must be seen to be two."""
        for place in sorted(place for place, low in taken if low == y):
            if abs(place - x) < gap:
                x = place + gap
        taken.append((x, y))
        return x

    def _ledger(self, lane: Lane, y: float) -> None:
        lines = [*lane.counts, lane.net] if lane.net else []
        pitch = 13.0 if len(lines) <= 2 else 11.0
        room, size = self.width - 8 - self.ledger_x, SMALL_PT + 0.5 if len(lines) <= 2 else SMALL_PT
        for place, words in enumerate(lines):
            at = y + lane.height / 2 + (place - (len(lines) - 1) / 2) * pitch
            net = place == len(lines) - 1
            color = INK if not net else palette.ORANGE if lane.wrong else "#00694C"
            bold = net and lane.wrong
            shown = elided(words, room, size, bold=bold)
            self.canvas.text(
                self.ledger_x, at, shown, size=size, color=color, bold=bold, gid="net" if net else "counts"
            )

    # --- over all lanes
    def _rules(self) -> None:
        y = self.top + self.lanes[0].height
        ours = self.top + sum(lane.height for lane in self.lanes if lane.kind != "service")
        self.canvas.line([self.left, self.right], [y, y], palette.GRID)
        self.canvas.line([self.left, self.right], [ours, ours], RULE, 1.2)
        self.canvas.line([self.left, self.right], [self.bottom, self.bottom], RULE)
        if any(lane.net for lane in self.lanes):
            self.canvas.line([self.ledger_x, self.width - EDGE_PT], [ours, ours], RULE)
            self.canvas.text(self.ledger_x, ours - 14, "effect ledger", bold=True, gid="heading")

    def _cuts(self) -> None:
        """Tear the lanes where time was cut out."""
        for cut in self.scale.cuts():
            middle = (cut.left + cut.right) / 2
            tear = Look(palette.WHITE, INK)
            self.canvas.box(middle - 3, self.top, 6, self.bottom - self.top, tear, gid="cut", zorder=5)
            for x in (middle - 3, middle + 3):
                self.canvas.line([x, x], [self.top, self.bottom + 4], MUTED, 0.8, linestyle=(0, (1, 2)), zorder=6)

    def _blows(self) -> None:
        y_of = {worker.name: self.top + sum(lane.height for lane in self.lanes[: place + 1]) + LANE_PT / 2
                for place, worker in enumerate(self.scene.workers)}  # fmt: skip
        through = through_all_lanes(self.scene.blows)
        for blow in self.scene.blows:
            if self.scale.is_cut(blow.time_us):
                continue
            x = self.scale.x(blow.time_us)
            if blow in through:
                self._through(x, blow.kind, self._line_top(x))
            if blow.worker in y_of and blow.kind == "crash":
                self.canvas.mark(x, y_of[blow.worker], "X", 9, gid="crash")
            elif blow.worker in y_of and blow not in through:
                middle = y_of[blow.worker]
                style = {"linestyle": (0, (3, 2)), "zorder": 5, "gid": "deploy"}
                self.canvas.line([x, x], [middle - BAR_PT / 2, middle + BAR_PT / 2], palette.BLUE, 1.6, **style)
        self._write_top_labels()

    def _line_top(self, x: float) -> float:
        """Up to its label, if it has one."""
        rows = [label.row for label in self.labels if label.x == x]
        return self.top - 15 * rows[0] - 3 if rows else self.top

    def _through(self, x: float, kind: str, y: float) -> None:
        if kind == "crash":
            self.canvas.line([x, x], [y, self.bottom], INK, 1.2, zorder=5, gid="crash-line")
        else:
            style = {"linestyle": (0, (4, 3)), "zorder": 5, "gid": "deploy-line"}
            self.canvas.line([x, x], [y, self.bottom], palette.BLUE, 1.2, **style)

    def _write_top_labels(self) -> None:
        for label in self.labels:
            y = self.top - 10 - 15 * label.row
            self.canvas.text(label.center, y, label.words, color=label.color, bold=True, align="center", gid="blow")
            if label.color == MUTED:
                self.canvas.line([label.x] * 2, [y + 7, self.top], MUTED, 0.8, linestyle=(0, (1, 2)), zorder=1)
        for batch in message_batches(self.scene, self.scale):
            self._messages([self.scale.x(message.time_us) for message in batch])

    def _messages(self, places: Sequence[float]) -> None:
        """Into the workflow's lane from above; of many that share a label the first, and a strip to the last."""
        x, last = places[0], places[-1]
        style = {"linestyle": (0, (1, 2)), "zorder": 5}
        self.canvas.line([x, x], [self.top, self.top + self.lanes[0].height], MUTED, 0.8, **style)
        if last > x:
            self.canvas.line([x, last], [self.top + 3.5] * 2, MUTED, 1.6, gid="batch", zorder=5)
        drawn: list[float] = []
        for place in places:
            if not drawn or place - drawn[-1] >= MARK_GAP_PT:
                drawn.append(place)
                self.canvas.mark(place, self.top + 3.5, "v", 6.5, color=MUTED, gid="message")

    # --- below
    def _axis(self) -> None:
        below = axis(self.scale, self.scene.moments_us[0])
        taken: list[tuple[float, float]] = []
        cuts = [((cut.left + cut.right) / 2, f"{about(cut.end_us - cut.start_us)}") for cut in self.scale.cuts()]
        for x, words in (*cuts, *below.ticks) if len(cuts) <= CUTS_TOLD_MAX else (*below.ticks, *cuts):
            half = text_width(words, BODY_PT - 0.5, bold=(x, words) in cuts) / 2 + 4
            if all(x + half <= begin or end <= x - half for begin, end in taken):
                taken.append((x - half, x + half))
                self._tick(x, words, cut=(x, words) in cuts)
        self.canvas.text((self.left + self.right) / 2, self.bottom + 30, below.name, color=MUTED, align="center")

    def _tick(self, x: float, words: str, *, cut: bool) -> None:
        if not cut:
            self.canvas.line([x, x], [self.bottom, self.bottom + 4], RULE)
        color, gid = (INK, "cut-label") if cut else (MUTED, "tick")
        y = self.bottom + 14
        self.canvas.text(x, y, words, size=BODY_PT - 0.5, color=color, bold=cut, align="center", gid=gid)

    def _legend(self) -> Iterator[tuple[str, str]]:
        """What occurs: kind of handle, and words."""
        scene = self.scene
        outcomes = {call.bar.kind for call in scene.calls}
        yield from ((kind, words) for kind, words in CALL_WORDS.items() if kind in outcomes)
        if scene.backoffs:
            yield "backoff", "back-off"
        if any(worker.busy for worker in scene.workers):
            yield "busy", "attempt under way"
        if any(worker.replays_us for worker in scene.workers):
            yield "replay", "replay"
        if any(call.effects_us for call in scene.calls):
            yield "effect", "effect in the world"
        blows = {blow.kind for blow in scene.blows}
        yield from ((kind, words) for kind, words in (("crash", "crash"), ("deploy", "deploy")) if kind in blows)
        if any(worker.pauses for worker in scene.workers):
            yield "pause", "paused"
        if scene.messages:
            yield "message", "reaches the workflow"

    def _draw_legend(self) -> None:
        for row, entries in enumerate(self.legend):
            x: float = EDGE_PT
            y = self.bottom + 56 + 18 * row
            for kind, words in entries:
                self._handle(kind, x, y)
                self.canvas.text(x + 22, y, words, size=SMALL_PT + 0.5, gid="legend")
                x += _legend_width((kind, words))

    def _handle(self, kind: str, x: float, y: float) -> None:
        boxes = {**CALL_LOOKS, "replay": Look(palette.SKY, INK), "pause": palette.PAUSED}
        strips = {"backoff": palette.BACKOFF, "busy": palette.BUSY}
        marks = {"crash": ("X", 8.0, INK), "effect": ("D", 6.0, INK), "message": ("v", 6.5, MUTED)}
        if kind in boxes:
            self.canvas.box(x, y - 4.5, 16, 9, boxes[kind], line=0.9)
        elif kind in strips:
            self.canvas.box(x, y - STRIP_PT / 2, 16, STRIP_PT, strips[kind])
        elif kind == "deploy":
            self.canvas.line([x, x + 16], [y, y], palette.BLUE, 1.6, linestyle=(0, (3, 1.5)))
        else:
            marker, size, color = marks[kind]
            self.canvas.mark(x + 8, y, marker, size, color=color)


def _legend_width(entry: tuple[str, str]) -> float:
    return 22 + text_width(entry[1], SMALL_PT + 0.5) + LEGEND_GAP_PT
