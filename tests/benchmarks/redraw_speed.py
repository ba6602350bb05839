"""What moving a control of the explorer costs: `python tests/benchmarks/redraw_speed.py`. A benchmark, no test.

Prints, for one order under each of several models, the wall and processor time from the moment a control has its new
value to the moment the new picture is ready to be sent: running the order, finding the places of the calm run, judging,
drawing, and writing the figure as SVG. Every place of the crash is visited. The aim is a median under 300 ms.
"""

from __future__ import annotations

import statistics
import time

from durable_sim.widgets import explorer
from durable_sim.widgets.explorer_panel import Explorer

MODELS = ("regular_rerun", "status_columns", "replay", "steps")
MOVES = 40
AIM_MS = 300


def moves(panel: Explorer) -> list[tuple[float, float]]:
    """The wall and processor times of moving the crash from place to place, in milliseconds."""
    places = [where for where in panel.controls["where"].options if where != panel.controls["where"].value]
    taken = []
    for where in places[:: max(1, len(places) // MOVES)]:
        began = time.perf_counter(), time.process_time()
        panel.controls["where"].value = where
        ended = time.perf_counter(), time.process_time()
        assert f"crash={where};" in panel.picture.alt, "the picture is the new one"
        taken.append((1e3 * (ended[0] - began[0]), 1e3 * (ended[1] - began[1])))
    return taken


def main() -> None:
    """Measure and print."""
    walls: list[float] = []
    for model in MODELS:
        wall, cpu = zip(*moves(explorer("orders.correct", model=model)), strict=True)
        walls += wall
        print(
            f"{model:>16}: {len(wall)} moves, median {statistics.median(wall):.0f} ms "
            f"(processor {statistics.median(cpu):.0f} ms), slowest {max(wall):.0f} ms"
        )
    median = statistics.median(walls)
    print(f"median of all: {median:.0f} ms, aim: under {AIM_MS} ms: {'reached' if median < AIM_MS else 'MISSED'}")


if __name__ == "__main__":
    main()
