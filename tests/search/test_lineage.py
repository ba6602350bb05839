"""Search by lineage: the smallest sets that hit all supports, what it finds beside a sweep, and what it cannot see."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durable_sim.errors import UnknownNameError, UserError
from durable_sim.library.gallery import BUGS
from durable_sim.library.orders import article_order, plain_order
from durable_sim.library.shop import shop
from durable_sim.search.hitting import Support, hitting_sets
from durable_sim.search.lineage import LineageSearch, lineage_search
from durable_sim.search.passages import passages_of
from durable_sim.search.result import Case
from durable_sim.search.sometimes import sometimes
from durable_sim.search.sweep import fault_sweep
from durable_sim.simulation.scenario import Scenario
from durable_sim.workflows.activity_context import ActivityContext
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import activity, workflow
from durable_sim.workflows.failures import ActivityError, ApplicationError
from durable_sim.workflows.retry import RetryPolicy
from durable_sim.world.faults import Crash, Fault
from tests.search.scenes import (
    COMPENSATED,
    GIVE_BACK,
    ID,
    KEYLESS,
    ORDER,
    PAY,
    PAY_TWICE,
    PAYMENTS,
    charge,
    of_two,
    refund,
)

ITEMS = "abcde"
ITEM_SETS = st.lists(st.sampled_from(ITEMS), max_size=4, unique=True).map(tuple)
SUPPORTS = st.lists(st.builds(Support, ITEM_SETS, st.just(()) | ITEM_SETS), max_size=6)
ARTICLE = Scenario(article_order, (ID,), shop())
PLAIN = Scenario(plain_order, (ID,), shop())


@activity
async def look_up(ctx: ActivityContext, order: Any) -> int:
    """Says which attempt it is."""
    await ctx.service("risk").refund(reference="nobody")
    return ctx.attempt


@activity
async def charge_as_told(ctx: ActivityContext, order: Any, looked_up: int) -> None:
    """Charges once, or twice if neither step went well at once."""
    for part in range(2 if looked_up > 1 and ctx.attempt > 1 else 1):
        key = f"{ctx.idempotency_key}/{part}"
        await ctx.service("payments").charge("c-1", 40, reference=ctx.workflow_id, idempotency_key=key)


@workflow(name="two_steps")
async def unlucky_twice(ctx: WorkflowContext, order: Any) -> str:
    """Two steps; the second does wrong if both were tried more than once."""
    looked_up = await ctx.execute_activity(look_up, order, start_to_close_timeout="30s")
    await ctx.execute_activity(charge_as_told, order, looked_up, start_to_close_timeout="30s")
    return "paid"


@workflow(name="two_steps")
async def two_charges(ctx: WorkflowContext, order: Any) -> str:
    """Two steps that have nothing to do with each other."""
    await ctx.execute_activity(look_up, order, start_to_close_timeout="30s")
    await ctx.execute_activity(charge, order, start_to_close_timeout="30s")
    return "paid"


@workflow(name="two_steps")
async def charged_once(ctx: WorkflowContext, order: Any) -> str:
    """Two steps; the first is tried once only, and undone by nobody."""
    once = RetryPolicy(maximum_attempts=1)
    await ctx.execute_activity(charge, order, start_to_close_timeout="30s", retry_policy=once)
    await ctx.execute_activity(look_up, order, start_to_close_timeout="30s")
    return "paid"


@activity
async def charge_with_care(ctx: ActivityContext, order: Any, looked_up: int) -> None:
    """Charges with its key; where looking up took more than one attempt, first looks again, and forgets the key."""
    key = ctx.idempotency_key if looked_up == 1 else None
    if looked_up > 1:
        await ctx.service("risk").refund(reference="nobody")
    await ctx.service("payments").charge("c-1", 40, reference=ctx.workflow_id, idempotency_key=key)


@workflow(name="two_steps")
async def careless_after_trouble(ctx: WorkflowContext, order: Any) -> str:
    """Two steps; how the second goes depends on how the first went."""
    looked_up = await ctx.execute_activity(look_up, order, start_to_close_timeout="30s")
    await ctx.execute_activity(charge_with_care, order, looked_up, start_to_close_timeout="30s")
    return "paid"


@activity
async def take_note(ctx: ActivityContext, order: Any, looked_up: int) -> None:
    """Calls somebody only where looking up took more than one attempt."""
    if looked_up > 1:
        await ctx.service("notes").refund(reference="nobody")


@workflow(name="noted")
async def noted_or_given_back(ctx: WorkflowContext, order: Any) -> str:
    """Gives the charge back, in one attempt, if the note of the trouble in an earlier step cannot be taken."""
    once = RetryPolicy(maximum_attempts=1)
    await ctx.execute_activity(charge, order, start_to_close_timeout="30s")
    looked_up = await ctx.execute_activity(look_up, order, start_to_close_timeout="30s")
    try:
        await ctx.execute_activity(take_note, order, looked_up, start_to_close_timeout="30s", retry_policy=once)
    except ActivityError:
        await ctx.execute_activity(refund, order, start_to_close_timeout="30s", retry_policy=once)
        raise ApplicationError("no note", type="NoNote") from None
    return "paid"


WORLD = dict.fromkeys(("payments", "risk", "notes"), PAYMENTS["payments"])
CHARGED_ONCE = Scenario(charged_once, (ID,), WORLD)
UNLUCKY_TWICE = Scenario(unlucky_twice, (ID,), WORLD)
TWO_STEPS = Scenario(two_charges, (ID,), WORLD)
CARELESS = Scenario(careless_after_trouble, (ID,), WORLD)
NOTED = Scenario(noted_or_given_back, (ID,), WORLD)


def sets(cases: tuple[Case, ...]) -> set[frozenset[Fault]]:
    """The fault sets of cases."""
    return {frozenset(case.faults) for case in cases}


# --- hitting sets -----------------------------------------------------------------------------------------------------
def by_definition(supports: list[Support[str]], closed: tuple[str, ...], rivals: str) -> set[frozenset[str]]:
    """The minimal sets that hit all supports known for them, from among all sets there are."""

    def hits(chosen: frozenset[str]) -> bool:
        known = [one for one in supports if chosen.issuperset(one.given)]
        return all(not chosen.isdisjoint(one.items) for one in known)

    every = map(frozenset, chain.from_iterable(combinations(ITEMS, size) for size in range(len(ITEMS) + 1)))
    allowed = [one for one in every if len(one & set(rivals)) <= 1 and not (closed and one.issuperset(closed))]
    found = [one for one in allowed if hits(one)]
    return {one for one in found if not any(other < one for other in found)}


@settings(max_examples=300, deadline=None)
@given(supports=SUPPORTS, closed=ITEM_SETS, rivals=st.sampled_from(["", "ab", "cde"]))
def test_hitting_sets_are_those_of_the_definition(
    supports: list[Support[str]], closed: tuple[str, ...], rivals: str
) -> None:
    """All minimal sets are given, each once, the smaller first, and nothing else."""
    exclusive = dict.fromkeys(rivals, "rivals").get
    found = list(hitting_sets(supports, closed=[closed] if closed else [], exclusive=exclusive))
    assert set(map(frozenset, found)) == by_definition(supports, closed, rivals)
    assert len(found) == len(set(map(frozenset, found)))
    assert list(map(len, found)) == sorted(map(len, found))


@settings(max_examples=100, deadline=None)
@given(supports=SUPPORTS, size_max=st.integers(0, 4))
def test_hitting_sets_up_to_a_size(supports: list[Support[str]], size_max: int) -> None:
    """A limit leaves out the larger sets, and changes nothing about the others."""
    every = list(hitting_sets(supports))
    assert list(hitting_sets(supports, size_max)) == [one for one in every if len(one) <= size_max]


@pytest.mark.parametrize(
    ("supports", "expected"),
    [
        pytest.param([], [()], id="nothing to hit"),
        pytest.param([Support(())], [], id="nothing that could be lost"),
        pytest.param([Support(("a",)), Support(("b",))], [("a", "b")], id="two ways"),
        pytest.param([Support(("a",)), Support(("b",), ("a",))], [("a", "b")], id="a way known after a fault"),
        pytest.param([Support(("a",)), Support(("b",), ("c",))], [("a",)], id="a way that is not known"),
    ],
)
def test_hitting_sets_of(supports: list[Support[str]], expected: list[tuple[str, ...]]) -> None:
    """What has no loss that would prevent it is never hit, and what is known for other sets need not be."""
    assert list(hitting_sets(supports)) == expected


# --- beside a sweep ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("scenario", "model", "faults", "depth"),
    [
        pytest.param(PAY, "replay", ("crash", "lose_reply", "pause"), 1, id="every place of one step"),
        pytest.param(ARTICLE, "replay", "all", 1, id="the article's order, every family"),
        pytest.param(BUGS["step_renamed"].broken, "replay", ("deploy",), 1, id="a deploy to the only other version"),
        pytest.param(PAY_TWICE, "replay", ("crash", "lose_reply", "refuse"), 2, id="no key"),
        pytest.param(GIVE_BACK, "replay", ("refuse", "lose_reply", "crash"), 2, id="a compensation that gives up"),
        pytest.param(TWO_STEPS, "replay", ("crash", "lose_reply"), 2, id="two steps, right"),
        pytest.param(TWO_STEPS, "steps", ("crash", "lose_reply"), 2, id="two steps on a platform"),
        pytest.param(TWO_STEPS, "regular_rerun", ("crash", "lose_reply"), 2, id="two steps, run again"),
        pytest.param(CHARGED_ONCE, "regular_rerun", ("crash", "refuse"), 2, id="a later crash runs a step again"),
        pytest.param(TWO_STEPS, "status_columns", ("refuse", "lose_reply"), 2, id="two steps, status columns"),
        pytest.param(KEYLESS, "replay", ("lose_reply", "refuse", "duplicate"), 2, id="the order without keys"),
        pytest.param(ARTICLE, "replay", ("refuse", "lose_request", "slow"), 2, id="the article's order"),
        pytest.param(TWO_STEPS, "replay", ("refuse", "cancel"), 2, id="two steps, asked to stop"),
        pytest.param(COMPENSATED, "replay", ("refuse", "error_after_effect"), 2, id="what was done is undone"),
        pytest.param(CARELESS, "replay", ("slow", "lose_reply"), 2, id="the next step goes another way"),
        pytest.param(NOTED, "replay", ("refuse",), 3, id="another way leads to a compensation"),
        pytest.param(of_two(PAY_TWICE), "replay", ("lose_reply", "refuse"), 2, id="two executions"),
    ],
)
def test_it_finds_what_a_sweep_finds(scenario: Scenario, model: str, faults: tuple[str, ...], depth: int) -> None:
    """The minimal fault sets are those of the exhaustive sweep, in no more runs, and fewer where there are more steps
    than one and sets of more than one fault."""
    sweep = fault_sweep(scenario, model, faults=faults, depth=depth, executions=None)
    found = lineage_search(scenario, model, faults=faults, faults_max=depth, executions=None)
    assert sets(found.smallest) == sets(sweep.smallest)
    assert found.complete and len(found.smallest) == len(sweep.smallest)
    steps = len(passages_of(found.trial.run(()).trace))
    assert found.runs < len(sweep.cases) if steps > 1 and depth > 1 else found.runs <= len(sweep.cases)


def test_three_faults() -> None:
    """Three refusals of one call leave the charge of a workflow without compensation standing; 20 runs show that."""
    search = lineage_search(PLAIN, faults="refuse", faults_max=3)
    assert [{str(one.place.subject) for one in case.placed} for case in search.smallest] == [
        {"inventory.reserve"},
        {"email.send"},
        {"shipping.schedule"},
        {"orders.complete"},
    ]
    assert (search.runs, search.faults_seen) == (20, 15)


def test_the_order_survives_three_refusals() -> None:
    """A compensation that four refusals bring about is reached and withstands the faults that are left."""
    search = lineage_search(ORDER, faults="refuse", faults_max=5)
    assert search.ok
    assert {len(case.placed) for case in search.cases if "compensated" in case.verdicts} == {4, 5}


# --- what it cannot see -----------------------------------------------------------------------------------------------
def test_what_a_step_returns_is_not_seen() -> None:
    """Two faults in two steps that meet only in what the first step returned are found by the sweep alone."""
    sweep = fault_sweep(UNLUCKY_TWICE, faults="refuse", depth=2)
    search = lineage_search(UNLUCKY_TWICE, faults="refuse", faults_max=2)
    assert len(sweep.smallest) == 1 and not search.smallest
    assert "through their outcome only" in str(search)


def test_which_worker_is_hit_is_not_seen() -> None:
    """A crash after a record of no worker hits whoever is busy: that an earlier crash in another step decides who that
    is remains unseen; what is found is right all the same."""
    search = lineage_search(BUGS["compensation_not_awaited"].broken, faults_max=2)
    earlier = Crash(after="task_started", of="reserve_inventory", execution="o-1")
    later = Crash(after="execution_ended", execution="o-1")
    assert [search.trial.run(faults).ok for faults in ([earlier], [later], [earlier, later])] == [True, True, False]
    assert search.smallest and {earlier, later} not in sets(search.smallest)
    assert not any(search.trial.run(case.faults).ok for case in search.smallest)


# --- the result -------------------------------------------------------------------------------------------------------
def found_in(scenario: Scenario, **options: Any) -> LineageSearch:
    """A search for lost replies and crashes."""
    return lineage_search(scenario, faults=("crash", "lose_reply"), **options)


def test_the_same_search_twice() -> None:
    """The same arguments make the same runs in the same order."""
    one, two = found_in(PAY_TWICE, faults_max=2), found_in(PAY_TWICE, faults_max=2)
    assert one.cases == two.cases and str(one) == str(two) and one.to_json() == two.to_json()


def test_the_guarantee() -> None:
    """Where nothing is left to try, it says how many runs that took, and compares them with nothing that is not
    measured."""
    search = found_in(TWO_STEPS, faults_max=2)
    assert search.ok and search.complete
    assert search.guarantee == (
        f"replay: no set of up to 2 faults can break it, by lineage ({search.runs} runs; "
        f"{search.faults_seen} faults could strike)"
    )


def test_the_bounds() -> None:
    """What the baseline leaves out is named, as a sweep names it, and what lineage takes for granted."""
    scenario = replace(PAY, faults=(Crash(at="1s"),))
    bounds = fault_sweep(scenario, faults="refuse").bounds
    assert "left out" in bounds
    search = lineage_search(scenario, faults="refuse", faults_max=1)
    assert search.bounds == f"{bounds}; takes it that a step depends on the steps before through their outcome only"


def test_as_plain_data() -> None:
    """What a sweep has too stands under the same name; found sets are told in the same words."""
    sweep = fault_sweep(KEYLESS, faults="lose_reply").to_json()
    search = lineage_search(KEYLESS, faults="lose_reply", faults_max=1).to_json()
    assert search.keys() - sweep.keys() == {"complete"} and sweep.keys() - search.keys() == {"coverage"}
    same = sweep.keys() & search.keys() - {"guarantee", "bounds", "crash_points"}
    assert {name: search[name] for name in same} == {name: sweep[name] for name in same}
    assert search["crash_points"] > sweep["crash_points"] and search["violations"] == len(search["smallest"]) == 3


def test_it_stops_at_the_first() -> None:
    """With `first` one fault set is enough, and nothing is claimed about others."""
    search = found_in(PAY_TWICE, first=True)
    assert len(search.smallest) == 1 and not search.complete and not search.ok
    assert search.runs < found_in(PAY_TWICE, faults_max=1).runs


def test_a_limit_of_runs() -> None:
    """A search that may make no more runs makes none, and guarantees nothing."""
    search = found_in(PAY, runs_max=5)
    assert (search.runs, search.complete, search.ok) == (5, False, False)
    assert "sets of faults are left" in search.guarantee


def test_broken_without_any_fault() -> None:
    """Where the calm run goes wrong, the empty set is the smallest, and no other run is made."""
    search = found_in(PAY, invariants=(lambda run: "never good",))
    assert [case.placed for case in search.smallest] == [()] and search.runs == 1


def test_nothing_to_hit() -> None:
    """A search whose faults hit nothing in flight shows nothing."""

    @workflow
    async def nothing_to_do(ctx: WorkflowContext, order: Any) -> None:
        return None

    search = lineage_search(Scenario(nothing_to_do, (ID,), PAYMENTS), faults="lose_reply")
    assert search.vacuous and not search.ok and "shows nothing" in search.guarantee


def test_marks_that_are_never_reached() -> None:
    """A mark that no run reaches is named, and the search does not pass."""

    def seen(run: Any) -> None:
        sometimes("a refund", any(entry.kind == "payments.refund" for entry in run.ledger))

    search = lineage_search(PAY, faults="lose_reply", faults_max=1, invariants=(seen,))
    assert search.never_reached == ("a refund",) and not search.ok and "a refund" in search.guarantee


@pytest.mark.parametrize("wrong", [{"faults_max": 0}, {"runs_max": 0}, {"faults": ()}])
def test_arguments_that_make_no_search(wrong: dict[str, Any]) -> None:
    """Nothing to try, or no run to try it in, is refused."""
    with pytest.raises(UserError, match="expected"):
        lineage_search(PAY, **wrong)


def test_an_unknown_family() -> None:
    """A family that does not exist is refused by name."""
    with pytest.raises(UnknownNameError, match="crsh"):
        lineage_search(PAY, faults="crsh")
