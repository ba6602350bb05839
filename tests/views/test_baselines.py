"""The main figures look as they did: without their texts, they are compared with small images in `baseline/`.

Texts are left out because glyphs differ by a shade between releases of matplotlib and FreeType, and boxes and lines do
not; that texts are there and can be read is shown elsewhere. Where a figure is meant to change, delete its image, run
this file (which writes it and fails), and look at the new one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.testing.compare import compare_images
from matplotlib.text import Text

from durable_sim.durations import SECOND
from durable_sim.library.orders import correct_order
from durable_sim.library.shop import shop
from durable_sim.simulation.run import Recording, simulate
from durable_sim.simulation.scenario import Scenario
from durable_sim.views.charts import crash_matrix, outcome_matrix
from durable_sim.views.plots import durations, inconsistency_windows, load_and_retries, sweep_curve
from durable_sim.views.tables import attempts_table
from durable_sim.views.timeline import timeline
from durable_sim.world.faults import Cancel, Crash, Deploy, Fault, Pause, Script

BASELINE = Path(__file__).parent / "baseline"
DPI = 50
TOLERANCE = 1.0
"""Root mean square difference of pixels, of 255."""


def played(model: str, *faults: Fault) -> Recording:
    """One order with everything in its way."""
    scripts = [Script("payments", "charge", 1, "refuse"), Script("payments", "charge", 2, "lose_reply")]
    scripts += [Script("shipping", "schedule", call, "error") for call in range(1, 9)]
    crash = Crash(after="request_sent", of="inventory.reserve")
    plan = (*scripts, crash, Deploy(at="16s", version="v2", grace="5s"), *faults)
    code = correct_order(keys=False)
    return simulate(Scenario(code, ({"order_id": "o-1"},), shop(), faults=plan, versions={"v2": code}), model, 4)


def tabled(count: int) -> dict[str, object]:
    """Columns of executions, attempts and windows that need no simulation."""
    starts = [number * 10 * SECOND for number in range(count)]
    lasts = [(1 + number * number % 17) * SECOND for number in range(count)]
    return {
        "model": ["replay" if number % 2 else "regular" for number in range(count)],
        "arrived_us": starts,
        "duration_us": lasts,
        "ended_us": [start + length for start, length in zip(starts, lasts, strict=True)],
        "begun_us": starts,
        "closed": [("fulfilled", "undone")[number % 2] for number in range(count)],
    }


def _load() -> Figure:
    import pandas as pd

    return load_and_retries(pd.DataFrame(tabled(20)), attempts_table(played("steps")))


def _durations() -> Figure:
    import pandas as pd

    return durations(pd.DataFrame(tabled(40)))


def _windows() -> Figure:
    import pandas as pd

    return inconsistency_windows(pd.DataFrame(tabled(20)))


def _curve() -> Figure:
    import pandas as pd

    rows = [
        {"model": model, "rate": place / 10, "bad": place * bad, "runs": 50}
        for model, bad in (("regular", 9), ("replay", 1))
        for place in range(6)
    ]
    return sweep_curve(pd.DataFrame(rows), x="rate")


FIGURES: dict[str, Callable[[], Figure]] = {
    "timeline": lambda: timeline(played("replay", Pause(at="45s", worker="w2", lasts="4s")), "o-1"),
    "timeline_cancelled": lambda: timeline(played("replay", Cancel(at="15s")), "o-1", width=8),
    "timeline_steps": lambda: timeline(played("steps"), "o-1"),
    "outcome_matrix": lambda: outcome_matrix({"regular": {"completed": 3, "stuck": 2}, "replay": {"compensated": 5}}),
    "crash_matrix": lambda: crash_matrix(
        [("one", {"regular": "lost_effect", "replay": "completed"}), ("two", {"replay": "duplicate_effect"})],
        ["regular", "replay"],
    ),
    "durations": _durations,
    "load_and_retries": _load,
    "windows": _windows,
    "sweep_curve": _curve,
}


def drawn(figure: Figure, path: Path) -> Path:
    """The figure without its texts, as a small image."""
    for text in figure.findobj(Text):
        text.set_visible(False)
    figure.savefig(path, dpi=DPI, metadata={"Software": None})
    return path


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_looks_as_it_did(name: str, tmp_path: Path) -> None:
    """Its boxes, lines and marks are where they were."""
    known = BASELINE / f"{name}.png"
    if not known.exists():
        drawn(FIGURES[name](), known)
        pytest.fail(f"{known.name} was missing and has been written: look at it, then run this again")
    assert compare_images(str(known), str(drawn(FIGURES[name](), tmp_path / "now.png")), TOLERANCE) is None


def _other_verdict() -> Figure:
    rows = [("one", {"regular": "stuck", "replay": "completed"}), ("two", {"replay": "duplicate_effect"})]
    return crash_matrix(rows, ["regular", "replay"])


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("crash_matrix", _other_verdict),
        ("timeline", lambda: timeline(played("replay", Pause(at="30s", worker="w2", lasts="4s")), "o-1")),
    ],
)
def test_another_figure_would_be_noticed(name: str, other: Callable[[], Figure], tmp_path: Path) -> None:
    """One verdict that differs, or a pause that comes earlier, is beyond the tolerance."""
    found = compare_images(str(BASELINE / f"{name}.png"), str(drawn(other(), tmp_path / "other.png")), TOLERANCE)
    assert found is not None
