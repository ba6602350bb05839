"""The player: a run in the making."""

from __future__ import annotations

import pytest

import durable_sim as ds
from durable_sim.errors import UnknownNameError
from durable_sim.library.orders import article_order, correct_order
from durable_sim.trace import first_difference
from durable_sim.widgets import player
from durable_sim.widgets.playback import Playback, something_happened
from durable_sim.widgets.player_panel import FRAME_MS

ORDER = {"order_id": "o-1"}
SCENARIO = ds.Scenario(correct_order(), (ORDER,), ds.library.shop(), versions={"v2": correct_order()})
PLAYBACK = Playback(SCENARIO, "replay", 0)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_a_run_at_an_instant_is_the_beginning_of_the_whole(share: float) -> None:
    """All records up to the instant, and none behind it."""
    now_us = round(PLAYBACK.moments_us[-1] * share)
    seen = list(PLAYBACK.at(now_us).trace)
    whole = [one for one in PLAYBACK.whole.trace if one.time_us <= now_us]
    assert first_difference(seen, whole) is None


def test_a_crash_changes_nothing_before_it() -> None:
    """And something behind it."""
    now_us = PLAYBACK.moments_us[3]
    struck = PLAYBACK.crashed(now_us)
    before = [[one for one in play.whole.trace if one.time_us <= now_us] for play in (PLAYBACK, struck)]
    assert first_difference(*before) is None
    assert [one.kind for one in struck.whole.trace if one.kind == "worker_crashed"] == ["worker_crashed"]
    assert struck.whole.verdicts == {"completed": 1}


def test_a_deploy_goes_to_the_other_version() -> None:
    """All workers are stopped, and come back."""
    struck = PLAYBACK.deployed(PLAYBACK.moments_us[3])
    (deploy,) = struck.blows
    assert isinstance(deploy, ds.Deploy)
    assert deploy.version == "v2"
    assert any(one.kind == "worker_stopped" for one in struck.whole.trace)


def test_blows_add_up() -> None:
    """Two crashes, one after the other."""
    struck = PLAYBACK.crashed(PLAYBACK.moments_us[3])
    again = struck.crashed(struck.moments_us[8])
    assert sum(one.kind == "worker_crashed" for one in again.whole.trace) == 2


def test_time_passes_as_fast_as_set() -> None:
    """A tick is a part of a second on the wall, whatever that is in simulated time."""
    panel = player(correct_order(), ORDER)
    panel.speed.value = 100_000
    panel.ticks.value = 1
    assert panel.now_us == 100 * FRAME_MS
    panel.ticks.value = 4
    assert panel.now_us == 400 * FRAME_MS


def test_nothing_is_drawn_where_nothing_happens() -> None:
    """The clock goes on all the same."""
    panel = player(correct_order(), ORDER)
    panel.speed.value = 100_000
    drawn: list[str] = []
    panel.picture.observe(lambda change: drawn.append(change["new"]["alt"]), names="shown")
    quiet_us, loud_us = PLAYBACK.moments_us[1:3]
    panel.go_to(quiet_us)
    count = len(drawn)
    panel.go_to((quiet_us + loud_us) // 2)
    assert len(drawn) == count
    assert f"{panel.now_us / 1e6:.3f}s" in panel.clock.value
    panel.go_to(loud_us)
    assert len(drawn) == count + 1


def test_the_run_ends_and_can_be_played_again() -> None:
    """The clock stops at the last instant; back at the start everything is open."""
    panel = player(correct_order(), ORDER)
    panel.speed.value = 86_400_000_000
    panel.ticks.value = 1
    assert panel.now_us == PLAYBACK.moments_us[-1]
    assert panel.picture.alt.endswith("status=completed")
    assert "nothing more happens" in panel.clock.value
    panel.ticks.value = 0
    assert panel.picture.alt.endswith("now=0.000s; status=open")


def test_buttons_step_crash_and_deploy() -> None:
    """Each shows what came of it at once."""
    panel = player(article_order, ORDER)
    for _ in range(3):
        panel.next.click()
    before_us = panel.now_us
    panel.crash.click()
    assert before_us < panel.now_us <= before_us + 1
    assert "blows=1" in panel.picture.alt
    assert "crash w" in panel.picture.alt
    panel.deploy.click()
    assert "blows=2" in panel.picture.alt


def test_a_click_tells_what_was_recorded_so_far() -> None:
    """A call that is under way has no end yet."""
    panel = player(correct_order(), ORDER)
    panel.next.click()
    panel.picture.chosen = "call:1"
    assert "request received" in panel.told.value
    assert "reply received" not in panel.told.value


@pytest.mark.parametrize(("since", "until", "found"), [(0, 4, False), (0, 5, True), (5, 8, False), (5, 9, True)])
def test_moments_count_from_behind_the_last(since: int, until: int, found: bool) -> None:
    """What was there when it was drawn last is no news."""
    assert something_happened((5, 9), since, until) is found


def test_a_model_that_cannot_run_it_is_refused() -> None:
    """With those that can."""
    with pytest.raises(UnknownNameError, match="replay"):
        player(article_order, ORDER, model="state_machine")
