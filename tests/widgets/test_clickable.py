"""Clickable pictures: what is in the figure can be pointed at."""

from __future__ import annotations

import re
from functools import cache

import matplotlib as mpl
import pytest

import durable_sim as ds
from durable_sim.library.orders import article_order
from durable_sim.views.picture import Picture
from durable_sim.views.svg import svg_of
from durable_sim.views.timeline import timeline
from durable_sim.widgets.clickable import ClickablePicture
from durable_sim.widgets.details import details_of

CRASH = ds.Crash(after="effect_applied", of="payments.charge")


@cache
def crashed() -> ds.Run:
    """An order that is charged twice."""
    return ds.run(article_order, {"order_id": "o-1"}, faults=[CRASH])


def drawn() -> Picture:
    """Its timeline."""
    return timeline(crashed().recording, "o-1")


def test_everything_with_details_is_in_the_figure_under_its_name() -> None:
    """Each call, step and effect: what can be clicked is drawn, and what is drawn can be clicked."""
    ids = re.findall(r'id="((?:call|step|timer|effect):\d+)"', svg_of(drawn()))
    assert set(ids) == set(details_of(crashed().recording, "o-1"))


def test_details_begin_with_what_it_is_and_go_on_with_what_was_recorded() -> None:
    """A call: who made it, and every record of it."""
    head, *lines = details_of(crashed().recording, "o-1")["call:1"].splitlines()
    assert head == "payments.charge, attempt 1, call 1, worker w2"
    own = [one for one in crashed().trace.of("o-1") if one.call == 1]
    assert [line.split("  ")[-2 if one.data else -1].strip() for line, one in zip(lines, own, strict=True)] == [
        f"{one.kind.replace('_', ' ')} (attempt 1)" for one in own
    ]


def test_the_same_figure_gives_the_same_text() -> None:
    """Whatever the user's settings are; no date and no random id is in it."""
    first = svg_of(drawn())
    with mpl.rc_context({"svg.fonttype": "none", "savefig.bbox": "tight"}):
        assert svg_of(drawn()) == first
    assert first.startswith("<svg ")
    assert "<text" not in first


def test_figure_words_and_details_are_sent_in_one_message() -> None:
    """A page never shows the figure of one state under the words of another."""
    picture = ClickablePicture()
    seen = []
    picture.observe(lambda change: seen.append(change["new"]), names="shown")
    picture.show_run(crashed(), "a")
    picture.show_run(crashed(), "b")
    assert [one["alt"][-6:] for one in seen] == ["Set: a", "Set: b"]
    assert [sorted(one) for one in seen] == [["alt", "details", "svg"]] * 2


def test_what_is_chosen_is_told_until_another_figure_is_shown() -> None:
    """A choice belongs to the figure it was made in."""
    picture = ClickablePicture()
    picture.show_run(crashed(), "")
    picture.chosen = "effect:0"
    assert picture.told.startswith("payments.charge: an effect in the world")
    picture.show_run(crashed(), "")
    assert (picture.chosen, picture.told) == ("", "")


def test_a_blank_picture_has_words() -> None:
    """Where there is no run, the words say why."""
    picture = ClickablePicture()
    picture.show_run(crashed(), "")
    picture.blank("No run.")
    assert (picture.alt, dict(picture.details)) == ("No run.", {})


@pytest.mark.parametrize("name", ["_esm", "_css"])
def test_the_page_loads_nothing_from_elsewhere(name: str) -> None:
    """Script and style are files of the package, and name no address but that of the SVG namespace."""
    text = str(getattr(ClickablePicture, name))
    assert re.findall(r"https?://\S+?(?=[\"'])", text) in ([], ["http://www.w3.org/2000/svg"])
