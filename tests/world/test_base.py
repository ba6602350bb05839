"""What a service of one's own must be: each mistake is one clear line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

import durable_sim as ds
from durable_sim.errors import UserError
from durable_sim.library.shop import shop
from durable_sim.world.ledger import EffectKind
from durable_sim.world.services.accounts import Accounts
from durable_sim.world.services.acquirer import Acquirer
from durable_sim.world.services.base import Service, ServiceSpec, books_of
from durable_sim.world.services.compute import Compute
from durable_sim.world.services.storage import Storage
from durable_sim.world.services.subscriptions import Subscriptions
from tests.world.conftest import Bench


class Till(Service):
    """Takes coins; its books say whatever is wanted."""

    effects: ClassVar[tuple[EffectKind, ...]] = (
        EffectKind("take", "exactly_once", "coins"),
        EffectKind("give_back", "exactly_once", "coins", undoes="take"),
    )
    books: ClassVar[Any] = {}

    @ds.operation
    def take(self, request: Any, coins: int, owner: Any = "") -> None:
        """Take coins."""
        request.apply("take", quantity=coins, whose=owner)

    def balance(self) -> Any:
        return self.books


def till(**attributes: Any) -> type[Till]:
    """A till with other class attributes."""
    return type("OwnTill", (Till,), attributes)


@pytest.mark.parametrize("share", [0, 0.0, 0.5, 1, 1.0])
def test_a_share_of_the_latency_is_from_nothing_to_all_of_it(share: float) -> None:
    """Both ends belong to it."""
    assert ServiceSpec(till(processing_share=share)).service.processing_share == share


@pytest.mark.parametrize("share", [5, -0.1, 1.000001, "0.5", None, True])
def test_a_share_that_is_none_is_refused(share: Any) -> None:
    """It would make answers that arrive before their requests."""
    with pytest.raises(UserError) as refused:
        ServiceSpec(till(processing_share=share))
    assert str(refused.value) == f"service OwnTill: processing_share is {share!r}, expected from 0 to 1"


def test_a_constructor_that_leaves_out_that_of_the_base_is_refused() -> None:
    """Before anything runs; one that calls it is right."""

    class Hasty(Till):
        def __init__(self, name: str, database: Any = None) -> None:
            self.coins = 0

    class Polite(Till):
        def __init__(self, name: str, database: Any = None) -> None:
            super().__init__(name, database)
            self.coins = 0

    with pytest.raises(UserError) as refused:
        ServiceSpec(Hasty).create("till", None)
    assert str(refused.value) == (
        "service Hasty: its __init__ is done and there is no name, expected that it begins with "
        "super().__init__(name, database)"
    )
    assert ServiceSpec(Polite).create("till", None).name == "till"


# --- books ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("books", [{}, {"take": {}}, {"take": {"": 3, "tip": -1}}])
def test_books_are_told_by_the_full_names_of_the_kinds(books: Mapping[str, Mapping[str, int]]) -> None:
    """With the amounts as they are."""
    assert books_of(till(books=books)("desk")) == {f"desk.{kind}": amounts for kind, amounts in books.items()}


@pytest.mark.parametrize(
    ("books", "words"),
    [
        (None, "gave None, expected amounts by subject by kind, as {"),
        (7, "gave 7, expected amounts by subject by kind"),
        ({"take": 7}, "gave {'take': 7}, expected amounts by subject by kind"),
        ([("take", {})], "gave [('take', {})], expected amounts by subject by kind"),
        ({"take": {"": 1.5}}, "gave 1.5 of take '', expected a whole number by a text"),
        ({"take": {"": "1"}}, "gave '1' of take '', expected a whole number by a text"),
        ({"take": {7: 1}}, "gave 1 of take 7, expected a whole number by a text"),
    ],
)
def test_books_of_another_shape_are_refused(books: Any, words: str) -> None:
    """The message shows what was given, and how it is to look."""
    with pytest.raises(UserError) as refused:
        books_of(till(books=books)("desk"))
    assert str(refused.value).startswith(f"service desk: balance() {words}")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", ["taken", "desk.take", "give_back"])
def test_books_of_what_the_service_does_not_make_are_refused(kind: str) -> None:
    """Nobody would look at them. An undo is no effect of its own: it is taken off what it undoes."""
    with pytest.raises(UserError) as refused:
        books_of(till(books={kind: {"": 1}})("desk"))
    assert str(refused.value).startswith(f"unknown kind of effect in service desk: balance() {kind!r}: ")
    assert "take" in str(refused.value)


def test_a_run_with_books_of_another_shape_ends_with_that_line() -> None:
    """It is the user's mistake, and not the simulator's."""

    async def nothing(ctx: ds.WorkflowContext, order: Any) -> None:
        pass

    with pytest.raises(UserError, match=r"service till: balance\(\) gave 7, expected"):
        ds.run(nothing, {"order_id": "o-1"}, services={"till": ServiceSpec(till(books=7))})


# --- effects --------------------------------------------------------------------------------------------------------
def test_what_is_irrevocable_is_undone_by_no_effect() -> None:
    """Of the two declarations one is wrong; without either it is right."""
    wire = EffectKind("wire", "exactly_once", "cents", irrevocable=True)
    recall = EffectKind("recall", "exactly_once", "cents", undoes="wire")
    with pytest.raises(UserError) as refused:
        ServiceSpec(till(effects=(wire, recall)))
    assert str(refused.value) == "effect OwnTill.recall undoes wire, which is irrevocable: expected either"
    ServiceSpec(till(effects=(wire,)))
    ServiceSpec(till(effects=(EffectKind("wire", "exactly_once", "cents"), recall)))


def test_for_whom_an_effect_is_is_entered_as_a_text(bench: Any) -> None:
    """Whatever names a customer; nothing for an effect that is for nobody in particular."""
    b: Bench = bench({"till": ServiceSpec(Till)})
    for owner, whose in (("ada", "ada"), (7, "7"), ("", "")):
        asked = b.ask("till.take", 3, owner)
        (entry,) = asked.effects
        assert (entry.whose, entry.quantity, entry.subject) == (whose, 3, "")
        (applied,) = [record for record in asked.records if record.kind == "effect_applied"]
        assert (applied.data or {}).get("whose") == (whose or None)


# --- the services of the shop ---------------------------------------------------------------------------------------
CALLS = [
    ("payments.charge", ("ann", 40), {}, "ann"),
    ("shipping.schedule", ("o-1",), {}, "o-1"),
    ("email.send", ("ann", "hello"), {}, "ann"),
    ("email.send_cancellation", ("ann",), {}, "ann"),
    ("orders.complete", ("o-1",), {}, "o-1"),
    ("inventory.reserve", ("book", 1), {}, ""),
    ("acquirer.authorise", ("ann", 40), {"reference": "r"}, "ann"),
    ("acquirer.charge", ("ann", 40), {"reference": "r"}, "ann"),
    ("acquirer.payout", ("bookshop", 40), {"reference": "r"}, "bookshop"),
    ("accounts.open", ("ann",), {}, "ann"),
    ("accounts.provision", ("ann", "desk"), {}, "ann"),
    ("subscriptions.start_trial", ("ann",), {}, "ann"),
    ("subscriptions.end_trial", ("ann",), {}, "ann"),
    ("compute.train", ("job-1", 3), {}, "job-1"),
    ("storage.put", ("report", 3), {}, ""),
]


@pytest.mark.parametrize(("subject", "arguments", "options", "whose"), CALLS, ids=[call[0] for call in CALLS])
def test_every_effect_says_for_whom_it_is(
    bench: Any, subject: str, arguments: tuple[Any, ...], options: dict[str, Any], whose: str
) -> None:
    """As far as the request says it: who pays, where it goes, whose account it is."""
    b: Bench = bench({**shop(), **_others()})
    (entry,) = b.ask(subject, *arguments, **options).effects
    assert entry.whose == whose


@pytest.mark.parametrize(
    ("does", "undoes"),
    [
        (("payments.charge", ("ann", 40)), ("payments.refund", {"reference": "r"})),
        (("shipping.schedule", ("o-1",)), ("shipping.void", {"reference": "r"})),
        (("email.send", ("ann", "hello")), ("email.send_cancellation", {"to": "bob", "reference": "r"})),
        (("acquirer.payout", ("bookshop", 40)), ("acquirer.recall", {"reference": "r"})),
        (("accounts.open", ("ann",)), ("accounts.close", {"reference": "r"})),
    ],
)
def test_an_undo_is_for_whom_the_effect_was(
    bench: Any, does: tuple[str, tuple[Any, ...]], undoes: tuple[str, dict[str, Any]]
) -> None:
    """Also where the request that undoes names nobody, or somebody else."""
    b: Bench = bench({**shop(), **_others()})
    (done,) = b.ask(does[0], *does[1], reference="r").effects
    (undone,) = b.ask(undoes[0], **undoes[1]).effects
    assert undone.undoes == done.index and undone.whose == done.whose != ""


def _others() -> dict[str, ServiceSpec]:
    return {kind.__name__.lower(): ServiceSpec(kind) for kind in (Accounts, Acquirer, Compute, Storage, Subscriptions)}
