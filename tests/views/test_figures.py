"""Figures: what is drawn is what was recorded, and all of it can be read."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, pairwise
from typing import Any

import matplotlib as mpl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from durable_sim import trace as kinds
from durable_sim.checks.violations import VERDICTS
from durable_sim.durations import HOUR, MINUTE, SECOND
from durable_sim.errors import UnknownNameError, UserError
from durable_sim.library.orders import article_order, correct_order
from durable_sim.library.shop import shop
from durable_sim.simulation.run import Recording, simulate
from durable_sim.simulation.scenario import Arrivals, Scenario
from durable_sim.studies.deploys import deploy_table
from durable_sim.views.charts import crash_matrix, deploy_matrix, outcome_matrix
from durable_sim.views.palette import VERDICT_LOOKS, elided, text_width, wrapped
from durable_sim.views.scene import scene
from durable_sim.views.time_axis import CUTS_PT, axis, time_scale
from durable_sim.views.timeline import alt_text, timeline
from durable_sim.workflows.activity_context import ActivityContext
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import activity, workflow
from durable_sim.world.faults import (
    Cancel,
    Crash,
    Crashes,
    Deploy,
    Fault,
    Mixture,
    Pause,
    Script,
    ServerRestart,
    Signal,
)

MODELS = ("regular", "regular_rerun", "status_columns", "status_columns_transactional", "replay")


@activity
async def pay(ctx: ActivityContext, number: int) -> Any:
    """Charge somebody something."""
    return await ctx.service("payments").charge(f"c-{number}", 1 + number, idempotency_key=ctx.idempotency_key)


@workflow
async def many_steps(ctx: WorkflowContext, order: dict[str, Any]) -> None:
    """As many charges as the input says, one after the other."""
    for number in range(order["steps"]):
        await ctx.execute_activity(pay, number, start_to_close_timeout="30s")


@workflow
async def side_by_side(ctx: WorkflowContext, order: dict[str, Any]) -> None:
    """As many charges as the input says, at once."""
    pays = (ctx.execute_activity(pay, number, start_to_close_timeout="30s") for number in range(order["steps"]))
    await ctx.gather(*pays)


@workflow
async def mailbox(ctx: WorkflowContext, order: dict[str, Any]) -> None:
    """Waits for as many signals as the input says, then charges."""
    found: list[int] = []

    async def take(number: int) -> None:
        found.append(number)

    ctx.set_signal_handler("ping", take)
    await ctx.wait_condition(lambda: len(found) >= order["steps"])
    await ctx.execute_activity(pay, 1, start_to_close_timeout="30s")


@workflow
async def sleeper(ctx: WorkflowContext, order: dict[str, Any]) -> None:
    """A charge a day."""
    for number in range(order["steps"]):
        await ctx.execute_activity(pay, number, start_to_close_timeout="30s")
        await ctx.sleep("24h")


def played(code: Any, model: str, *faults: Fault, steps: int = 3, flaky: bool = False, workers: int = 2) -> Recording:
    """One order."""
    mixture = Mixture(refuse=0.1, lose_reply=0.05, late_effect=0.05, duplicate=0.05) if flaky else Mixture()
    services = shop(payments={"faults": mixture})
    orders = ({"order_id": "o-1", "steps": steps},)
    scenario = Scenario(code, orders, services, faults=faults, workers=workers, versions={"v2": code})
    return simulate(scenario, model, 4)


def signalled(count: int) -> Recording:
    """An order that waits for so many signals, which come one after the other."""
    orders = ({"order_id": "o-1", "steps": count},)
    stimuli = tuple(Signal(at=f"{1 + 2 * place}s", name="ping", arguments=(place,)) for place in range(count))
    return simulate(Scenario(mailbox, orders, shop(), stimuli=stimuli), "replay", 4)


def stormy(model: str = "replay") -> Recording:
    """An order that meets everything: refusals, a time-out, a crash, a deploy and a compensation."""
    faults: list[Fault] = [Script("payments", "charge", 1, "refuse"), Script("payments", "charge", 2, "lose_reply")]
    faults += [Script("shipping", "schedule", call, "error") for call in range(1, 9)]
    faults += [Crash(after="request_sent", of="inventory.reserve"), Deploy(at="16s", version="v2", grace="5s")]
    return played(correct_order(keys=False), model, *faults)


RUNS: dict[str, Any] = {
    "three steps": lambda: played(many_steps, "replay"),
    "sixty steps": lambda: played(many_steps, "replay", Crash(at="20s"), steps=60, flaky=True),
    "side by side": lambda: played(side_by_side, "replay", Crash(at="300ms"), steps=6),
    "three days": lambda: played(sleeper, "replay", Crash(at="30h")),
    "three days of crashes": lambda: played(sleeper, "replay", Crashes(every="10m", until="3d")),
    "lost": lambda: played(article_order, "regular", Crash(after="reply_received", of="inventory.reserve")),
    "rerun": lambda: played(article_order, "regular_rerun", Crash(after="effect_applied", of="payments.charge")),
    "frozen": lambda: played(article_order, "status_columns", Pause(at="200ms", worker="w2", lasts="20s")),
    "many workers": lambda: played(article_order, "replay", Crashes(every="300ms", until="9s"), workers=12),
    "two signals": lambda: signalled(2),
    "sixty signals": lambda: signalled(60),
    "cancelled": lambda: played(correct_order(), "replay", Cancel(after="request_sent", of="inventory.reserve")),
    "new server": lambda: played(correct_order(), "replay", ServerRestart(at="400ms", downtime="2s")),
    "zombie": lambda: played(correct_order(), "replay", Pause(after="request_sent", of="inventory.reserve")),
    "sixty steps of a platform": lambda: played(many_steps, "steps", Crash(at="5s"), steps=60),
    "stormy steps": lambda: stormy("steps"),
    "stormy state machine": lambda: stormy("state_machine"),
    **{f"stormy {model}": (lambda model=model: stormy(model)) for model in MODELS},
}


@pytest.fixture(scope="module", params=list(RUNS))
def recording(request: pytest.FixtureRequest) -> Recording:
    """Each of the runs."""
    return RUNS[request.param]()  # type: ignore[no-any-return]


def gids(figure: Figure, prefix: str) -> list[str]:
    """The names of the things drawn whose name begins like this."""
    artists: list[Artist] = figure.axes[0].get_children()
    return [gid for artist in artists if (gid := artist.get_gid() or "").startswith(prefix)]


def texts(figure: Figure, gid: str) -> list[str]:
    """What is written in the role of this name."""
    return [text.get_text() for text in figure.axes[0].texts if text.get_gid() == gid]


def collisions(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts that overlap, and texts that stick out of the figure."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in figure.axes[0].texts if text.get_text()]
    found = []
    for (one, a), (other, b) in combinations(boxes, 2):
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1.5:
            found.append((one, other))
    width, height = figure.bbox.width, figure.bbox.height
    found += [(one, "the edge") for one, a in boxes if a.x0 < 0 or a.y0 < 0 or a.x1 > width or a.y1 > height]
    return found


# --- the timeline
def test_every_call_is_a_bar_and_every_effect_a_diamond(recording: Recording) -> None:
    """There is one bar for each request sent and one diamond for each entry of the ledger."""
    figure = timeline(recording, "o-1")
    sent = [record.call for record in recording.trace if record.kind == kinds.REQUEST_SENT]
    assert Counter(gids(figure, "call:")) == Counter(f"call:{call}" for call in sent)
    assert sorted(gids(figure, "effect:")) == sorted(f"effect:{entry.index}" for entry in recording.ledger)


def test_every_step_is_a_bar(recording: Recording) -> None:
    """There is one bar for each time that a step or a timer was begun."""
    figure = timeline(recording, "o-1")
    begun = [one for one in recording.trace if one.kind in (kinds.TASK_SCHEDULED, kinds.TIMER_STARTED)]
    assert len(gids(figure, "step:") + gids(figure, "timer:")) == len(begun)


def test_no_text_overlaps_another(recording: Recording) -> None:
    """All texts of a timeline are within the figure and clear of each other."""
    assert collisions(timeline(recording, "o-1")) == []


def test_a_timeline_is_as_wide_as_a_page_and_as_high_as_its_lanes(recording: Recording) -> None:
    """The width is always 11.4 inches; the height stays below a page."""
    width, height = timeline(recording, "o-1").get_size_inches()
    assert width == pytest.approx(11.4)
    assert 3 < height < 12


@pytest.mark.parametrize("width", [6.0, 8.0, 18.0])
@pytest.mark.parametrize("name", ["three steps", "sixty steps", "stormy replay", "sixty signals", "many workers"])
def test_a_timeline_can_be_narrow_or_wide(name: str, width: float) -> None:
    """Whatever its width, its texts are within it and clear of each other."""
    figure = timeline(RUNS[name](), "o-1", width=width)
    assert figure.get_figwidth() == pytest.approx(width)
    assert collisions(figure) == []


def test_too_narrow_a_timeline_is_refused() -> None:
    """The error says how wide it must be."""
    with pytest.raises(UserError, match="expected 6 or more"):
        timeline(stormy(), "o-1", width=5)


def test_a_bar_is_what_the_caller_saw() -> None:
    """Refused, timed out, cut off by a crash, good, and undone: each outcome comes from the caller's own records."""
    outcomes = Counter(call.bar.kind for call in scene(stormy(), "o-1").calls)
    assert outcomes == {"failed": 5, "timed_out": 1, "cut_off": 1, "ok": 3, "undo": 4}


def test_a_call_whose_caller_died_ends_with_the_crash() -> None:
    """Its bar ends when the worker crashed, while its diamond is where the effect took place, later."""
    shown = scene(stormy(), "o-1")
    (cut_off,) = [call for call in shown.calls if call.bar.kind == "cut_off"]
    (crash,) = [blow for blow in shown.blows if blow.kind == "crash"]
    assert cut_off.bar.end_us == crash.time_us
    assert all(time_us > crash.time_us for _, time_us in cut_off.effects_us)


def test_the_figure_tells_what_struck() -> None:
    """A crash, a deploy and a replay are marked, named and in the legend."""
    figure = timeline(stormy(), "o-1")
    assert len(gids(figure, "crash-line")) == 1
    assert len(gids(figure, "deploy-line")) == 2
    assert len(gids(figure, "replay")) == 1
    assert sorted(texts(figure, "blow")) == ["crash w1", "deploy w1, w2"]
    assert texts(figure, "version") == ["v2", "v2"]
    assert {"crash", "deploy", "replay", "compensation", "caller died"} < set(texts(figure, "legend"))


def test_the_legend_holds_only_what_occurs() -> None:
    """A calm run's legend explains good calls, attempts and effects, and nothing else."""
    legend = texts(timeline(RUNS["three steps"](), "o-1"), "legend")
    assert legend == ["call ok", "attempt under way", "effect in the world"]


def test_only_a_wrong_net_stands_out() -> None:
    """The service with a violation has its net in bold, and says what is wrong; the others do not."""
    figure = timeline(played(article_order, "replay", Crash(after="effect_applied", of="payments.charge")), "o-1")
    nets = [text for text in figure.axes[0].texts if text.get_gid() == "net"]
    assert [net.get_text() for net in nets] == ["net +2, duplicate", "net +1", "net +1", "net +1", "net +1"]
    assert [net.get_fontweight() for net in nets] == ["bold", *["normal"] * 4]


def strips(figure: Figure, gid: str) -> list[tuple[float, float]]:
    """From where to where the strips of this name go."""
    boxes = [patch.get_window_extent() for patch in figure.axes[0].patches if patch.get_gid() == gid]
    return sorted((box.x0, box.x1) for box in boxes)


@pytest.mark.parametrize("model", ["replay", "steps", "state_machine", "status_columns"])
def test_every_back_off_is_a_strip(model: str) -> None:
    """There is one for each that began, as long as what the engine said."""
    recording = stormy(model)
    begun = [record for record in recording.trace if record.kind == kinds.BACKOFF_BEGUN]
    waits = scene(recording, "o-1").backoffs
    told = [((record.data or {})["delay_us"], record.time_us) for record in begun]
    assert [(wait.end_us - wait.start_us, wait.start_us) for wait in waits] == told
    assert len(strips(timeline(recording, "o-1"), "backoff")) == len(begun) > 0


def test_every_attempt_is_a_strip_on_its_worker(recording: Recording) -> None:
    """As many as were begun, each within the life of the worker that made it."""
    shown = scene(recording, "o-1")
    begun = [record for record in recording.trace if record.kind == kinds.TASK_STARTED]
    assert sum(len(worker.busy) for worker in shown.workers) == len(begun)
    for worker in shown.workers:
        for busy in worker.busy:
            assert any(life.start_us <= busy.start_us <= busy.end_us <= life.end_us for life in worker.lives)


def test_what_reaches_the_workflow_is_marked_and_named() -> None:
    """Two signals far apart have a label each, sixty in a row share one; each has its mark."""
    two, sixty = timeline(signalled(2), "o-1"), timeline(signalled(60), "o-1")
    assert texts(two, "blow") == ["signal ping"] * 2
    assert texts(sixty, "blow") == ["signal ping × 60"]
    assert (len(gids(two, "message")), len(gids(sixty, "message"))) == (2, 60)
    assert "reaches the workflow" in texts(two, "legend")


@pytest.mark.parametrize(
    ("name", "words"),
    [("cancelled", "cancel at 673ms"), ("new server", "server restart at 2.4s"), ("zombie", "pause w1 at 673ms")],
)
def test_the_subtitle_names_every_fault_of_a_process(name: str, words: str) -> None:
    """A cancellation, a restart of the server and a pause are no calm run."""
    assert texts(timeline(RUNS[name](), "o-1"), "subtitle") == [f"replay, seed 4. Faults: {words}."]


@pytest.mark.parametrize("model", ["replay", "state_machine", "regular"])
def test_steps_that_undo_are_compensation_under_every_model(model: str) -> None:
    """With or without marks of compensation, the step that calls a refund is one, and the one that charges is not."""
    kinds_of = {bar.labels[0]: bar.kind for bar in scene(stormy(model), "o-1").steps}
    assert (kinds_of["refund_charge"], kinds_of["charge_card"]) == ("undo", "step")


def test_a_death_ends_the_steps_of_regular_code_but_not_those_of_a_durable_engine() -> None:
    """Under `regular` a step ends with its process; under `replay` it goes on until its result is recorded."""
    crash = Crash(after="effect_applied", of="payments.charge")
    regular, replay = (scene(played(article_order, model, crash), "o-1") for model in ("regular", "replay"))
    assert regular.steps[-1].end_us == regular.blows[0].time_us
    assert replay.steps[0].end_us > replay.blows[0].time_us


def test_days_of_sleep_are_cut_out() -> None:
    """A workflow that sleeps three times 24 hours shows its calls as wide bars, and says what was cut out."""
    figure = timeline(played(sleeper, "replay"), "o-1")
    assert texts(figure, "cut-label") == ["24 h"] * 3
    bars = [patch for patch in figure.axes[0].patches if (patch.get_gid() or "").startswith("call:")]
    assert all(bar.get_bbox().width > 30 for bar in bars)  # type: ignore[attr-defined]


def test_crashes_elsewhere_leave_no_mark() -> None:
    """A blow outside of the execution's own time is not drawn."""
    figure = timeline(played(many_steps, "replay", Crash(at="1h")), "o-1")
    assert gids(figure, "crash") == []


def test_title_and_subtitle_can_be_given() -> None:
    """By default they name the execution, the model, the seed and the faults; what is given replaces them."""
    recording = stormy()
    default, given = timeline(recording, "o-1"), timeline(recording, "o-1", title="A $5 order", subtitle="")
    assert texts(default, "title") == ["o-1 under replay"]
    assert texts(default, "subtitle")[0].startswith("replay, seed 4. Faults: crash w1 at ")
    assert texts(given, "title") == ["A $5 order"] and texts(given, "subtitle") == [""]


def test_a_users_settings_change_nothing() -> None:
    """The font is DejaVu Sans, whatever matplotlib is told."""
    with mpl.rc_context({"font.family": "monospace", "font.size": 30, "axes.facecolor": "black"}):
        figure = timeline(stormy(), "o-1")
    assert {text.get_fontname() for text in figure.axes[0].texts} == {"DejaVu Sans"}


def test_an_execution_that_has_not_arrived_has_a_timeline_all_the_same() -> None:
    """Without any record, there is an empty figure."""
    scenario = Scenario(article_order, ({"order_id": "a"}, {"order_id": "b"}), shop(), arrivals=Arrivals("40d"))
    figure = timeline(simulate(scenario, "regular", 1), "b")
    assert texts(figure, "status") == ["open"]
    assert collisions(figure) == []


def test_a_wrong_id_is_refused() -> None:
    """The error names the executions that there are."""
    with pytest.raises(UnknownNameError, match="o-1"):
        timeline(stormy(), "o-2")


def test_the_alt_text_tells_the_state() -> None:
    """It is the same for the same run, and holds model, seed, faults, status, calls and ledger."""
    told = alt_text(stormy(), "o-1")
    assert told == alt_text(stormy(), "o-1")
    for part in ("replay, seed 4", "crash w1", "deploy w2", "failed", "1 client time-out", "2 × charge", "duplicate"):
        assert part in told


# --- the time axis
@given(st.lists(st.integers(0, 100 * HOUR), min_size=2, max_size=20, unique=True))
def test_later_is_further_right(moments: list[int]) -> None:
    """Whatever is cut out, places follow the order of time, from one end of the axis to the other."""
    moments.sort()
    scale = time_scale(moments[0], moments[-1], list(pairwise(moments)), 100.0, 700.0)
    places = [scale.x(moment) for moment in moments]
    assert places == sorted(places)
    assert (places[0], places[-1]) == (pytest.approx(100), pytest.approx(700))


def test_back_offs_that_double_are_cut_out_together() -> None:
    """No one of 10, 20, 40, 80 and 160 s leaves too little room, but all of them do; the shortest ones stay."""
    edges, gaps = 0, []
    for length in (1, 1, 1, 10, 20, 40, 80, 160):
        gaps.append((edges, edges + length * SECOND))
        edges += (length + 1) * SECOND
    assert len(time_scale(0, edges, gaps, 0, 800).cuts()) == 5


def test_only_what_leaves_no_room_is_cut() -> None:
    """A pause as long as the work stays; one a hundred times as long is cut out."""
    assert time_scale(0, 2 * MINUTE, [(0, MINUTE)], 0, 600).cuts() == []
    (cut,) = time_scale(0, 101 * MINUTE, [(MINUTE // 2, 100 * MINUTE + MINUTE // 2)], 0, 600).cuts()
    assert cut.end_us - cut.start_us > 99 * MINUTE
    assert time_scale(0, SECOND // 2, [(10, SECOND // 2 - 10)], 0, 600).cuts() == []


# --- matrices
COUNTS = {
    model: {verdict: count for place, verdict in enumerate(VERDICTS) if (count := (row + place) % 5 * 300)}
    for row, model in enumerate(MODELS)
}


@pytest.mark.parametrize("counts", [COUNTS, {"replay": {"completed": 1}}, {"regular": {"stuck": 1}, "replay": {}}])
def test_an_outcome_matrix_adds_up(counts: dict[str, dict[str, int]]) -> None:
    """The margins are the sums of rows and columns, and no text overlaps another."""
    figure = outcome_matrix(counts)
    good = [one.get("completed", 0) + one.get("compensated", 0) for one in counts.values()]
    whole = [sum(one.values()) for one in counts.values()]
    assert texts(figure, "row-sum") == [f"{some}/{all_}" for some, all_ in zip(good, whole, strict=True)]
    assert sum(map(int, texts(figure, "column-sum"))) == sum(whole)
    assert collisions(figure) == []


def test_an_outcome_matrix_has_a_tile_for_each_pair() -> None:
    """A verdict that nobody got has no column; one that a model did not get has an empty tile."""
    figure = outcome_matrix({"regular": {"stuck": 1}, "replay": {"completed": 1}}, title="T", subtitle="S")
    assert gids(figure, "tile:") == ["tile:0:completed", "tile:0:stuck", "tile:1:completed", "tile:1:stuck"]
    assert texts(figure, "title") == ["T"] and texts(figure, "subtitle") == ["S"]


@pytest.mark.parametrize("points", [1, 10, 60])
def test_a_crash_matrix_counts_what_survived(points: int) -> None:
    """Each crash point has its sum over models, each model its own over crash points; gaps count in neither."""
    rows = [
        (
            f"after record {row}",
            {model: VERDICTS[(row + place) % 8] for place, model in enumerate(MODELS[: 1 + row % 5])},
        )
        for row in range(points)
    ]
    figure = crash_matrix(rows, MODELS, title="T", subtitle="S")
    assert len(gids(figure, "tile:")) == points * len(MODELS)
    of_rows = [sum.split("/") for sum in texts(figure, "row-sum")]
    of_columns = [sum.split("/") for sum in texts(figure, "column-sum")]
    for place in (0, 1):
        assert sum(int(pair[place]) for pair in of_rows) == sum(int(pair[place]) for pair in of_columns)
    assert collisions(figure) == []


@pytest.mark.parametrize("points", [3, 60])
def test_long_names_of_crash_points_are_shortened(points: int) -> None:
    """However long a label is, it stays clear of the tiles and within the figure."""
    name = "a_service_with_a_very_long_name.and_a_longer_operation answer is seen → recorded"
    rows = [(f"{name} ({row}th)", dict.fromkeys(MODELS, "completed")) for row in range(points)]
    figure = crash_matrix(rows, MODELS)
    assert all(label.endswith("…") for label in texts(figure, "label")[:points])
    assert collisions(figure) == []
    edge = min(patch.get_window_extent().x0 for patch in figure.axes[0].patches if patch.get_gid())
    renderer = FigureCanvasAgg(figure).get_renderer()
    labels = [text for text in figure.axes[0].texts if text.get_gid() == "label"]
    assert all(label.get_window_extent(renderer).x1 < edge for label in labels)


# --- the palette
def test_every_verdict_has_a_look_of_its_own() -> None:
    """Each verdict has another letter, and each bad one another fill."""
    assert tuple(VERDICT_LOOKS) == VERDICTS
    assert len({look.letter for look in VERDICT_LOOKS.values()}) == len(VERDICTS)
    assert len({look.fill for look in VERDICT_LOOKS.values()}) == len(VERDICTS) - 1


def luminance(color: str) -> float:
    """Relative luminance as the WCAG define it."""
    shares = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("verdict", VERDICTS)
def test_letters_can_be_read_on_their_fill(verdict: str) -> None:
    """The contrast of letter and fill is at least 4.5 to 1."""
    look = VERDICT_LOOKS[verdict]
    dark, light = sorted((luminance(look.fill), luminance(look.text)))
    assert (light + 0.05) / (dark + 0.05) >= 4.5


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40), st.floats(12, 200))
def test_an_elided_text_fits(words: str, width: float) -> None:
    """It is the text where that fits, else a shorter one that does, with an ellipsis."""
    short = elided(words, width)
    assert text_width(short) <= width
    assert short == words or short.endswith("…")


def test_entries_wrap_when_the_row_is_full() -> None:
    """Nothing is lost, no row is wider than the room, and an entry wider than that has its own."""
    assert wrapped([3, 4, 5, 20, 1], float, 8) == [[3, 4], [5], [20], [1]]


def test_the_deploy_matrix_has_a_row_for_each_change() -> None:
    """A tile for each change and model, and how many changes each model survives."""
    table = deploy_table(("status_columns", "replay"))
    figure = deploy_matrix(table)
    assert figure.alt.startswith("A deploy while an execution sleeps: what becomes of it. Changes survived, by model:")
    assert f"status_columns {len(table) - 1} of {len(table)}" in figure.alt
    assert f"replay {len(table) - 4} of {len(table)}" in figure.alt


def test_marks_of_messages_are_never_a_blot() -> None:
    """Of a thousand that share a label, as many marks as have room, and a strip from the first to the last."""
    thousand = timeline(signalled(1000), "o-1")
    assert texts(thousand, "blow") == ["signal ping × 1000"]
    assert 2 < len(gids(thousand, "message")) < 100 and len(gids(thousand, "batch")) == 1


def test_two_effects_at_once_are_seen_to_be_two() -> None:
    """Their diamonds are side by side."""
    crash = Crash(after="effect_applied", of="inventory.reserve")
    figure = timeline(played(article_order, "replay", crash), "o-1")
    places = [line.get_xdata()[0] for line in figure.axes[0].lines if str(line.get_gid()).startswith("effect:")]
    assert len(places) == len(set(places)) >= 5


def test_a_call_that_is_under_way_has_lost_nobody() -> None:
    """Cut off by the horizon, its caller is alive; a crash would have been told as one."""
    scenario = Scenario(article_order, ({"order_id": "o-1"},), shop(), horizon="300ms")
    figure = timeline(simulate(scenario, "replay", 0), "o-1")
    assert "call under way" in texts(figure, "legend") and "caller died" not in texts(figure, "legend")
    assert "Calls: 1 under way" in figure.alt


def test_an_execution_that_is_open_is_open_to_the_end_of_the_picture() -> None:
    """Its status stands behind the last thing that reached it, though its last step ended long before."""
    orders = ({"order_id": "o-1", "steps": 4},)
    stimuli = tuple(Signal(at=f"{1 + 20 * place}s", name="ping", arguments=(place,)) for place in range(3))
    figure = timeline(simulate(Scenario(mailbox, orders, shop(), stimuli=stimuli), "replay", 4), "o-1")
    (status,) = [text for text in figure.axes[0].texts if text.get_gid() == "status"]
    marks = [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_gid() == "message"]
    assert status.get_text() == "open" and len(marks) == 3
    assert status.get_position()[0] > max(marks)


def test_after_a_cut_ticks_tell_the_time() -> None:
    """Counted from the start, as before it; an instant that is far away is written with its units."""
    scale = time_scale(0, 3_601 * SECOND, [(SECOND, 3_600 * SECOND)], 0, 400)
    words = [label for _, label in axis(scale, 0).ticks]
    assert words[:3] == ["0", "0.5", "1"] and words[-1] == "1h1s"
    assert len(scale.cuts()) == 1


def test_many_idle_stretches_are_cut_to_slivers() -> None:
    """Twenty sleeps of two hours leave room for what is between them, and are never wider together than five."""
    hours = [(number * 7_200 * SECOND + 10 * SECOND, (number + 1) * 7_200 * SECOND) for number in range(20)]
    scale = time_scale(0, 20 * 7_200 * SECOND + SECOND, hours, 0, 1_000)
    assert len(scale.cuts()) == 20
    assert sum(cut.right - cut.left for cut in scale.cuts()) == pytest.approx(CUTS_PT)
