"""The report in a real browser, opened from disk: nothing is asked for, nothing is missing, nothing sticks out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from durable_sim.api import compare
from durable_sim.library.orders import correct_order
from durable_sim.search.narrowing import narrowed
from durable_sim.search.sweep import crash_sweep
from durable_sim.views.report import report_html
from durable_sim.world.faults import Crash

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.xdist_group("browser")
ORDER = {"order_id": "o-1", "customer": "ada", "total": 40, "items": [{"sku": "book", "quantity": 1}]}
FAULTS = (Crash(after="effect_applied", of="payments.charge"), Crash(at="10ms", worker="w2"))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A report on disk."""
    runs = compare(correct_order(), ORDER, models=("regular", "replay"), faults=FAULTS).runs
    scenario = runs["regular"].recording.scenario
    sweeps = {model: crash_sweep(scenario, model, at=["reply_received"]) for model in runs}
    path: Path = tmp_path_factory.mktemp("report") / "report.html"
    text = report_html(runs, question="What is left?", smallest=narrowed(runs["regular"]), sweeps=sweeps)
    path.write_text(text, encoding="utf-8")
    return path.as_uri()


def test_it_asks_for_nothing_and_nothing_is_missing(page: Page, address: str, refused: list[str]) -> None:
    """One file is read, the browser has no complaints, and every figure is drawn, in the words of its label."""
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(address)
    assert (asked, complaints, refused) == ([address], [], [])
    figures = page.get_by_role("img").all()
    assert len(figures) == 4
    for figure in figures:
        box = figure.bounding_box()
        assert box is not None and box["width"] > 300 and box["height"] > 100
    page.get_by_role("img", name="Timeline of o-1 under regular").first.wait_for()


@pytest.mark.parametrize("width", [360, 820, 1900])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_every_screen(page: Page, address: str, width: int, scheme: str) -> None:
    """What is too wide scrolls by itself, not the page; text stands out from its background."""
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    text, ground = (
        _brightness(page, f"getComputedStyle(document.body).{name}") for name in ("color", "backgroundColor")
    )
    assert (text < 60 and ground > 200) if scheme == "light" else (text > 200 and ground < 60)


def _brightness(page: Page, expression: str) -> float:
    """The mean of red, green and blue."""
    return float(page.evaluate(f"{expression}.match(/\\d+/g).slice(0, 3).map(Number).reduce((a, b) => a + b) / 3"))


def test_its_links_lead_to_its_sections(page: Page, address: str) -> None:
    """Each to a heading that is then on the screen, but for less than a pixel."""
    page.goto(address)
    for link in page.get_by_role("navigation").get_by_role("link").all():
        link.click()
        heading = page.get_by_role("heading", name=link.inner_text(), exact=True)
        box = heading.bounding_box()
        assert box is not None and -1 < box["y"] < 1000


def test_nothing_sticks_out_of_a_printed_page(page: Page, address: str) -> None:
    """On paper figures and tables are as wide as the page at most, and all that could be closed is there."""
    page.set_viewport_size({"width": 960, "height": 720})  # a sheet in landscape, without its margins
    page.emulate_media(media="print")
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollWidth") == 960
    assert all(one.is_visible() for one in page.locator("details > pre").all())
    assert not page.get_by_role("navigation").is_visible()
