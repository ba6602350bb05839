"""The explorer: moving a control runs and draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.errors import UnknownNameError
from durable_sim.library.orders import article_order
from durable_sim.widgets import explorer
from durable_sim.widgets.explorer_panel import Explorer

SCENARIOS = Path(__file__).parents[2] / "scenarios"
CHARGED = "after effect applied of payments.charge"


def drawings(panel: Explorer) -> list[str]:
    """The words of all pictures that are shown from now on."""
    seen: list[str] = []
    panel.picture.observe(lambda change: seen.append(change["new"]["alt"]), names="shown")
    return seen


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("model", "regular", "model=regular"),
        ("seed", 5, "seed=5"),
        ("where", CHARGED, f"crash={CHARGED}"),
        ("family", "pause", "pause=nowhere"),
        ("calls", "refuse", "calls=refuse 10%"),
        ("client_timeout", "3s", "client_timeout=3s"),
        ("attempts", 2, "attempts=2"),
        ("first_delay", "3s", "first_delay=3s"),
        ("timeout", "10s", "timeout=10s"),
        ("keys", False, "keys=False"),
    ],
)
def test_moving_a_control_draws_once(name: str, value: Any, words: str) -> None:
    """The picture's words name the new state."""
    panel = explorer("orders.correct")
    seen = drawings(panel)
    panel.controls[name].value = value
    assert len(seen) == 1
    assert words in panel.picture.alt
    assert "verdict=" in panel.picture.alt


@pytest.mark.parametrize("name", ["attempts", "client_timeout", "first_delay", "timeout", "calls"])
def test_each_entry_of_a_menu_can_be_chosen(name: str) -> None:
    """And a calm order comes to its end, done or undone, whatever is chosen."""
    panel = explorer("orders.correct")
    control = panel.controls[name]
    for _, value in control._options_full:
        control.value = value
        assert panel.error is None
        assert panel.experiment.run.ok, (value, panel.experiment.run.verdicts)


def test_no_limit_of_attempts_is_the_policy_without_one() -> None:
    """Shown as words, and 0 in the policy."""
    panel = explorer("orders.correct")
    label, value = panel.controls["attempts"]._options_full[-1]
    assert (label, value) == ("no limit", 0)


def test_the_picture_is_that_of_the_run() -> None:
    """Its words end with the verdict of the run that is kept."""
    panel = explorer(article_order, {"order_id": "o-1"})
    assert panel.picture.alt.endswith("verdict=completed")
    panel.controls["where"].value = CHARGED
    assert panel.experiment.run.verdicts == {"duplicate_effect": 1}
    assert panel.picture.alt.endswith(f"crash={CHARGED}; verdict=duplicate_effect")
    assert "duplicate_effect" in panel.story.value


def test_another_model_keeps_the_place_where_it_can() -> None:
    """The same words are the same place; where there is none, nothing strikes."""
    panel = explorer("orders.correct")
    panel.controls["where"].value = CHARGED
    panel.controls["model"].value = "regular"
    assert f"model=regular; seed=0; crash={CHARGED}" in panel.picture.alt
    panel.controls["family"].value = "lose_reply"
    assert panel.controls["where"].value == "nowhere"
    assert "lose_reply=nowhere" in panel.picture.alt


def test_only_what_has_a_meaning_can_be_moved() -> None:
    """No rate while calls go wrong as written; no retries under an engine that has them in its definition."""
    panel = explorer("orders.correct")
    assert panel.controls["rate"].disabled
    panel.controls["calls"].value = "all kinds"
    assert not panel.controls["rate"].disabled
    panel.controls["model"].value = "state_machine"
    assert all(panel.controls[name].disabled for name in ("attempts", "first_delay", "timeout"))


def test_parameters_of_a_function_are_controls() -> None:
    """Each of the values given can be chosen."""

    def make(sku: str = "book") -> ds.Scenario:
        order = {"order_id": "o-1", "items": [{"sku": sku, "quantity": 1}]}
        return ds.Scenario(article_order, (order,), ds.library.shop())

    panel = explorer(make, parameters={"sku": ("book", "lamp")})
    assert panel.controls["sku"].options == (("book", "book"), ("lamp", "lamp"))
    panel.controls["sku"].value = "lamp"
    assert "sku=lamp" in panel.picture.alt


def test_a_scenario_file_starts_as_written() -> None:
    """Its own crash and seed."""
    panel = explorer(SCENARIOS / "crash_after_charge.toml")
    assert "seed=1; crash=as written; " in panel.picture.alt
    assert panel.experiment.run.faults["fired"] == 1


def test_a_setting_that_cannot_run_says_why() -> None:
    """No picture is shown under words that are not its own; the next setting is shown as ever."""

    def make(items: int = 1) -> ds.Scenario:
        return ds.Scenario(article_order, ({"order_id": "o-1"},) * items, ds.library.shop())

    panel = explorer(make, parameters={"items": (1, 0)})
    panel.controls["items"].value = 0
    assert panel.error is not None
    assert "there is no input" in panel.error
    assert panel.picture.alt.startswith("No run: ")
    assert panel.picture.shown["svg"] == ""
    panel.controls["items"].value = 1
    assert panel.error is None
    assert panel.picture.alt.endswith("verdict=completed")


def test_a_click_tells_what_was_recorded() -> None:
    """Until the next picture."""
    panel = explorer("orders.correct")
    panel.picture.chosen = "call:1"
    assert "payments.charge, attempt 1, call 1" in panel.told.value
    panel.controls["seed"].value = 1
    assert "Click a bar" in panel.told.value


def test_a_model_that_cannot_run_it_is_refused() -> None:
    """With those that can."""
    with pytest.raises(UnknownNameError, match="replay"):
        explorer(article_order, {"order_id": "o-1"}, model="state_machine")


def test_a_panel_shows_itself() -> None:
    """As a widget, in a notebook's cell."""
    bundle = explorer("orders.correct")._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
