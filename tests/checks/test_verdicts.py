"""Verdicts: each has a planted bug that gives it, and a correct twin on which there is nothing to say."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, NamedTuple

import pytest

import durable_sim as ds
from durable_sim.checks.violations import BAD, VERDICTS
from durable_sim.library.orders import correct_order
from durable_sim.world.database import Database
from durable_sim.world.ledger import Effect
from durable_sim.world.request import Request

ONCE = ds.RetryPolicy(maximum_attempts=1)
Workflow = Callable[..., Coroutine[Any, Any, Any]]


# --- activities of a small shop -------------------------------------------------------------------------------------
async def charge(ctx: ds.ActivityContext, amount: int = 40) -> Any:
    return await ctx.service("payments").charge("ada", amount, reference=ctx.workflow_id)


async def charge_with_key(ctx: ds.ActivityContext) -> Any:
    return await ctx.service("payments").charge("ada", 40, idempotency_key=ctx.idempotency_key)


async def refund(ctx: ds.ActivityContext, charge_id: str) -> Any:
    return await ctx.service("payments").refund(charge_id)


async def reserve(ctx: ds.ActivityContext) -> Any:
    return await ctx.service("inventory").reserve("book", 1, reference=ctx.workflow_id)


async def release(ctx: ds.ActivityContext) -> Any:
    return await ctx.service("inventory").release(reference=ctx.workflow_id)


async def ship(ctx: ds.ActivityContext) -> Any:
    return await ctx.service("shipping").schedule(ctx.workflow_id)


async def void(ctx: ds.ActivityContext, label: str) -> Any:
    return await ctx.service("shipping").void(label)


async def confirm(ctx: ds.ActivityContext) -> Any:
    return await ctx.service("email").send("ada", "order-confirmation")


def do(ctx: ds.WorkflowContext, activity: Workflow, *arguments: Any, retry: ds.RetryPolicy = ONCE) -> Any:
    """Run an activity; by default its first failure is its last."""
    return ctx.execute_activity(activity, *arguments, start_to_close_timeout="30s", retry_policy=retry)


def again(*, attempts: int) -> ds.RetryPolicy:
    """A policy that tries so often."""
    return ds.RetryPolicy(maximum_attempts=attempts)


def run(workflow: Workflow, *faults: ds.world.faults.Fault, **options: Any) -> ds.Run:
    """One execution of a workflow in the shop."""
    return ds.run(workflow, {"order_id": "o-1"}, faults=faults, **options)


def kinds(run: ds.Run) -> set[str]:
    """The kinds of violation that a run has."""
    return {violation.kind for violation in run.violations}


def no_parcel(fault: str = "refuse") -> ds.Script:
    """Shipping says no to the first request."""
    return ds.Script("shipping", "schedule", 1, fault)  # type: ignore[arg-type]


# --- workflows, each planted bug with its twin ----------------------------------------------------------------------
async def charges_without_key(ctx: ds.WorkflowContext, order: Any) -> None:
    await do(ctx, charge, retry=again(attempts=3))


async def charges_with_key(ctx: ds.WorkflowContext, order: Any) -> None:
    await do(ctx, charge_with_key, retry=again(attempts=3))


async def undoes_first_in_first_out(ctx: ds.WorkflowContext, order: Any) -> None:
    charged = await do(ctx, charge)
    await do(ctx, reserve)
    try:
        await do(ctx, ship)
    except ds.ActivityError:
        await do(ctx, refund, charged["id"])
        await do(ctx, release)
        raise


async def undoes_last_in_first_out(ctx: ds.WorkflowContext, order: Any) -> None:
    charged = await do(ctx, charge)
    await do(ctx, reserve)
    try:
        await do(ctx, ship)
    except ds.ActivityError:
        await do(ctx, release)
        await do(ctx, refund, charged["id"])
        raise


async def swallows_a_failure(ctx: ds.WorkflowContext, order: Any) -> str:
    await do(ctx, charge)
    try:
        await do(ctx, ship)
    except ds.ActivityError:
        pass
    return "fulfilled"


async def tries_a_failure_again(ctx: ds.WorkflowContext, order: Any) -> str:
    await do(ctx, charge)
    try:
        await do(ctx, ship)
    except ds.ActivityError:
        await do(ctx, ship)
    return "fulfilled"


async def forgets_to_refund(ctx: ds.WorkflowContext, order: Any) -> None:
    await do(ctx, charge)
    await do(ctx, reserve)
    try:
        await do(ctx, ship)
    except ds.ActivityError:
        await do(ctx, release)
        raise


async def charges_more_after_trouble(ctx: ds.WorkflowContext, order: Any) -> None:
    try:
        await do(ctx, charge, 40)
    except ds.ActivityError:
        await do(ctx, charge, 50)


async def charges_the_same_after_trouble(ctx: ds.WorkflowContext, order: Any) -> None:
    try:
        await do(ctx, charge, 40)
    except ds.ActivityError:
        await do(ctx, charge, 40)


async def only_charges(ctx: ds.WorkflowContext, order: Any) -> None:
    await do(ctx, charge)


async def sleeps_too_long(ctx: ds.WorkflowContext, order: Any) -> None:
    await ctx.sleep("31d")


async def sleeps_long(ctx: ds.WorkflowContext, order: Any) -> None:
    await ctx.sleep("29d")


class Plant(NamedTuple):
    """A planted bug, what brings it out, and its twin under the very same fault."""

    bug: Workflow
    twin: Workflow
    twin_verdict: str
    faults: tuple[Any, ...] = ()
    model: str = "replay"
    twin_model: str = "replay"


LOST_CHARGE_REPLY = ds.Script("payments", "charge", 1, "lose_reply")
PLANTS = {
    "duplicate_effect": Plant(charges_without_key, charges_with_key, "completed", (LOST_CHARGE_REPLY,)),
    "compensation_order": Plant(undoes_first_in_first_out, undoes_last_in_first_out, "compensated", (no_parcel(),)),
    "lost_effect": Plant(swallows_a_failure, tries_a_failure_again, "completed", (no_parcel(),)),
    "orphaned_effect": Plant(forgets_to_refund, undoes_last_in_first_out, "compensated", (no_parcel(),)),
    "wrong_amount": Plant(
        charges_more_after_trouble,
        charges_the_same_after_trouble,
        "completed",
        (ds.Script("payments", "charge", 1, "refuse"),),
    ),
    "stuck": Plant(only_charges, only_charges, "completed", (ds.Crash(after="execution_started"),), "regular"),
    "inconclusive": Plant(sleeps_too_long, sleeps_long, "completed"),
}


def test_every_bad_verdict_has_its_planted_bug() -> None:
    """The plants below cover the whole list of bad verdicts."""
    assert set(PLANTS) == set(BAD)
    assert {plant.twin_verdict for plant in PLANTS.values()} == set(VERDICTS) - set(BAD)


@pytest.mark.parametrize("verdict", PLANTS)
def test_a_planted_bug_gets_its_verdict(verdict: str) -> None:
    """The execution gets exactly the verdict of its bug, and no violation but this and the books'."""
    plant = PLANTS[verdict]
    found = run(plant.bug, *plant.faults, model=plant.model)
    assert found.verdicts == {verdict: 1}
    assert kinds(found) - {"imbalance"} == {verdict}
    assert not found.ok


@pytest.mark.parametrize("verdict", PLANTS)
def test_the_correct_twin_is_silent(verdict: str) -> None:
    """Under the same faults the twin of a planted bug has a good verdict and no violation."""
    plant = PLANTS[verdict]
    found = run(plant.twin, *plant.faults, model=plant.twin_model)
    assert found.verdicts == {plant.twin_verdict: 1}
    assert found.violations == () and found.ok
    assert found.faults["planned"] == found.faults["fired"] == len(plant.faults)


def test_a_violation_says_which_order_what_was_found_what_was_expected_and_when() -> None:
    """A double charge names the order, both counts, and the instant of the second charge."""
    found = ds.run(charges_without_key, inputs=[{"order_id": "o-1"}, {"order_id": "o-2"}], faults=[LOST_CHARGE_REPLY])
    first, second = [entry for entry in found.ledger if entry.execution == "o-1"]
    violation = found.violations[0]
    assert (violation.kind, violation.execution, violation.subject) == ("duplicate_effect", "o-1", "payments.charge")
    assert (violation.found, violation.expected, violation.time_us) == ("2 at the same time", "1", second.time_us)
    assert first.time_us < second.time_us
    assert found.execution("o-2").verdict == "completed"


# --- which verdict counts -------------------------------------------------------------------------------------------
async def doubles_and_undoes_in_the_wrong_order(ctx: ds.WorkflowContext, order: Any) -> None:
    first = await do(ctx, charge, retry=again(attempts=2))
    await do(ctx, reserve)
    try:
        await do(ctx, ship)
    except ds.ActivityError:
        await do(ctx, refund, first["id"])
        await do(ctx, release)
        raise


async def undoes_in_the_wrong_order_and_says_fulfilled(ctx: ds.WorkflowContext, order: Any) -> None:
    try:
        await undoes_first_in_first_out(ctx, order)
    except ds.ActivityError:
        pass


async def swallows_a_failure_and_does_something_else(ctx: ds.WorkflowContext, order: Any) -> None:
    try:
        await do(ctx, ship)
    except ds.ActivityError:
        await do(ctx, charge)


RANKED = {
    "duplicate_effect before compensation_order and orphaned_effect": (
        doubles_and_undoes_in_the_wrong_order,
        (LOST_CHARGE_REPLY, no_parcel()),
        "replay",
        ["duplicate_effect", "compensation_order", "orphaned_effect"],
    ),
    "compensation_order before lost_effect": (
        undoes_in_the_wrong_order_and_says_fulfilled,
        (no_parcel(),),
        "replay",
        ["compensation_order", "lost_effect"],
    ),
    "lost_effect before orphaned_effect": (
        swallows_a_failure_and_does_something_else,
        (no_parcel(),),
        "replay",
        ["lost_effect", "orphaned_effect"],
    ),
    "orphaned_effect before stuck": (
        charges_without_key,
        (ds.Crash(after="reply_received", of="payments.charge"),),
        "regular",
        ["orphaned_effect", "stuck"],
    ),
}


@pytest.mark.parametrize("case", RANKED)
def test_where_several_verdicts_apply_the_first_counts(case: str) -> None:
    """Each violation is there, and the verdict is the one that comes first in the order of the issue."""
    workflow, faults, model, expected = RANKED[case]
    found = run(workflow, *faults, model=model)
    assert [kind for kind in BAD if kind in kinds(found)] == expected
    assert found.verdicts == {expected[0]: 1}


def test_a_duplicate_counts_even_in_an_execution_that_is_still_open() -> None:
    """What is known to be wrong goes before what is not known yet: duplicate_effect before inconclusive."""

    async def doubles_then_sleeps(ctx: ds.WorkflowContext, order: Any) -> None:
        await charges_without_key(ctx, order)
        await ctx.sleep("31d")

    found = run(doubles_then_sleeps, LOST_CHARGE_REPLY)
    assert kinds(found) == {"duplicate_effect", "inconclusive"}
    assert found.verdicts == {"duplicate_effect": 1}


@pytest.mark.parametrize(
    ("workflow", "faults", "model", "status", "verdict"),
    [
        (swallows_a_failure, (no_parcel(),), "replay", "completed", "lost_effect"),
        (forgets_to_refund, (no_parcel(),), "replay", "failed", "orphaned_effect"),
        (undoes_last_in_first_out, (no_parcel(),), "replay", "failed", "compensated"),
        (only_charges, (ds.Crash(after="execution_started"),), "regular", "open", "stuck"),
    ],
)
def test_the_engines_own_status_is_kept_beside_the_verdict(
    workflow: Workflow, faults: tuple[Any, ...], model: str, status: str, verdict: str
) -> None:
    """What the engine says of an execution and what the world says are two things."""
    one = run(workflow, *faults, model=model).execution("o-1")
    assert (one.execution.status, one.verdict) == (status, verdict)


# --- effects at a time ----------------------------------------------------------------------------------------------
async def refunds_then_charges_again(ctx: ds.WorkflowContext, order: Any) -> None:
    charged = await do(ctx, charge)
    try:
        await do(ctx, ship)
    except ds.ActivityError:
        await do(ctx, refund, charged["id"])
        await do(ctx, charge)
        await do(ctx, ship)


async def charges_again_then_refunds(ctx: ds.WorkflowContext, order: Any) -> None:
    charged = await do(ctx, charge)
    try:
        await do(ctx, ship)
    except ds.ActivityError:
        await do(ctx, charge)
        await do(ctx, refund, charged["id"])
        await do(ctx, ship)


def test_an_effect_undone_and_then_done_again_is_no_duplicate() -> None:
    """Two charges with a refund between them are one charge at any time."""
    found = run(refunds_then_charges_again, no_parcel())
    assert [entry.kind for entry in found.ledger].count("payments.charge") == 2
    assert found.verdicts == {"completed": 1} and found.ok


def test_an_effect_done_again_before_it_is_undone_is_a_duplicate() -> None:
    """The same three effects in another order: for a while the customer has paid twice."""
    found = run(charges_again_then_refunds, no_parcel())
    assert found.verdicts == {"duplicate_effect": 1}
    assert kinds(found) == {"duplicate_effect"}


def test_what_the_workflow_owes_twice_may_be_done_twice() -> None:
    """Two parcels that belong to the order are no duplicate; a third is."""

    async def two_parcels(ctx: ds.WorkflowContext, order: Any) -> None:
        await do(ctx, ship, retry=again(attempts=2))
        await do(ctx, ship, retry=again(attempts=2))

    assert run(two_parcels).ok
    found = run(two_parcels, no_parcel("lose_reply"))
    assert found.verdicts == {"duplicate_effect": 1}
    assert found.violations[0].found == "3 at the same time" and found.violations[0].expected == "2"


def test_steps_that_ran_in_parallel_have_no_compensation_order() -> None:
    """Effects of one gather may be undone in any order; the same undo order after sequential steps is a violation."""

    def undoing(parallel: bool, refund_first: bool) -> Workflow:
        async def parallel_or_not(ctx: ds.WorkflowContext, order: Any) -> None:
            if parallel:
                charged, _ = await ctx.gather(do(ctx, charge), do(ctx, reserve))
            else:
                charged = await do(ctx, charge)
                await do(ctx, reserve)
            try:
                await do(ctx, ship)
            except ds.ActivityError:
                undos = [(refund, charged["id"]), (release,)]
                for activity, *arguments in undos if refund_first else reversed(undos):
                    await do(ctx, activity, *arguments)
                raise

        return parallel_or_not

    verdicts = {
        (parallel, refund_first): next(iter(run(undoing(parallel, refund_first), no_parcel()).verdicts))
        for parallel in (True, False)
        for refund_first in (True, False)
    }
    assert verdicts == {
        (True, True): "compensated",
        (True, False): "compensated",
        (False, True): "compensation_order",
        (False, False): "compensated",
    }


def test_parallel_steps_that_took_effect_one_after_the_other_have_no_order_either() -> None:
    """What counts is that the second request left before the first effect, not which effect came first."""

    async def reserves_beside_the_charge(ctx: ds.WorkflowContext, order: Any) -> None:
        _, charged = await ctx.gather(do(ctx, reserve), do(ctx, charge))
        try:
            await do(ctx, ship)
        except ds.ActivityError:
            await do(ctx, release)
            await do(ctx, refund, charged["id"])
            raise

    found = run(reserves_beside_the_charge, no_parcel())
    assert [entry.kind for entry in found.ledger] == [
        "inventory.reserve",
        "payments.charge",
        "inventory.release",
        "payments.refund",
    ]
    assert found.verdicts == {"compensated": 1} and found.ok


def test_an_effect_undone_before_another_is_made_has_no_order_with_it() -> None:
    """Only what stands at the same time has to be undone last in, first out."""

    async def undoes_as_it_goes(ctx: ds.WorkflowContext, order: Any) -> None:
        charged = await do(ctx, charge)
        try:
            await do(ctx, ship)
        except ds.ActivityError:
            await do(ctx, refund, charged["id"])
            await do(ctx, reserve)
            await do(ctx, release)
            raise

    found = run(undoes_as_it_goes, no_parcel())
    assert len(found.ledger) == 4
    assert found.verdicts == {"compensated": 1} and found.ok


def test_compensations_that_overlap_in_time_are_judged_by_when_they_took_effect() -> None:
    """Undoing everything at once lets the slow undo of the later step come last, which is out of order."""
    slow = ds.library.shop(
        payments={"latency": ds.Constant("10ms")},
        inventory={"latency": ds.Constant("10ms"), "operations": {"release": ds.OperationSpec(ds.Constant("5s"))}},
    )

    async def undoes_all_at_once(ctx: ds.WorkflowContext, order: Any) -> None:
        charged = await do(ctx, charge)
        await do(ctx, reserve)
        try:
            await do(ctx, ship)
        except ds.ActivityError:
            await ctx.gather(do(ctx, release), do(ctx, refund, charged["id"]))
            raise

    assert run(undoes_all_at_once, no_parcel(), services=slow).verdicts == {"compensation_order": 1}
    assert run(undoes_last_in_first_out, no_parcel(), services=slow).ok


# --- mails ----------------------------------------------------------------------------------------------------------
async def mails(ctx: ds.WorkflowContext, order: Any) -> None:
    await do(ctx, confirm, retry=again(attempts=3))


LOST_MAIL_REPLY = ds.Script("email", "send", 1, "lose_reply")


def test_a_mail_sent_twice_is_counted_and_is_no_violation() -> None:
    """A mail is owed at least once: the repeat is shown, and the execution is completed."""
    found = run(mails, LOST_MAIL_REPLY)
    assert found.repeats == 1
    assert found.verdicts == {"completed": 1} and found.ok


def test_a_mail_sent_twice_is_a_duplicate_where_the_scenario_asks_for_exactly_once() -> None:
    """`owed` makes the same run a duplicate_effect, and leaves the calm run as it was."""
    owed = {"email.send": "exactly_once"}
    assert run(mails, LOST_MAIL_REPLY, owed=owed).verdicts == {"duplicate_effect": 1}
    assert run(mails, owed=owed).ok


def test_a_mail_never_sent_is_lost() -> None:
    """At least once is still a debt: who swallows the failure of the mail has lost it."""

    async def swallows(ctx: ds.WorkflowContext, order: Any) -> None:
        try:
            await do(ctx, confirm)
        except ds.ActivityError:
            pass

    assert run(swallows, ds.Script("email", "send", 1, "refuse")).verdicts == {"lost_effect": 1}
    assert run(swallows, LOST_MAIL_REPLY).verdicts == {"completed": 1}  # it did go out


def test_a_mail_of_a_failed_order_is_no_orphan() -> None:
    """Nobody can take a mail back, so one that stands after a failure is not held against the workflow."""

    async def mails_then_fails(ctx: ds.WorkflowContext, order: Any) -> None:
        await do(ctx, confirm)
        await do(ctx, ship)

    found = run(mails_then_fails, no_parcel())
    assert [entry.kind for entry in found.ledger] == ["email.send"]
    assert found.verdicts == {"compensated": 1} and found.ok


def test_the_cancellation_mail_is_best_effort() -> None:
    """Whether it is never sent or sent twice, the compensated order stays compensated and nothing is violated."""
    fails = [ds.Script("shipping", "schedule", call, "error") for call in range(1, 5)]
    never = [ds.Script("email", "send_cancellation", call, "refuse") for call in range(1, 4)]
    twice = [ds.Script("email", "send_cancellation", 1, "lose_reply")]
    for faults, mails_sent in ((never, 0), (twice, 2), ([], 1)):
        found = run(correct_order(), *fails, *faults)
        assert [entry.kind for entry in found.ledger].count("email.send_cancellation") == mails_sent
        assert found.verdicts == {"compensated": 1} and found.ok


def test_a_best_effort_mail_that_belongs_to_the_order_may_be_missing() -> None:
    """What the calm run sends as best effort is no debt when it fails."""

    async def says_sorry(ctx: ds.ActivityContext) -> Any:
        return await ctx.service("email").send_cancellation("ada")

    async def says_sorry_if_it_can(ctx: ds.WorkflowContext, order: Any) -> None:
        try:
            await do(ctx, says_sorry)
        except ds.ActivityError:
            pass

    found = run(says_sorry_if_it_can, ds.Script("email", "send_cancellation", 1, "refuse"))
    assert found.ledger == ()
    assert found.verdicts == {"completed": 1} and found.ok


# --- services with bugs of their own --------------------------------------------------------------------------------
class Till(ds.Service):
    """Takes coins and gives them back; correct."""

    effects: ClassVar[tuple[ds.EffectKind, ...]] = (
        ds.EffectKind("take", "exactly_once", "coins"),
        ds.EffectKind("give_back", "exactly_once", "coins", undoes="take"),
    )

    def __init__(self, name: str, database: Database | None = None) -> None:
        super().__init__(name, database)
        self.taken: list[Effect] = []
        self.coins = 0

    @ds.operation
    def take(self, request: Request, coins: int) -> None:
        self.taken.append(request.apply("take", quantity=coins))
        self.coins += coins

    @ds.operation
    def give_back(self, request: Request) -> None:
        while self.taken:
            self.undo(request, self.taken.pop())

    def undo(self, request: Request, effect: Effect) -> None:
        request.undo(effect, "give_back")
        self.coins -= effect.entry.quantity

    def balance(self) -> dict[str, dict[str, int]]:
        return {"take": {"": self.coins}}


class TillWithoutGuard(Till):
    """Planted bug: gives back what it has given back before."""

    @ds.operation
    def give_back(self, request: Request) -> None:
        for effect in self.taken:
            self.undo(request, effect)


class TillThatPockets(Till):
    """Planted bug: takes coins that no ledger knows of."""

    @ds.operation
    def take(self, request: Request, coins: int) -> None:
        self.coins += coins


class TillThatForgets(Till):
    """Planted bug: enters what it takes in the ledger, and not in its own books."""

    @ds.operation
    def take(self, request: Request, coins: int) -> None:
        self.taken.append(request.apply("take", quantity=coins))


class TillWithoutPages(TillThatForgets):
    """Planted bug: its books do not even name what it takes."""

    def balance(self) -> dict[str, dict[str, int]]:
        return {"take": {}}


async def take(ctx: ds.ActivityContext, coins: int = 5) -> None:
    await ctx.service("till").take(coins)


async def give_back(ctx: ds.ActivityContext) -> None:
    await ctx.service("till").give_back()


def tills(kind: type[Till]) -> dict[str, ds.ServiceSpec]:
    """The shop with a till of this kind."""
    return {**ds.library.shop(), "till": ds.ServiceSpec(kind, latency=ds.Constant("10ms"))}


async def takes(ctx: ds.WorkflowContext, order: Any) -> None:
    await do(ctx, take)


async def takes_and_gives_back(ctx: ds.WorkflowContext, order: Any) -> None:
    await do(ctx, take)
    try:
        await do(ctx, ship)
    except ds.ActivityError:
        await do(ctx, give_back, retry=again(attempts=3))
        raise


def test_an_undo_done_twice_is_a_duplicate_effect() -> None:
    """A refund without a guard, whose first answer is lost, gives the money back twice."""
    faults = (no_parcel(), ds.Script("till", "give_back", 1, "lose_reply"))
    found = run(takes_and_gives_back, *faults, services=tills(TillWithoutGuard))
    assert found.verdicts == {"duplicate_effect": 1}
    assert found.violations[0].found == "undone twice"
    twin = run(takes_and_gives_back, *faults, services=tills(Till))
    assert twin.verdicts == {"compensated": 1} and twin.ok


@pytest.mark.parametrize(
    ("kind", "found", "expected"),
    [
        (TillThatPockets, "5 in the service's books", "0 as in the ledger"),
        (TillWithoutPages, "0 in the service's books", "5 as in the ledger"),
        (TillThatForgets, "0 in the service's books", "5 as in the ledger"),
    ],
)
def test_books_that_differ_from_the_ledger_are_an_imbalance(kind: type[Till], found: str, expected: str) -> None:
    """Coins taken without an entry, and coins entered without being booked, are both caught, and nothing else is."""
    (violation,) = run(takes, services=tills(kind)).violations
    assert (violation.kind, violation.execution, violation.subject) == ("imbalance", None, "till.take")
    assert (violation.found, violation.expected) == (found, expected)
    assert run(takes, services=tills(Till)).ok


def test_an_amount_that_nobody_owes_is_told_of_the_order_and_of_the_run() -> None:
    """A wrong amount under a fault is one charge, as owed, but not the money that is owed."""
    found = run(charges_more_after_trouble, ds.Script("payments", "charge", 1, "refuse"))
    assert [(one.kind, one.execution, one.subject, one.found, one.expected) for one in found.violations] == [
        ("wrong_amount", "o-1", "payments.charge", "5000 cents", "4000 cents"),
        ("imbalance", None, "payments.charge", "5000 cents", "4000 cents for what is completed"),
    ]


def test_stock_left_behind_shows_in_the_balance_too() -> None:
    """An orphaned reservation is a violation of its order and of the run's balance."""

    async def forgets_to_release(ctx: ds.WorkflowContext, order: Any) -> None:
        await do(ctx, reserve)
        await do(ctx, ship)

    found = run(forgets_to_release, no_parcel())
    assert [(one.kind, one.execution, one.subject) for one in found.violations] == [
        ("orphaned_effect", "o-1", "inventory.reserve book"),
        ("imbalance", None, "inventory.reserve"),
    ]


# --- the horizon ----------------------------------------------------------------------------------------------------
def test_requests_under_way_at_the_horizon_are_inconclusive() -> None:
    """A charge that may still land leaves a failed execution undecided; a later horizon sees it land, an orphan."""
    late = ds.library.shop(payments={"faults": ds.Mixture(late_effect=1.0, late_by=ds.Constant("1h"))})
    before = run(only_charges, services=late, horizon="30m")
    assert before.execution("o-1").execution.status == "failed"
    assert before.verdicts == {"inconclusive": 1} and before.ledger == ()
    assert run(only_charges, services=late, horizon="2h").verdicts == {"orphaned_effect": 1}


def test_an_execution_that_has_not_arrived_by_the_horizon_is_inconclusive() -> None:
    """Nothing is said of an order that did not come in."""
    found = ds.run(
        only_charges,
        inputs=[{"order_id": "o-1"}, {"order_id": "o-2"}],
        arrivals=ds.Arrivals(every="1h"),
        horizon="30m",
    )
    assert {one.execution.id: one.verdict for one in found.executions} == {"o-1": "completed", "o-2": "inconclusive"}


def test_an_attempt_waiting_for_its_retry_at_the_horizon_is_inconclusive() -> None:
    """An open execution that the engine will move again is not stuck; the reason is given."""

    async def hopeless(ctx: ds.WorkflowContext, order: Any) -> None:
        await do(ctx, ship, retry=ds.RetryPolicy())

    down = ds.library.shop(shipping={"faults": ds.Mixture(refuse=1.0)})
    found = run(hopeless, services=down, horizon="1h")
    assert found.verdicts == {"inconclusive": 1}
    assert "activity ship" in found.violations[0].found
