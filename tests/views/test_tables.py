"""Tables: one row one thing, documented columns, the same for every run."""

from __future__ import annotations

import pandas as pd
import pytest

from durable_sim.checks.verdict import Judgement, judge
from durable_sim.checks.violations import VERDICTS
from durable_sim.library.orders import article_order, correct_order
from durable_sim.library.shop import shop
from durable_sim.simulation.run import Recording, simulate
from durable_sim.simulation.scenario import Scenario
from durable_sim.views.tables import (
    effects_table,
    executions_table,
    faults_table,
    trace_table,
    verdicts_table,
    violations_table,
)
from durable_sim.world.faults import Cancel, Crash, Deploy, Fault, Script, ServerRestart

CRASH = Crash(after="reply_received", of="payments.charge")
NEVER = Deploy(at="100d", version="v2")


def played(*faults: Fault, model: str = "regular", workflow: object = article_order) -> tuple[Recording, Judgement]:
    """Two orders under a model, and what is to be said of them."""
    scenario = Scenario(
        workflow,  # type: ignore[arg-type]
        ({"order_id": "o-1"}, {"order_id": "o-2"}),
        shop(),
        faults=faults,
        versions={"v2": article_order},
    )
    recording = simulate(scenario, model, 3)
    return recording, judge(recording)


@pytest.fixture(scope="module")
def struck() -> tuple[Recording, Judgement]:
    """A run of regular code with a crash that hits, and a deploy that never comes."""
    return played(CRASH, NEVER)


def test_the_trace_table_has_one_row_a_record(struck: tuple[Recording, Judgement]) -> None:
    """Row n of the trace table is record n of the trace, field by field."""
    recording, _ = struck
    table = trace_table(recording)
    assert list(table.index) == [record.index for record in recording.trace]
    for name in ("time_us", "kind", "execution", "worker", "subject", "step", "attempt", "call", "data"):
        expected = [getattr(record, name) for record in recording.trace]
        assert [None if value is pd.NA else value for value in table[name]] == expected


def test_a_time_is_its_microseconds(struck: tuple[Recording, Judgement]) -> None:
    """In every table, a Timedelta column equals its twin in microseconds, and is missing where that is."""
    recording, judgement = struck
    tables = [trace_table(recording), executions_table(recording, judgement), effects_table(recording)]
    tables += [violations_table(judgement), faults_table(recording)]
    twins = 0
    for table in tables:
        for name in [name for name in table.columns if f"{name}_us" in table.columns]:
            known = table[name].notna()
            assert list(known) == list(table[f"{name}_us"].notna())
            assert [value.value // 1000 for value in table[name][known].astype("timedelta64[ns]")] == list(
                table[f"{name}_us"][known]
            )
            twins += 1
    assert twins == 9


def test_the_executions_table_tells_verdict_and_status_apart(struck: tuple[Recording, Judgement]) -> None:
    """An execution lost in a crash is open for the engine and orphaned_effect for the judge."""
    table = executions_table(*struck).set_index("execution")
    assert list(table["status"]) == ["completed", "open"]
    assert list(table["verdict"]) == ["completed", "orphaned_effect"]
    assert list(table["violations"]) == [0, 2]
    assert pd.isna(table.loc["o-2", "ended"])
    assert table.loc["o-1", "duration_us"] == table.loc["o-1", "ended_us"] - table.loc["o-1", "arrived_us"]


def test_the_executions_table_names_the_failure() -> None:
    """A failed execution's row carries the message of its failure."""
    recording, judgement = played(*(Script("inventory", "reserve", call, "refuse") for call in (1, 2)))
    table = executions_table(recording, judgement)
    assert set(table["status"]) == {"failed"}
    assert all("reserve_inventory" in message for message in table["failure"])


def test_the_effects_table_pairs_undo_and_effect() -> None:
    """The effect that an undo names is the effect that says it was undone by it, and their quantities cancel."""
    faults = [Script("shipping", "schedule", call, "refuse") for call in range(1, 9)]
    recording, _ = played(*faults, model="replay", workflow=correct_order())
    table = effects_table(recording)
    undone = table[table["undone_by"].notna()]
    assert len(undone) == 6
    for index, row in undone.iterrows():
        undo = table.loc[row["undone_by"]]
        assert undo["undoes"] == index
        assert undo["quantity"] == -row["quantity"]
        assert undo["whose"] == row["whose"]
    assert set(table["whose"]) == {"customer of o-1", "customer of o-2", ""}
    assert set(table["service"]) == {"payments", "inventory", "email"}
    assert (table["time_us"] >= table["sent_us"]).all()


def test_the_faults_table_tells_planned_from_fired(struck: tuple[Recording, Judgement]) -> None:
    """A fault that waits for a record has no planned time, and one that never came has not fired."""
    crash, deploy = faults_table(struck[0]).to_dict("records")
    assert (crash["kind"], crash["hit"], crash["executions"]) == ("crash", 1, "o-2")
    assert crash["trigger"] == "after reply_received of payments.charge"
    assert pd.isna(crash["planned"]) and crash["fired"] > pd.Timedelta(0)
    assert (deploy["kind"], deploy["version"], deploy["hit"]) == ("deploy", "v2", 0)
    assert deploy["planned"] == pd.Timedelta(days=100) and pd.isna(deploy["fired"])


def test_the_faults_table_has_no_stimuli_and_says_whose_record_triggers() -> None:
    """A restart of the server is a row, a cancellation that the scenario asks for is none."""
    restart = ServerRestart(after="reply_received", of="payments.charge", execution="o-1", nth=1)
    cancel = Cancel(at="1d", target="o-1")
    order = ({"order_id": "o-1"},)
    recording = simulate(Scenario(correct_order(), order, shop(), (restart,), stimuli=(cancel,)), "replay", 0)
    (row,) = faults_table(recording).to_dict("records")
    assert (row["kind"], row["executions"]) == ("restart_server", "o-1")
    assert row["trigger"] == "after reply_received of payments.charge in o-1"


def test_the_violations_table_has_one_row_a_violation() -> None:
    """Every violation is a row, imbalances of the whole run without an execution."""
    _, judgement = played(CRASH, model="replay")
    table = violations_table(judgement)
    assert list(table["kind"]) == [violation.kind for violation in judgement.violations]
    assert table[table["kind"] == "imbalance"]["execution"].isna().all()
    assert table["time_us"].notna().sum() == 2


def test_tables_without_rows_keep_columns_and_types(struck: tuple[Recording, Judgement]) -> None:
    """A run in which nothing went wrong gives tables with the same columns and types, and no rows."""
    calm, judgement = played()
    for empty, full in (
        (violations_table(judgement), violations_table(struck[1])),
        (faults_table(calm), faults_table(struck[0])),
    ):
        assert len(empty) == 0
        assert dict(empty.dtypes) == dict(full.dtypes)


def test_the_verdicts_table_has_every_verdict() -> None:
    """Columns are all verdicts in their order, and what nobody got is zero."""
    table = verdicts_table({"regular": {"stuck": 2, "completed": 1}, "replay": {"completed": 3}})
    assert list(table.index) == ["regular", "replay"]
    assert tuple(table.columns) == VERDICTS
    assert table.loc["regular", "stuck"] == 2
    assert table.to_numpy().sum() == 6
    assert set(map(str, table.dtypes)) == {"int64"}
    assert verdicts_table({}).shape == (0, len(VERDICTS))
