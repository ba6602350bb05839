"""Tables of work and of sweeps: documented columns, one row one thing, `TABLES` has all of them."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from durable_sim.api import run
from durable_sim.checks.violations import VERDICTS, Violation
from durable_sim.library.orders import article_order, correct_order
from durable_sim.library.shop import shop
from durable_sim.library.windows import windows
from durable_sim.results.run import Run
from durable_sim.search.deploys import deploy_sweep
from durable_sim.search.sweep import crash_sweep, fault_sweep
from durable_sim.simulation.scenario import Scenario
from durable_sim.trace import Trace
from durable_sim.views import sweep_tables, tables
from durable_sim.views.crash_points import crash_rows, first_to_break
from durable_sim.views.sweep_tables import cases_table, deploys_table
from durable_sim.views.tables import TABLES, windows_table
from durable_sim.workflows.activity_context import ActivityContext
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import activity, workflow
from durable_sim.world.faults import Crash, Pause, Script

ORDER = ({"order_id": "o-1"},)
CRASH = Crash(after="reply_received", of="payments.charge")


@pytest.fixture(scope="module")
def struck() -> Run:
    """An order under replay, with a crash, a pause and retries, that charges twice."""
    faults = (CRASH, Script("payments", "charge", 2, "error"), Pause(at="3s", lasts="10s"))
    return run(correct_order(keys=False), ORDER[0], faults=faults)


@pytest.fixture(scope="module")
def calm() -> Run:
    """The same without any fault."""
    return run(correct_order(), ORDER[0])


@pytest.fixture(scope="module")
def cases() -> pd.DataFrame:
    """A sweep of regular code."""
    return cases_table(crash_sweep(Scenario(article_order, ORDER, shop()), "regular").cases, model="regular")


def documented(words: str | None) -> set[str]:
    """The names in a docstring that could be columns."""
    return set(re.findall(r"[a-z_]+", words or ""))


# --- one run
@pytest.mark.parametrize("name", TABLES)
def test_every_column_is_documented(struck: Run, name: str) -> None:
    """The maker of each table names all its columns; those in microseconds by their twin."""
    maker = getattr(tables, f"{name}_table")
    columns = [column for column in TABLES[name](struck).columns if not column.endswith("_us")]
    assert set(columns) <= documented(maker.__doc__)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_without_faults_has_the_same_columns_and_types(struck: Run, calm: Run, name: str) -> None:
    """However little happened, the table can be handled alike."""
    assert dict(TABLES[name](struck).dtypes) == dict(TABLES[name](calm).dtypes)


@pytest.mark.parametrize("name", TABLES)
def test_a_timedelta_equals_its_microseconds(struck: Run, name: str) -> None:
    """Each column with a twin in _us is that time, and missing where that is."""
    table = TABLES[name](struck)
    for column in [column for column in table.columns if f"{column}_us" in table.columns]:
        known = table[column].notna()
        assert list(known) == list(table[f"{column}_us"].notna())
        assert [one / pd.Timedelta("1us") for one in table[column][known]] == list(table[f"{column}_us"][known])


def test_there_is_a_row_for_each_thing(struck: Run) -> None:
    """Rows of the tables add up to what the trace and the run hold."""
    trace: Trace = struck.trace
    sent, begun, started = (
        sum(one.kind == kind for one in trace) for kind in ("request_sent", "task_started", "worker_started")
    )
    assert len(TABLES["calls"](struck)) == sent
    assert TABLES["attempts"](struck)["started_us"].notna().sum() == begun
    assert len(TABLES["workers"](struck)) == started
    assert len(TABLES["violations"](struck)) == len(struck.violations)


def test_attempts_have_their_wait_and_duration(struck: Run) -> None:
    """The wait lasts from scheduled to started, the duration from started to ended."""
    table = TABLES["attempts"](struck)
    assert (table["wait"] == table["started"] - table["scheduled"]).all()
    done = table[table["ended"].notna()]
    assert (done["duration"] == done["ended"] - done["started"]).all()
    assert set(table["outcome"]) >= {"failed", "completed", "worker_died"}


def test_findings_are_violations_with_their_source(struck: Run) -> None:
    """What a further check found is a row, told apart from the verdicts."""
    finding = Violation("invariant", None, "books", "1", "2")
    table = tables.violations_table(struck.judgement, [finding])
    assert list(table["source"]) == [*["verdict"] * len(struck.judgement.violations), "finding"]
    assert table.iloc[-1]["kind"] == "invariant"


def test_windows_have_a_row_each() -> None:
    """A crash of regular code after the charge leaves a window open until the end of the run."""
    broken = run(article_order, ORDER[0], model="regular", faults=[CRASH])
    (row,) = windows_table(windows(broken.recording)).to_dict("records")
    assert (row["closed"], row["length_us"]) == ("open", row["ended_us"] - row["begun_us"])
    assert windows_table([]).columns[0] == "execution"


# --- sweeps
def test_a_row_is_a_case(cases: pd.DataFrame) -> None:
    """The first row is the calm run; each other one has its fault, its place and the verdict of the run."""
    assert cases.loc[0, "fault"] == "no fault at all" and cases.loc[0, "family"] is None
    assert set(cases["faults"]) == {0, 1}
    assert set(cases["verdict"]) <= set(VERDICTS)
    assert (cases["violations"].gt(0) == cases["first"].notna()).all()
    effect = cases[(cases["kind"] == "effect_applied") & (cases["subject"] == "payments.charge")].iloc[0]
    assert (effect["phase"], effect["verdict"], effect["hit"]) == ("effect", "orphaned_effect", 1)


def test_a_case_with_two_faults_tells_the_place_of_the_last() -> None:
    """In a sweep of depth 2 the family and the place of a row are those of its second fault."""
    scenario = Scenario(article_order, ORDER, shop())
    found = fault_sweep(scenario, "replay", depth=2, at=("effect_applied",)).cases
    pairs = [case for case in found if len(case.placed) == 2]
    table = cases_table(found)
    assert list(table[table["faults"] == 2]["subject"]) == [case.placed[1].place.subject for case in pairs]
    assert pairs and table["fault"].str.contains(", then ").sum() == len(pairs)


@activity
async def pay(ctx: ActivityContext, number: int) -> object:
    """Charge somebody something."""
    return await ctx.service("payments").charge(f"c-{number}", 1 + number, idempotency_key=ctx.idempotency_key)


@workflow
async def one_then_two(ctx: WorkflowContext, order: object) -> None:
    """Two charges."""
    for number in (1, 2):
        await ctx.execute_activity(pay, number, start_to_close_timeout="30s")


@workflow
async def both_at_once(ctx: WorkflowContext, order: object) -> None:
    """The same two charges, at the same time: another history."""
    pays = (ctx.execute_activity(pay, number, start_to_close_timeout="30s") for number in (1, 2))
    await ctx.gather(*pays)


def test_a_row_is_a_deploy() -> None:
    """Other code is not safe for all histories; the row says where and what goes wrong."""
    sweep = deploy_sweep(Scenario(one_then_two, ORDER, shop(), horizon="10m"), both_at_once, faults=("crash",))
    table = deploys_table(sweep.shipped, model="replay")
    assert len(table) == len(sweep.shipped)
    assert 0 < int(table["safe"].sum()) == sweep.fates["safe"] < len(table)
    assert (table["safe"] == (table["fate"] == "safe")).all()
    assert table[~table["safe"]]["first"].notna().all()
    assert set(table["history"]) > {"calm"}


@pytest.mark.parametrize("maker", [cases_table, deploys_table])
def test_a_sweep_s_table_without_rows_keeps_its_columns(maker: object) -> None:
    """Its columns are documented, and there without a row."""
    table = maker([])  # type: ignore[operator]
    assert len(table) == 0
    assert set(table.columns) <= documented(getattr(sweep_tables, maker.__name__).__doc__)  # type: ignore[attr-defined]


# --- crash points
@pytest.fixture(scope="module")
def rows() -> list[tuple[str, dict[str, str]]]:
    """The crash points of one order under two models."""
    scenario = Scenario(article_order, ORDER, shop())
    return crash_rows({model: crash_sweep(scenario, model).cases for model in ("regular", "replay")})


def test_a_crash_point_is_named_by_its_gap(rows: list[tuple[str, dict[str, str]]]) -> None:
    """What both models do has one row, in the order of the run; what only one does stands where it happens."""
    names = [name for name, _ in rows]
    shared = [name for name, verdicts in rows if len(verdicts) == 2]
    wanted = ["charge_card started → called", "payments.charge called → arrives"]
    wanted += ["payments.charge takes effect → is answered", "email.send called → arrives"]
    assert [name for name in shared if name in wanted] == wanted
    recorded = names.index("charge_card recorded → next")
    assert names.index(wanted[2]) < recorded < names.index(wanted[3])
    assert len(names) == len(set(names))


def test_the_first_point_that_breaks_a_model_is_found(rows: list[tuple[str, dict[str, str]]]) -> None:
    """Regular code is lost from its first instant on; a model that is not there breaks nowhere."""
    assert first_to_break(rows, "regular") == "workflow starts → next"
    assert first_to_break(rows, "steps") is None


def test_merged_rows_tell_the_same() -> None:
    """Neighbours of which no model says otherwise are one row; each verdict of each model is still there."""
    scenario = Scenario(article_order, ORDER, shop())
    sweeps = {model: crash_sweep(scenario, model).cases for model in ("regular", "status_columns")}
    single, merged = crash_rows(sweeps), crash_rows(sweeps, merged=True)
    assert len(merged) < len(single) / 2
    assert merged[0][0] == "workflow starts → payments.charge called"
    for model in sweeps:
        changes = [verdicts[model] for _, verdicts in single if model in verdicts]
        told = [verdicts[model] for _, verdicts in merged if model in verdicts]
        assert _without_repeats(changes) == _without_repeats(told)


def _without_repeats(verdicts: list[str]) -> list[str]:
    return [one for place, one in enumerate(verdicts) if place == 0 or verdicts[place - 1] != one]
