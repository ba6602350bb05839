"""Bugs of workflows that people talk to: signals that get lost, and requests to stop that come at a bad time."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Iterator
from typing import Any

from durable_sim.checks.violations import Violation
from durable_sim.library.gallery.bug import Bug
from durable_sim.library.orders import UNTIL_DONE, Activity
from durable_sim.library.shop import shop
from durable_sim.simulation.run import Recording
from durable_sim.simulation.scenario import Scenario
from durable_sim.trace import CANCEL_REQUESTED, TASK_SCHEDULED
from durable_sim.workflows.activity_context import ActivityContext
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import activity, workflow
from durable_sim.workflows.failures import ActivityError, ApplicationError, CancelledFailure
from durable_sim.workflows.retry import RetryPolicy
from durable_sim.workflows.saga import Saga
from durable_sim.world.faults import Signal

Order = dict[str, Any]
IN_STOCK_OR_NOT = RetryPolicy(non_retryable_error_types=("OutOfStock",))


def _scenario(order_workflow: Activity, *signals: Signal, stock: int = 9) -> Scenario:
    order = {"order_id": "o-1", "customer": "ada", "total": 40}
    services = shop(inventory={"options": {"stock": {"book": stock, "pen": stock}}})
    return Scenario(order_workflow, (order,), services, stimuli=signals)


def _do(ctx: WorkflowContext, step: Activity, *arguments: Any, retry: RetryPolicy = UNTIL_DONE) -> Any:
    return ctx.execute_activity(step, *arguments, start_to_close_timeout="30s", retry_policy=retry)


@activity
async def charge(ctx: ActivityContext, order: Order) -> None:
    """Charges, once for all attempts."""
    named = {"reference": ctx.workflow_id, "idempotency_key": ctx.idempotency_key}
    await ctx.service("payments").charge(order["customer"], order["total"], **named)


@activity
async def refund(ctx: ActivityContext) -> None:
    """Refunds whatever was charged, now or later."""
    await ctx.service("payments").refund(reference=ctx.workflow_id)


@activity
async def reserve(ctx: ActivityContext, sku: str) -> None:
    """Sets one unit of an item aside, once for all attempts."""
    await ctx.service("inventory").reserve(sku, 1, idempotency_key=ctx.idempotency_key)


@activity
async def send_mail(ctx: ActivityContext, order: Order) -> None:
    """Writes to the customer."""
    await ctx.service("email").send(order["customer"], "order-confirmation")


@activity
async def ship(ctx: ActivityContext, order: Order) -> None:
    """Books the parcel, once for all attempts."""
    named = {"reference": ctx.workflow_id, "idempotency_key": ctx.idempotency_key}
    await ctx.service("shipping").schedule(order["order_id"], **named)


@activity
async def void(ctx: ActivityContext) -> None:
    """Voids whatever was booked, now or later."""
    await ctx.service("shipping").void(reference=ctx.workflow_id)


# --- signals ----------------------------------------------------------------------------------------------------
def cart(carry: bool) -> Activity:
    """Reserves what is put into a cart; each item is a run of its own, so that no history grows long."""

    @workflow(name="shopping_cart")
    async def shopping_cart(ctx: WorkflowContext, cart: Order) -> None:
        inbox: list[str] = list(cart.get("inbox", []))
        ctx.set_signal_handler("add", inbox.append)
        await ctx.wait_condition(lambda: bool(inbox))
        sku = inbox.pop(0)
        if sku != "checkout":
            await _do(ctx, reserve, sku)
            ctx.continue_as_new({**cart, "inbox": inbox if carry else []})

    return shopping_cart


def _add(sku: str, at: str) -> Signal:
    return Signal(name="add", arguments=(sku,), at=at)


SHOPPING = (_add("book", "5s"), _add("pen", "20s"), _add("checkout", "10m"))
LOST_ACROSS_CONTINUE_AS_NEW = Bug(
    name="signal_lost_across_continue_as_new",
    mistake="What was signalled while a step took long is in a variable of the run, and the next run begins without.",
    remedy="Hand what is not yet dealt with to the next run, or deal with all of it first.",
    shows_as="lost_effect",
    broken=_scenario(cart(carry=False), *SHOPPING),
    fixed=_scenario(cart(carry=True), *SHOPPING),
    source="temporalio/sdk-dotnet #427",
)


def approved_order(handler_charges: bool) -> Activity:
    """Charges when somebody approves within the hour; the handler does, or it leaves that to the main function."""

    @workflow(name="approved_order")
    async def approved_order(ctx: WorkflowContext, order: Order) -> None:
        approved: list[str] = []

        async def approve(by: str) -> None:
            if handler_charges:
                await _do(ctx, charge, order)
            approved.append(by)

        ctx.set_signal_handler("approve", approve)
        try:
            await ctx.wait_condition(lambda: bool(approved), timeout="1h")
        except TimeoutError:
            raise ApplicationError("nobody has approved the order", "Expired") from None
        if not handler_charges:
            await _do(ctx, charge, order)

    return approved_order


_APPROVAL = Signal(name="approve", arguments=("bob",), at="59m50s")
RACES_TIMEOUT = Bug(
    name="signal_races_timeout",
    mistake="An approval comes shortly before the time-out: its handler charges, and meanwhile the order expires.",
    remedy="Let handlers only note what they are told; one place decides between approval and time-out, and acts.",
    shows_as="orphaned_effect",
    broken=_scenario(approved_order(handler_charges=True), _APPROVAL),
    fixed=_scenario(approved_order(handler_charges=False), _APPROVAL),
)


def order_with_extras(wait: bool) -> Activity:
    """Reserves extras as they are asked for, until the customer checks out."""

    @workflow(name="order_with_extras")
    async def order_with_extras(ctx: WorkflowContext, order: Order) -> None:
        closed: list[str] = []

        async def add(sku: str) -> None:
            await _do(ctx, reserve, sku)

        ctx.set_signal_handler("add", add)
        ctx.set_signal_handler("check_out", closed.append)
        await ctx.wait_condition(lambda: bool(closed))
        if wait:
            await ctx.wait_condition(ctx.all_handlers_finished)

    return order_with_extras


_EXTRAS = (_add("book", "5s"), Signal(name="check_out", arguments=("ada",), at="10s"))
HANDLER_CUT_OFF = Bug(
    name="signal_handler_cut_off",
    mistake="The workflow returns while the handler of a signal is still at work, and takes it along.",
    remedy="Wait for `ctx.all_handlers_finished` before the end.",
    shows_as="lost_effect",
    broken=_scenario(order_with_extras(wait=False), *_EXTRAS),
    fixed=_scenario(order_with_extras(wait=True), *_EXTRAS),
    source="temporalio/sdk-python PR #556",
)


# --- requests to stop -------------------------------------------------------------------------------------------
def cancellable(register_first: bool) -> Activity:
    """Charges and writes a mail; undoes the charge when it is told to stop."""

    @workflow(name="buy")
    async def buy(ctx: WorkflowContext, order: Order) -> None:
        saga = Saga(ctx)

        def register() -> None:
            saga.add_compensation("refund", lambda: _do(ctx, refund))

        try:
            if register_first:
                register()
            await _do(ctx, charge, order)
            if not register_first:
                register()
            await _do(ctx, send_mail, order)
        except (ActivityError, CancelledError):
            await saga.compensate()
            raise

    return buy


CANCELLED_BEFORE_REGISTRATION = Bug(
    name="cancellation_between_action_and_registration",
    mistake="An undo is registered after its action; a request to stop comes between the two, and nothing is undone.",
    remedy="Register the undo first, and let it work by reference, whether the action has happened or not.",
    shows_as="orphaned_effect",
    broken=_scenario(cancellable(register_first=False)),
    fixed=_scenario(cancellable(register_first=True)),
    faults=("cancel",),
    source="skill-temporal-developer PR #43",
)


def mail_may_fail(let_through: bool) -> Activity:
    """Ships even if the mail cannot be sent."""

    @workflow(name="buy")
    async def buy(ctx: WorkflowContext, order: Order) -> None:
        try:
            await _do(ctx, send_mail, order)
        except ActivityError as error:
            if let_through and isinstance(error.cause, CancelledFailure):
                raise
        saga = Saga(ctx)
        saga.add_compensation("void", lambda: _do(ctx, void))
        try:
            await _do(ctx, ship, order)
        except (ActivityError, CancelledError):
            await saga.compensate()
            raise

    return buy


def went_on(recording: Recording) -> Iterator[Violation]:
    """A completed execution that began a step after it had been told to stop."""
    completed = [one.id for one in recording.executions if one.status == "completed"]
    told: list[str | None] = []
    for record in recording.trace:
        if record.kind == CANCEL_REQUESTED:
            told.append(record.execution)
        elif record.kind == TASK_SCHEDULED and record.execution in told and record.execution in completed:
            step, when_us = str(record.subject), record.time_us
            yield Violation(
                "cancellation_ignored", record.execution, step, "begun after the request", "an end", when_us
            )


SWALLOWED = Bug(
    name="catch_all_swallows_cancellation",
    mistake="The order goes on if its mail fails for whatever reason; one such reason is the request to stop.",
    remedy="Catch what you mean, and let through a failure whose cause is a cancellation.",
    shows_as="cancellation_ignored",
    broken=_scenario(mail_may_fail(let_through=False)),
    fixed=_scenario(mail_may_fail(let_through=True)),
    faults=("cancel",),
    oracles=(went_on,),
    source="temporalio/sdk-python #620",
)


def in_time(shielded: bool) -> Activity:
    """Charges and reserves within a time limit; the book is out of stock, and the charge is undone."""

    @workflow(name="buy")
    async def buy(ctx: WorkflowContext, order: Order) -> None:
        saga = Saga(ctx)
        saga.add_compensation("refund", lambda: _do(ctx, refund))
        try:
            async with ctx.timeout("20s"):
                try:
                    await _do(ctx, charge, order)
                    await _do(ctx, reserve, "book", retry=IN_STOCK_OR_NOT)
                except ActivityError:
                    await (saga.compensate() if shielded else _do(ctx, refund))
                    raise
        except (ActivityError, TimeoutError) as error:
            raise ApplicationError("the order is not done", "NotDone") from error

    return buy


NOT_SHIELDED = Bug(
    name="cleanup_not_shielded",
    mistake="The undo runs under the time limit of what it undoes, and is itself cancelled when the time is over.",
    remedy="Shield the undo from cancellation and wait for it, as a saga does, or undo outside of the time limit.",
    shows_as="orphaned_effect",
    broken=_scenario(in_time(shielded=False), stock=0),
    fixed=_scenario(in_time(shielded=True), stock=0),
    source="temporalio/sdk-java #305",
)

BUGS: tuple[Bug, ...] = (
    LOST_ACROSS_CONTINUE_AS_NEW,
    RACES_TIMEOUT,
    HANDLER_CUT_OFF,
    CANCELLED_BEFORE_REGISTRATION,
    SWALLOWED,
    NOT_SHIELDED,
)
