"""Coverage: what was hit, in which phase, and what never was."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from durable_sim.api import run_scenario
from durable_sim.search.coverage import ALL_PHASES, Coverage, Struck, struck_in
from durable_sim.search.families import CALL_FAMILIES
from durable_sim.search.places import places
from durable_sim.search.sweep import crash_sweep, fault_sweep
from durable_sim.world.faults import Cancel, Crash, Pause, Script, ServerRestart
from tests.search.scenes import COMPENSATED, PAY, of_two

REQUEST = Struck("crash", "request out", "payments.charge", False)
UNDOING = Struck("pause", "back-off", "refund", True)


def test_hits_are_counted_by_phase_and_family() -> None:
    """Compensation is a phase across the others."""
    coverage = Coverage.of([REQUEST, REQUEST, UNDOING])
    assert coverage.families == ("crash", "pause")
    assert (coverage.hits("request out"), coverage.hits("request out", "pause")) == (2, 0)
    assert (coverage.hits("compensation"), coverage.hits("compensation", "pause"), coverage.hits("back-off")) == (
        1,
        1,
        1,
    )
    assert coverage.subjects == {"payments.charge": 2, "refund": 1}
    assert coverage.never == tuple(p for p in ALL_PHASES if p not in ("request out", "back-off", "end", "compensation"))


def test_coverages_add_up() -> None:
    """Counts of the same are added, others stand side by side."""
    both = Coverage.of([REQUEST]) + Coverage.of([REQUEST, UNDOING])
    assert both.counts == {REQUEST: 2, UNDOING: 1}


def test_what_has_no_subject_is_no_operation() -> None:
    """The start of an execution is about none."""
    assert Coverage.of([Struck("crash", "start", "", False)]).subjects == {}


def test_a_fault_at_a_place_is_about_what_the_place_is_about() -> None:
    """About nothing, where an execution starts."""
    found = tuple(places(run_scenario(PAY, "replay", 0).recording))
    assert Struck.at("crash", found[2]) == Struck("crash", "start", "", False)
    assert Struck.at("crash", found[5]) == REQUEST


def test_the_text_has_a_line_for_each_phase_that_was_hit() -> None:
    """And names those that never were; without any hit it says nothing else."""
    lines = str(Coverage.of([REQUEST, UNDOING])).splitlines()
    assert [line.split() for line in lines[:-1]] == [
        ["hit", "in", "phase", "request", "out", "back-off", "compensation"],
        ["crash", "1", "-", "-"],
        ["pause", "-", "1", "1"],
    ]
    assert lines[-1].startswith("never hit: before the request, ")
    assert str(Coverage.of([])) == f"never hit: {', '.join(phase for phase in ALL_PHASES if phase != 'end')}"
    assert "never hit: nothing" in str(Coverage.of(Struck("crash", phase, "x", True) for phase in ALL_PHASES))


def test_json_has_phases_by_families() -> None:
    """With zeros where a family has not struck."""
    data = Coverage.of([REQUEST, UNDOING]).to_json()
    assert list(data["phases"]) == list(ALL_PHASES)
    assert data["phases"]["request out"] == {"crash": 1, "pause": 0}
    assert data["subjects"] == {"payments.charge": 1, "refund": 1} and "effect" in data["never"]


def test_phases_are_named_once_each() -> None:
    """In the order of an execution's life."""
    assert ALL_PHASES == (
        "before the request",
        "request out",
        "request in",
        "effect",
        "reply",
        "given up",
        "record",
        "back-off",
        "waiting",
        "replay",
        "start",
        "end",
        "between",
        "compensation",
    )


@pytest.mark.parametrize("model", ["replay", "steps", "state_machine"])
@pytest.mark.parametrize("family", ["crash", "pause", *CALL_FAMILIES])
def test_what_a_sweep_placed_is_what_its_runs_were_struck_by(family: str, model: str) -> None:
    """The trace of a run in which a fault hit says the same as the sweep that placed it: family, phase, subject."""
    for scenario in (PAY, COMPENSATED) if model == "replay" else (PAY,):
        sweep = fault_sweep(scenario, model, faults=family)
        hit = [case for case in sweep.cases if case.hit]
        found = Counter(struck for case in hit for struck in struck_in(sweep.run(case).recording))
        placed = Coverage.of(Struck.at(family.removeprefix("very_"), case.placed[0].place) for case in hit)
        assert found == Counter(placed.counts)


@pytest.mark.parametrize("family", ["deploy", "restart_server", "cancel"])
def test_what_stops_all_at_once_is_told_in_the_same_phases(family: str) -> None:
    """A deploy hits an execution once for each worker that it stops."""
    sweep = fault_sweep(PAY, faults=family)
    hit = [case for case in sweep.cases if case.hit]
    assert {struck for case in hit for struck in struck_in(sweep.run(case).recording)} == set(sweep.coverage.counts)


def test_each_case_adds_its_last_fault() -> None:
    """The faults before it are cases of their own."""
    sweep = crash_sweep(PAY, depth=2)
    assert sum(sweep.coverage.counts.values()) == 10 + 59
    assert sweep.coverage.hits("replay") == 1 and "replay" in crash_sweep(PAY).coverage.never


def test_a_fault_strikes_where_each_execution_was() -> None:
    """A pause of the only worker hits both executions, each in its own phase."""
    scenario = replace(of_two(PAY), workers=1, faults=(Pause(after="effect_applied", lasts="1h"),))
    recording = run_scenario(scenario, "replay", 0).recording
    assert [(struck.family, struck.phase) for struck in struck_in(recording)] == [
        ("pause", "effect"),
        ("pause", "request in"),
    ]


def test_what_hits_nothing_covers_nothing() -> None:
    """An idle worker's crash, and one after the end."""
    scenario = replace(PAY, faults=(Crash(at="1us", worker="w3"), Crash(at="1h", worker="w3")), workers=3)
    assert list(struck_in(run_scenario(scenario, "replay", 0).recording)) == []


def test_a_call_that_a_script_strikes_and_a_cancellation_are_told() -> None:
    """With the operation, and with what the execution was at."""
    script = Script("payments", "charge", 1, "lose_reply")
    scenario = replace(PAY, faults=(script, Cancel(at="50ms")))
    assert list(struck_in(run_scenario(scenario, "replay", 0).recording)) == [
        Struck("lose_reply", "request out", "payments.charge", False),
        Struck("cancel", "request in", "payments.charge", False),
    ]


def test_a_restart_of_the_server_is_told() -> None:
    """Nothing moves while the server is down: the task that was just scheduled is what it hits."""
    scenario = replace(PAY, faults=(ServerRestart(after="task_scheduled"),))
    assert list(struck_in(run_scenario(scenario, "replay", 0).recording)) == [
        Struck("restart_server", "before the request", "charge", False)
    ]


def test_an_execution_compensates_while_its_saga_says_so() -> None:
    """From its beginning to its end, and in every call that undoes an effect."""
    recording = run_scenario(COMPENSATED, "replay", 0).recording
    undoing = [place for place in places(recording) if place.compensating]
    kinds = [record.kind for record in recording.trace]
    begun, ended = kinds.index("compensation_begun"), len(kinds) - 1 - kinds[::-1].index("compensation_ended")
    assert undoing[0].at == begun and undoing[-1].at == ended - 1
    assert not any(place.compensating for place in places(recording) if place.at >= ended)
    calls = {
        place.subject for place in places(run_scenario(COMPENSATED, "state_machine", 0).recording) if place.compensating
    }
    assert calls == {"payments.refund", "inventory.release"}


def test_places_since_a_record_are_the_later_ones() -> None:
    """Counted as if from the beginning."""
    recording = run_scenario(PAY, "replay", 0).recording
    every = list(places(recording))
    assert [place.at for place in every] == list(range(len(recording.trace)))
    assert list(places(recording, 5)) == every[5:]
    assert (every[1].nth, every[1].trigger) == (2, {"after": "worker_started", "nth": 2})
    assert str(every[1]) == "after worker started no. 2" and str(every[0]) == "after worker started"
    assert str(every[7]) == "after effect applied of payments.charge"
    assert every[7].words == ("effect_applied", "effect", "payments.charge", None)
    assert (every[0].phase, every[7].step, every[7].attempt) == ("between", 1, 1)
