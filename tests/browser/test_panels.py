"""Panels in a real browser: what is moved there changes what is shown there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from durable_sim.widgets import explorer

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.xdist_group("browser")
CHARGED = "after effect applied of payments.charge"
SET = f"crash={CHARGED}; keys=True"
"""What the explorer's picture says once the slider has been moved there."""


def picture(page: Page, words: str) -> Locator:
    """The picture whose alternative text has these words."""
    return page.locator(f'.durable-sim-picture[aria-label*="{words}"]').first


def label(page: Page, name: str, widget: str) -> Locator:
    """A control of the explorer by its label."""
    return page.locator(f'.{widget}:has(.widget-label:text-is("{name}"))').first


def move_to_the_charge(page: Page) -> Locator:
    """Move the slider with the keyboard, step by step, to the crash after the charge; the picture then."""
    picture(page, "crash=nowhere").wait_for()
    label(page, "strikes", "widget-hslider").locator(".noUi-handle").focus()
    for place in explorer("orders.correct").controls["where"].options[1:]:
        page.keyboard.press("ArrowRight")
        picture(page, f"crash={place};").wait_for()
        if place == CHARGED:
            break
    shown = picture(page, SET)
    shown.wait_for()
    return shown


def run_all_cells(page: Page) -> None:
    """Run the notebook that is open in JupyterLab, once its kernel is there, to its end: its cells move controls."""
    page.wait_for_function(
        """() => {
            const widget = window.jupyterapp?.shell?.currentWidget;
            const kernel = widget?.sessionContext?.session?.kernel;
            return kernel?.connectionStatus === "connected" && kernel?.status === "idle";
        }"""
    )
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")


def test_in_voila_the_slider_moves_the_crash(page: Page, voila: Any) -> None:
    """The picture of the new state is shown: the crash and the second attempt are in it, and the verdict in its
    words."""
    page.goto(voila.url)
    shown = move_to_the_charge(page)
    assert "verdict=completed" in str(shown.get_attribute("aria-label"))
    assert shown.locator('[id="crash"]').count() == 1
    assert shown.locator('[id^="call:"]').count() == 7


def test_in_voila_a_click_tells_what_was_recorded(page: Page, voila: Any) -> None:
    """A click on a call shows its records below the timeline."""
    page.goto(voila.url)
    picture(page, "crash=nowhere").locator('[id="call:1"]').click()
    page.locator("pre", has_text="payments.charge, attempt 1, call 1").wait_for()


def test_in_voila_a_tile_opens_the_run_behind_it(page: Page, voila: Any) -> None:
    """A click on a tile of the matrix shows the timeline and the story of that run."""
    page.goto(voila.url)
    tile = page.locator('[id="tile:1:0"]')
    tile.click()
    shown = picture(page, "model=regular_rerun; seed=0; crash after effect applied of payments.charge")
    shown.wait_for()
    assert "verdict=duplicate_effect" in str(shown.get_attribute("aria-label"))
    page.locator("pre", has_text="under regular_rerun: duplicate_effect").wait_for()


def test_in_voila_a_play_button_lets_time_pass(page: Page, voila: Any) -> None:
    """The run goes on by itself until it is paused."""
    page.goto(voila.url)
    picture(page, "blows=0; now=0.000s; status=open").wait_for()
    page.locator(".widget-play button").first.click()
    picture(page, "status=completed").wait_for()


def test_in_voila_the_stepper_shows_where_the_code_stands(page: Page, voila: Any) -> None:
    """Each press of the button is one event further."""
    page.goto(voila.url)
    page.locator('[aria-label^="event=1 WorkflowExecutionStarted"]').wait_for()
    following = page.locator("button:has(.fa-step-forward)").first
    for _ in range(3):
        following.click()
    page.locator('[aria-label^="event=4 WorkflowTaskCompleted"][aria-label*="code at=article_order"]').wait_for()


def test_in_jupyterlab_the_slider_moves_the_crash(page: Page, lab: Any, refused: list[str]) -> None:
    """The notebook runs where users run it, its slider works, and it asks nobody outside for anything."""
    page.goto(lab.url)
    run_all_cells(page)
    shown = move_to_the_charge(page)
    assert shown.locator('[id="crash"]').count() == 1
    assert refused == []
