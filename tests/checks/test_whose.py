"""Runs with as many effects as are owed, and not for whom they are owed, or not as much; each with its correct twin."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.checks.owed import debts, without_taken_back

Workflow = Callable[..., Coroutine[Any, Any, Any]]
ADA = {"order_id": "o-1", "customer": "ada", "total": 40}
BOB = {"order_id": "o-2", "customer": "bob", "total": 40}
RETRY = ds.RetryPolicy(initial_interval="1s", maximum_attempts=5)


def do(ctx: ds.WorkflowContext, activity: Workflow, *arguments: Any, **options: Any) -> Any:
    """Run an activity."""
    options = {"start_to_close_timeout": "30s", "retry_policy": RETRY, **options}
    return ctx.execute_activity(activity, *arguments, **options)


def told(run: ds.Run) -> list[tuple[str | None, str, str]]:
    """What is wrong: whose fault, of what kind, with what."""
    return [(one.execution, one.kind, one.subject) for one in run.violations]


# --- one mutable current order in a worker, shared by all -----------------------------------------------------------
async def charge(ctx: ds.ActivityContext, order: Any) -> None:
    await ctx.service("payments").charge(order["customer"], order["total"], idempotency_key=ctx.idempotency_key)


async def send(ctx: ds.ActivityContext, order: Any) -> None:
    await ctx.service("shipping").schedule(order["order_id"], idempotency_key=ctx.idempotency_key)


async def write(ctx: ds.ActivityContext, order: Any) -> None:
    await ctx.service("email").send(order["customer"], "receipt")


def forgetful(act: Workflow) -> Workflow:
    """Planted bug: acts on the order that was looked at last, whoever's it was."""
    seen: dict[str, Any] = {}

    async def look(ctx: ds.ActivityContext, order: Any) -> None:
        seen["order"] = order

    async def act_on_it(ctx: ds.ActivityContext) -> None:
        await act(ctx, seen["order"])

    async def flow(ctx: ds.WorkflowContext, order: Any) -> None:
        await do(ctx, look, order)
        await ctx.sleep("1m")
        await do(ctx, act_on_it)

    return flow


def careful(act: Workflow) -> Workflow:
    """The twin: acts on the order that it was given."""

    async def flow(ctx: ds.WorkflowContext, order: Any) -> None:
        await ctx.sleep("1m")
        await do(ctx, act, order)

    return flow


@pytest.mark.parametrize("model", ["regular", "status_columns", "replay", "steps"])
def test_to_charge_one_customer_twice_and_the_other_never_is_a_loss(model: str) -> None:
    """Two charges for two orders, both for bob: ada's order has lost hers, and has one that is not hers."""
    options: dict[str, Any] = {"inputs": [ADA, BOB], "model": model, "arrivals": ds.Arrivals(every="10s")}
    run = ds.run(forgetful(charge), **options)
    assert [entry.whose for entry in run.ledger] == ["bob", "bob"]
    assert told(run) == [
        ("o-1", "lost_effect", "payments.charge for ada"),
        ("o-1", "orphaned_effect", "payments.charge for bob"),
    ]
    twin = ds.run(careful(charge), **options)
    assert [entry.whose for entry in twin.ledger] == ["ada", "bob"]
    assert twin.ok and twin.verdicts == {"completed": 2}


def test_a_parcel_for_another_order_and_a_mail_to_another_address_are_found_too() -> None:
    """A mail is not left standing for anybody: it is lost, for who was to have it."""
    assert told(ds.run(forgetful(send), inputs=[ADA, BOB])) == [
        ("o-1", "lost_effect", "shipping.schedule for o-1"),
        ("o-1", "orphaned_effect", "shipping.schedule for o-2"),
    ]
    assert told(ds.run(forgetful(write), inputs=[ADA, BOB])) == [("o-1", "lost_effect", "email.send receipt for ada")]
    assert ds.run(careful(send), inputs=[ADA, BOB]).ok and ds.run(careful(write), inputs=[ADA, BOB]).ok


def test_two_orders_whose_amounts_were_exchanged_are_two_wrong_amounts() -> None:
    """The sum of the run is right, and neither order is."""
    dear, cheap = ADA | {"total": 60}, BOB | {"total": 40}
    swapped = {"ada": 40, "bob": 60}

    async def charge_what_it_says(ctx: ds.ActivityContext, order: Any) -> None:
        amount = order["total"] if ctx.info.attempt == 1 else swapped[order["customer"]]
        await ctx.service("payments").charge(order["customer"], amount, idempotency_key=order["order_id"])

    refused = [ds.Script("payments", "charge", 1, "refuse", execution=name) for name in ("o-1", "o-2")]
    run = ds.run(careful(charge_what_it_says), inputs=[dear, cheap], faults=refused)
    assert told(run) == [("o-1", "wrong_amount", "payments.charge"), ("o-2", "wrong_amount", "payments.charge")]
    assert run.verdicts == {"wrong_amount": 2}
    assert ds.run(careful(charge), inputs=[dear, cheap], faults=refused).ok


# --- one execution that acts for several ----------------------------------------------------------------------------
def dispatch(resumes_at_its_place: bool) -> Workflow:
    """Books a parcel for each order, and goes on after a crash where it was; or (planted bug) only counts them."""

    async def book(ctx: ds.ActivityContext, batch: Any) -> None:
        (done,) = ctx.heartbeat_details or (0,)
        orders = batch["orders"][done:] if resumes_at_its_place else batch["orders"][: len(batch["orders"]) - done]
        for order in orders:
            await ctx.service("shipping").schedule(order, idempotency_key=f"{batch['batch_id']}/{done}")
            done += 1
            ctx.heartbeat(done)

    async def dispatch(ctx: ds.WorkflowContext, batch: Any) -> None:
        await do(ctx, book, batch, heartbeat_timeout="15s")

    return dispatch


def test_two_parcels_for_one_and_none_for_another_of_a_batch_are_found() -> None:
    """Three parcels for three orders, as owed: it says who got two and who got none."""
    batch = {"batch_id": "b-1", "orders": ["p-1", "p-2", "p-3"]}
    crash = ds.Crash(after="reply_received", of="shipping.schedule", nth=2)
    run = ds.run(dispatch(False), batch, faults=[crash])
    assert sorted(entry.whose for entry in run.ledger) == ["p-1", "p-2", "p-2"]
    assert told(run) == [
        ("b-1", "duplicate_effect", "shipping.schedule for p-2"),
        ("b-1", "lost_effect", "shipping.schedule for p-3"),
    ]
    twin = ds.run(dispatch(True), batch, faults=[crash])
    assert sorted(entry.whose for entry in twin.ledger) == ["p-1", "p-2", "p-3"] and twin.ok


def test_a_number_that_the_run_makes_up_itself_is_nobodys_name() -> None:
    """A parcel under a random number is as good as another; two of them are two."""

    async def ship(ctx: ds.ActivityContext, order: Any) -> None:
        await ctx.service("shipping").schedule(str(uuid.uuid4()))

    async def flow(ctx: ds.WorkflowContext, order: Any) -> None:
        await do(ctx, ship, order)

    assert ds.run(flow, inputs=[ADA, BOB]).ok
    lost = ds.Script("shipping", "schedule", 1, "lose_reply", execution="o-2")
    assert told(ds.run(flow, inputs=[ADA, BOB], faults=[lost]))[0] == ("o-2", "duplicate_effect", "shipping.schedule")


# --- one order undoes what another one did --------------------------------------------------------------------------
OLD = {"order_id": "o-1", "replaces": None}
NEW = {"order_id": "o-2", "replaces": "o-1"}
HOURLY = ds.Arrivals(every="1h")


def replacing(keys: bool) -> Workflow:
    """Refunds the order that is replaced, and charges for the new one; without keys a retry is another charge."""

    async def refund_old(ctx: ds.ActivityContext, order: Any) -> None:
        if order["replaces"]:
            await ctx.service("payments").refund(reference=order["replaces"])

    async def charge_new(ctx: ds.ActivityContext, order: Any) -> None:
        key = ctx.idempotency_key if keys else None
        await ctx.service("payments").charge("ada", 40, reference=order["order_id"], idempotency_key=key)

    async def replace_order(ctx: ds.WorkflowContext, order: Any) -> None:
        await do(ctx, refund_old, order)
        await do(ctx, charge_new, order)

    return replace_order


@pytest.mark.parametrize("model", ["replay", "steps", "status_columns"])
def test_the_refund_of_another_order_hides_no_double_charge(model: str) -> None:
    """The new order has refunded one charge and made two: two at the same time, although the sum is one."""
    lost = [ds.Script("payments", "charge", 1, "lose_reply", execution="o-2")]
    run = ds.run(replacing(keys=False), inputs=[OLD, NEW], arrivals=HOURLY, faults=lost, model=model)
    assert run.verdicts == {"completed": 1, "duplicate_effect": 1}
    assert told(run)[0] == ("o-2", "duplicate_effect", "payments.charge")
    twin = ds.run(replacing(keys=True), inputs=[OLD, NEW], arrivals=HOURLY, faults=lost, model=model)
    assert twin.ok and twin.verdicts == {"completed": 2}


def test_what_one_order_takes_back_from_another_where_nothing_goes_wrong_is_owed_by_nobody() -> None:
    """To replace an order is to refund it: it has lost nothing."""
    run = ds.run(replacing(keys=True), inputs=[OLD, NEW], arrivals=HOURLY)
    assert [(entry.execution, entry.undoes) for entry in run.ledger] == [("o-1", None), ("o-2", 0), ("o-2", None)]
    assert run.ok and run.verdicts == {"completed": 2}
    owed = debts(run.recording.scenario, run.seed)
    assert [len(debt.effects) for debt in without_taken_back(owed, run.recording)] == [0, 1]
    assert [len(debt.quantities) for debt in without_taken_back(owed, run.recording)] == [0, 1]


def test_debts_stay_as_they_are_where_nobody_takes_anything_from_another() -> None:
    """Then nothing is run once more."""
    run = ds.run(careful(charge), inputs=[ADA, BOB])
    owed = debts(run.recording.scenario, run.seed)
    assert without_taken_back(owed, run.recording) == owed


def undoing(reference: str) -> Workflow:
    """Reserves and charges; if there is no stock it refunds whatever there is under a reference."""

    async def reserve(ctx: ds.ActivityContext, order: Any) -> None:
        await ctx.service("inventory").reserve("book", 1, reference=order["order_id"])

    async def charge_it(ctx: ds.ActivityContext, order: Any) -> None:
        key = ctx.idempotency_key
        await ctx.service("payments").charge("ada", 40, reference=order[reference], idempotency_key=key)

    async def refund_it(ctx: ds.ActivityContext, order: Any) -> None:
        await ctx.service("payments").refund(reference=order[reference])

    async def flow(ctx: ds.WorkflowContext, order: Any) -> None:
        try:
            await do(ctx, reserve, order)
            await do(ctx, charge_it, order)
        except ds.ActivityError:
            await do(ctx, refund_it, order)
            raise

    return flow


def test_an_undo_that_takes_back_what_another_order_has_paid_is_that_orders_loss() -> None:
    """The customer for a reference is one for all her orders (planted bug); the order's id is one for itself."""
    orders = [{"order_id": f"o-{n}", "customer": "ada"} for n in (1, 2)]
    refused = [ds.Script("inventory", "reserve", call, "refuse", execution="o-2") for call in range(1, 6)]
    options: dict[str, Any] = {"inputs": orders, "faults": refused, "arrivals": ds.Arrivals(every="10m")}
    run = ds.run(undoing("customer"), **options)
    assert told(run) == [("o-1", "lost_effect", "payments.charge"), (None, "imbalance", "payments.charge")]
    assert run.verdicts == {"compensated": 1, "lost_effect": 1}
    assert ds.run(undoing("order_id"), **options).verdicts == {"completed": 1, "compensated": 1}
    assert ds.run(undoing("order_id"), **options).ok


def test_a_timeline_of_the_one_that_lost_shows_its_loss() -> None:
    """The undo that another one made is looked at for it, too."""
    pytest.importorskip("matplotlib")
    from durable_sim.views.lanes import lanes_of
    from durable_sim.views.scene import scene

    refused = [ds.Script("inventory", "reserve", call, "refuse", execution="o-2") for call in range(1, 6)]
    orders = [{"order_id": f"o-{n}", "customer": "ada"} for n in (1, 2)]
    run = ds.run(undoing("customer"), inputs=orders, faults=refused, arrivals=ds.Arrivals(every="10m"))
    lanes = {lane.name: lane for lane in lanes_of(run.recording, scene(run.recording, "o-1"))}
    assert lanes["payments"].wrong and lanes["payments"].net.endswith("lost")
    assert not lanes["inventory"].wrong


# --- what nothing can undo ------------------------------------------------------------------------------------------
class Bureau(ds.Service):
    """Sells credit checks, which are billed."""

    effects = (ds.EffectKind("check", "exactly_once", "checks", irrevocable=True),)

    @ds.operation
    def check(self, request: Any, customer: str) -> None:
        request.apply("check", whose=customer)


class StrictBureau(Bureau):
    """The same, where a check is like any other effect."""

    effects = (ds.EffectKind("check", "exactly_once", "checks"),)


async def checks_then_sends(ctx: ds.WorkflowContext, order: Any) -> None:
    async def check(ctx: ds.ActivityContext) -> None:
        await ctx.service("bureau").check(order["customer"])

    await do(ctx, check)
    await do(ctx, send, order, retry_policy=ds.RetryPolicy(maximum_attempts=1))


@pytest.mark.parametrize(("bureau", "verdict"), [(Bureau, "compensated"), (StrictBureau, "orphaned_effect")])
def test_a_check_that_was_billed_may_stand_although_the_order_failed(bureau: type[ds.Service], verdict: str) -> None:
    """If it is declared as irrevocable; the oracles agree."""
    services = {**ds.library.shop(), "bureau": ds.ServiceSpec(bureau)}
    refused = [ds.Script("shipping", "schedule", 1, "refuse")]
    run = ds.run(checks_then_sends, ADA, services=services, faults=refused)
    assert run.verdicts == {verdict: 1} and run.ok == (verdict == "compensated")
    for oracle in ("saga_shape", "conservation", "same_outcome"):
        found = list(ds.checks.oracles.ORACLES[oracle](run.recording))
        assert bool(found) == (verdict != "compensated" and oracle == "saga_shape"), oracle


def test_a_check_that_was_billed_twice_is_a_duplicate_whatever_becomes_of_the_order() -> None:
    """Irrevocable is no licence to do it again; and who completes must have it."""
    services = {**ds.library.shop(), "bureau": ds.ServiceSpec(Bureau)}
    twice = [ds.Script("bureau", "check", 1, "lose_reply")]
    for faults in (twice, [*twice, ds.Script("shipping", "schedule", 1, "refuse")]):
        run = ds.run(checks_then_sends, ADA, services=services, faults=faults)
        assert run.verdicts == {"duplicate_effect": 1}
    assert ds.run(checks_then_sends, ADA, services=services).ok


# --- two ways to do the same ----------------------------------------------------------------------------------------
EITHER = {"wallet.charge": "payments.charge"}


def paying(also: bool = False, twice: bool = False) -> Workflow:
    """Charges the card, or the wallet if the card is refused; planted bugs: both, or the wallet twice."""

    async def card(ctx: ds.ActivityContext, order: Any) -> None:
        await ctx.service("payments").charge(order["customer"], order["total"], reference=order["order_id"])

    async def stop_card(ctx: ds.ActivityContext, order: Any) -> None:
        await ctx.service("payments").refund(reference=order["order_id"])

    async def wallet(ctx: ds.ActivityContext, order: Any) -> None:
        await ctx.service("wallet").charge(order["customer"], order["total"], reference=order["order_id"])

    async def wallet_back(ctx: ds.ActivityContext, order: Any) -> None:
        await ctx.service("wallet").refund(reference=order["order_id"])

    async def pay(ctx: ds.WorkflowContext, order: Any) -> None:
        try:
            await do(ctx, card, order, retry_policy=ds.RetryPolicy(maximum_attempts=1))
        except ds.ActivityError:
            if not also:
                await do(ctx, stop_card, order)
            await do(ctx, wallet, order)
            if twice:
                await do(ctx, wallet, order)
            try:
                await do(ctx, send, order, retry_policy=ds.RetryPolicy(maximum_attempts=1))
            except ds.ActivityError:
                await do(ctx, wallet_back, order)
                raise
        else:
            await do(ctx, send, order)

    return pay


def pay_with(workflow: Workflow, *faults: ds.world.faults.Fault, instead: dict[str, str] = EITHER) -> ds.Run:
    """One order in the shop, which has a wallet."""
    services = {**ds.library.shop(), "wallet": ds.ServiceSpec(ds.world.services.payments.Payments)}
    return ds.run(workflow, ADA, services=services, faults=faults, instead=instead)


REFUSED = ds.Script("payments", "charge", 1, "refuse")
ANSWER_LOST = ds.Script("payments", "charge", 1, "lose_reply")
NO_PARCEL = ds.Script("shipping", "schedule", 1, "refuse")


def test_who_pays_from_the_wallet_instead_has_paid() -> None:
    """If the scenario says that the one counts as the other; otherwise one is lost, and the other left over."""
    assert pay_with(paying()).ok and pay_with(paying(), REFUSED).ok and pay_with(paying(), ANSWER_LOST).ok
    assert pay_with(paying(), REFUSED).verdicts == {"completed": 1}
    assert told(pay_with(paying(), REFUSED, instead={}))[:2] == [
        ("o-1", "lost_effect", "payments.charge"),
        ("o-1", "orphaned_effect", "wallet.charge"),
    ]


def test_both_are_a_double_charge() -> None:
    """From the card, whose answer was lost, and from the wallet; or from the wallet twice."""
    both = pay_with(paying(also=True), ANSWER_LOST)
    assert told(both)[0] == ("o-1", "duplicate_effect", "payments.charge")
    assert both.violations[0].found == "2 at the same time"
    assert told(pay_with(paying(twice=True), REFUSED))[0] == ("o-1", "duplicate_effect", "payments.charge")


def test_what_was_paid_instead_is_given_back_as_itself() -> None:
    """The refund of the wallet undoes a charge, by all checks; the books of both services are their own."""
    run = pay_with(paying(), REFUSED, NO_PARCEL)
    assert [entry.kind for entry in run.ledger] == ["wallet.charge", "wallet.refund"]
    assert run.verdicts == {"compensated": 1} and run.ok
    for oracle in ("saga_shape", "conservation", "same_outcome"):
        assert list(ds.checks.oracles.ORACLES[oracle](run.recording)) == [], oracle


def test_the_amount_is_that_of_what_it_counts_as() -> None:
    """Half of it from the wallet is a wrong amount."""

    async def half(ctx: ds.ActivityContext, order: Any) -> None:
        await ctx.service("wallet").charge(order["customer"], order["total"] / 2)

    async def card(ctx: ds.ActivityContext, order: Any) -> None:
        await ctx.service("payments").charge(order["customer"], order["total"])

    async def pay(ctx: ds.WorkflowContext, order: Any) -> None:
        try:
            await do(ctx, card, order, retry_policy=ds.RetryPolicy(maximum_attempts=1))
        except ds.ActivityError:
            await do(ctx, half, order)

    run = pay_with(pay, REFUSED)
    assert told(run)[0] == ("o-1", "wrong_amount", "payments.charge")
    assert (run.violations[0].found, run.violations[0].expected) == ("2000 cents", "4000 cents")


@pytest.mark.parametrize(
    ("instead", "words"),
    [
        (
            {"wallet.chrge": "payments.charge"},
            "wallet.chrge: unknown kind of effect that undoes nothing 'wallet.chrge': did",
        ),
        (
            {"wallet.charge": "payments.chrge"},
            "wallet.charge: unknown kind of effect that undoes nothing 'payments.chrge': ",
        ),
        (
            {"wallet.refund": "payments.refund"},
            "wallet.refund: unknown kind of effect that undoes nothing 'wallet.refund': ",
        ),
        (
            {"wallet.charge": "shipping.schedule"},
            "wallet.charge: is counted in cents, and shipping.schedule in parcels: ",
        ),
        (
            {"wallet.charge": "payments.charge", "payments.charge": "wallet.charge"},
            "wallet.charge: counts as payments.charge, which counts as wallet.charge itself: expected the last",
        ),
        (
            {"wallet.charge": "wallet.charge"},
            "wallet.charge: counts as wallet.charge, which counts as wallet.charge itself",
        ),
    ],
)
def test_what_cannot_count_as_something_else_is_refused(instead: dict[str, str], words: str) -> None:
    """Unknown kinds, undos, other units, and chains."""
    with pytest.raises(ds.UserError) as refused:
        pay_with(paying(), instead=instead)
    assert str(refused.value).startswith(f"scenario: instead: {words}")
