"""Saga shape: T1..Tn, or T1..Tj and then Cj..C1, in ledgers by hand and in the runs of a broken and a correct saga."""

from __future__ import annotations

from typing import Any

import pytest

import durable_sim as ds
from durable_sim.checks.saga_shape import SHAPE, saga_shape
from durable_sim.library.orders import correct_order
from durable_sim.models.executions import Status
from durable_sim.world.ledger import Entry
from tests.checks.ledgers import CHARGE, MAIL, RESERVE, SHIP, did, execution, recording, told, undid

T1, T2 = did(CHARGE, 10), did(RESERVE, 20, subject="book")
C1, C2 = undid(0, CHARGE, 50), undid(1, RESERVE, 40, subject="book")


def shape(*entries: Entry, status: Status = "failed", **changes: Any) -> list[object]:
    """What is wrong with the shape of one execution."""
    return told("saga_shape", saga_shape(recording(*entries, executions=(execution("o-1", status),), **changes)))


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ((), "failed"),
        ((), "completed"),
        ((T1, T2), "completed"),
        ((T1, T2, C2, C1), "failed"),
        ((T1, T2, C2, C1), "completed"),
        ((T1, undid(0, CHARGE, 20)), "failed"),
        ((T1, T2), "open"),
        ((T1, T2, C2), "open"),
    ],
)
def test_a_word_of_the_language_is_silent(word: tuple[Entry, ...], status: Status) -> None:
    """Whole, or undone, whatever the engine calls it; and one that is still open may be anywhere in between."""
    assert shape(*word, status=status) == []


def test_the_order_of_compensations_is_not_asked_here() -> None:
    """First in, first out has the right letters."""
    assert shape(T1, T2, C1, C2) == []


def test_a_chain_of_compensations_that_breaks_off_is_found() -> None:
    """One violation names all that stands, what was undone last, and how the execution ended."""
    parcel = did(SHIP, 30)
    assert shape(T1, T2, parcel, C2) == [
        ("o-1", SHIP, "failed, pay.charge, ship.send left standing after stock.release book", SHAPE, None)
    ]
    assert SHAPE == "T1..Tn, or T1..Tj and then Cj..C1"
    assert shape(T1, T1, T2, C1, status="completed") == [
        ("o-1", "stock.reserve book", "completed, pay.charge, stock.reserve book left standing after pay.refund",
         SHAPE, None)
    ]  # fmt: skip


def test_a_failure_without_any_compensation_is_a_broken_chain_too() -> None:
    """Equal effects are counted; a completed execution without compensations is whole."""
    assert shape(T1, T1, T2) == [
        ("o-1", "stock.reserve book", "failed, pay.charge x 2, stock.reserve book left standing and no compensation "
         "was made", SHAPE, None)
    ]  # fmt: skip


def test_nothing_is_said_of_a_chain_while_requests_are_under_way() -> None:
    """The missing compensation may be among them; those of others do not matter."""
    assert shape(T1, T2, C2, requests_under_way={"o-1": 1}) == []
    assert len(shape(T1, T2, C2, requests_under_way={"o-1": 0, "o-2": 1})) == 1


@pytest.mark.parametrize(("sent", "found"), [(39, False), (40, False), (41, True)])
def test_an_effect_is_forward_again_if_it_was_sent_after_a_compensation_took_place(sent: int, found: bool) -> None:
    """One whose request was under way by then ran in parallel."""
    late = did(SHIP, 60, sent=sent)
    again = [("o-1", SHIP, "done after stock.release book", SHAPE, 60)]
    assert shape(T1, T2, C2, C1, late, status="open") == (again if found else [])


def test_every_effect_after_the_first_compensation_is_found() -> None:
    """What is compensated again later has still left the shape; found also in an execution that is still open."""
    again = did(CHARGE, 70), did(SHIP, 80)
    assert [one[1] for one in shape(T1, C1, *again, status="open")] == [CHARGE, SHIP]  # type: ignore[index]
    assert [one[1] for one in shape(T1, C1, again[0], undid(2, CHARGE, 90))] == [CHARGE]  # type: ignore[index]


def test_compensations_of_nothing_and_of_what_is_undone_already_are_found() -> None:
    """With their time; they undo nothing, and leave nothing standing."""
    nothing = undid(None, CHARGE, 30)
    assert shape(nothing) == [("o-1", "pay.refund", "a compensation of nothing that ever stood", SHAPE, 30)]
    assert shape(T1, C1, undid(0, CHARGE, 60)) == [
        ("o-1", "pay.refund", "a compensation of what was undone before", SHAPE, 60)
    ]


def test_two_effects_that_are_undone_once_each_are_fine() -> None:
    """Undone is the effect, not its kind."""
    assert shape(T1, T1, C1, undid(1, CHARGE, 60)) == []


def test_mails_have_no_part_in_it() -> None:
    """One that stands after a failure, one after a compensation, and recalls."""
    assert shape(T1, did(MAIL, 20), C1, did(MAIL, 90), undid(1, MAIL, 95), undid(1, MAIL, 99)) == []


def test_executions_are_judged_apart() -> None:
    """The compensations of one are none of the other's."""
    found = saga_shape(
        recording(
            T1,
            C1,
            did(CHARGE, 60, execution="o-2"),
            executions=(execution("o-1", "failed"), execution("o-2")),
        )
    )
    assert list(found) == []


# --- whole runs -----------------------------------------------------------------------------------------------------
async def charge(ctx: ds.ActivityContext) -> Any:
    """Money."""
    return await ctx.service("payments").charge("ada", 40, reference=ctx.workflow_id)


async def refund(ctx: ds.ActivityContext) -> None:
    """Money back."""
    await ctx.service("payments").refund(reference=ctx.workflow_id)


async def reserve(ctx: ds.ActivityContext, sku: str) -> Any:
    """Stock."""
    return await ctx.service("inventory").reserve(sku, 1, reference=f"{ctx.workflow_id}/{sku}")


async def release(ctx: ds.ActivityContext, sku: str) -> None:
    """Stock back."""
    await ctx.service("inventory").release(reference=f"{ctx.workflow_id}/{sku}")


ONCE = ds.RetryPolicy(maximum_attempts=1)


def do(ctx: ds.WorkflowContext, *what: Any) -> Any:
    """Run an activity once."""
    return ctx.execute_activity(*what, start_to_close_timeout="30s", retry_policy=ONCE)


def saga(wait: bool) -> Any:
    """Two branches in parallel; one compensates at once (planted bug) or when the other is done (correct)."""

    async def two_branches(ctx: ds.WorkflowContext, order: Any) -> None:
        async def slow_branch() -> None:
            await ctx.sleep("5s")
            await do(ctx, reserve, "book")

        branch = ctx.gather(slow_branch(), return_exceptions=True)
        await do(ctx, charge)
        try:
            await do(ctx, reserve, "lamp")
        except ds.ActivityError:
            if wait:
                await branch
                await do(ctx, release, "book")
            await do(ctx, refund)
            if not wait:
                await branch
                await do(ctx, release, "book")
            raise

    return two_branches


@pytest.mark.parametrize("wait", [False, True])
def test_a_branch_that_goes_on_while_the_saga_is_compensated_is_found(wait: bool) -> None:
    """Everything is undone in the end, and every verdict is good: only the shape shows that work was begun too late."""
    services = ds.library.shop(inventory={"options": {"stock": {"lamp": 0}, "default_stock": 5}})
    run = ds.run(saga(wait), {"order_id": "o-1"}, services=services)
    assert run.verdicts == {"compensated": 1}
    found = [(one.kind, one.subject, one.found) for one in saga_shape(run.recording)]
    late = ("saga_shape", "inventory.reserve book", "done after payments.refund")
    assert found == ([] if wait else [late])


def test_a_correct_order_has_the_shape_of_a_saga_completed_and_compensated() -> None:
    """The parcel cannot be sent, and all is undone."""
    for faults in ([], [ds.Script("shipping", "schedule", call, "error") for call in range(1, 5)]):
        assert list(saga_shape(ds.run(correct_order(), {"order_id": "o-1"}, faults=faults).recording)) == []
