"""The outcome matrix: each tile is a run."""

from __future__ import annotations

from functools import cache

import pytest

import durable_sim as ds
from durable_sim.library.orders import article_order
from durable_sim.widgets import matrix
from durable_sim.widgets.crash_table import CrashTable, crash_table

ORDER = {"order_id": "o-1"}
MODELS = ("regular_rerun", "status_columns", "replay")


@cache
def table() -> CrashTable:
    """The article's order, crashed in each of its calls."""
    return crash_table(ds.Scenario(article_order, (ORDER,), ds.library.shop()), MODELS)


def test_each_tile_has_the_verdict_of_its_run() -> None:
    """The run made once more is judged as in the sweep."""
    rows = table().rows
    for row in (0, len(rows) // 2, len(rows) - 1):
        for column, model in enumerate(MODELS):
            found = table().case(f"tile:{row}:{column}")
            assert found is not None
            assert found[0] == model
            assert table().run(*found).executions[0].verdict == rows[row][1][model]


def test_there_are_three_places_in_each_call() -> None:
    """Before, between and after what happens: five calls, each under all models."""
    assert len(table().rows) == 15
    assert len(table().details()) == 15 * len(MODELS)


def test_every_tile_says_what_it_stands_for() -> None:
    """Model, place and verdict first, then what is wrong."""
    head, *lines = table().details()["tile:1:0"].splitlines()
    assert head == "regular_rerun, payments.charge takes effect → is answered: duplicate effect"
    assert any("payments.charge" in line for line in lines)


def test_a_place_that_a_model_does_not_come_to_has_no_case() -> None:
    """Only `replay` records what a workflow task is."""
    wide = crash_table(ds.Scenario(article_order, (ORDER,), ds.library.shop()), ("regular", "replay"), at="replay")
    assert wide.rows == ()
    assert wide.case("tile:0:0") is None


def test_a_click_opens_the_run() -> None:
    """Timeline, story and words are those of the tile."""
    panel = matrix(article_order, ORDER, models=MODELS)
    assert panel.run is None
    panel.matrix.chosen = "tile:1:0"
    assert panel.run is not None
    assert panel.run.model == "regular_rerun"
    assert panel.picture.alt.endswith("crash after effect applied of payments.charge; verdict=duplicate_effect")
    assert "under regular_rerun: duplicate_effect" in panel.story.value
    panel.matrix.chosen = "tile:1:2"
    assert "model=replay" in panel.picture.alt


def test_a_click_in_the_timeline_tells_what_was_recorded() -> None:
    """And another tile goes back to the story."""
    panel = matrix(article_order, ORDER, models=MODELS[:1])
    panel.matrix.chosen = "tile:1:0"
    panel.picture.chosen = "call:1"
    assert "payments.charge, attempt 1, call 1" in panel.story.value
    panel.matrix.chosen = "tile:2:0"
    assert "under regular_rerun" in panel.story.value


@pytest.mark.parametrize("family", ["lose_reply", "pause"])
def test_other_faults_can_be_asked_for(family: str) -> None:
    """The figure says which."""
    panel = matrix(article_order, ORDER, models=("replay",), family=family)
    assert panel.matrix.alt.startswith(f"One {family.replace('_', ' ')}, anywhere")
