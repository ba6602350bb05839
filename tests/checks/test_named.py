"""For whom effects are: a name counts where an input speaks of it, and is told where there are several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.checks.ledgers import EffectKey, entries_by_execution, key_of, name_of, namer
from durable_sim.checks.named import Names
from durable_sim.simulation.scenario import Scenario
from tests.checks.ledgers import CHARGE, MAIL, RESERVE, did, execution, ledger, nothing, recording, undid

ORDER = {"order_id": "o-1", "customer": "ada", "number": 7, "gift": True, "to": [{"bob": 1.5}, "cy day"], "note": None}


def names(*inputs: Any, **options: Any) -> Names:
    """The names of which inputs speak."""
    return Names(Scenario(nothing, inputs or (ORDER,), {}, **options))


@pytest.mark.parametrize("name", ["", "o-1", "ada", "7", "bob", "cy day", "customer"])
def test_values_and_keys_of_an_input_are_known(name: str) -> None:
    """However deep they are; whole numbers as they are written; what is for nobody needs no input."""
    assert name in names()


@pytest.mark.parametrize("name", ["ada@example.com", "o-1/2", "order o-1", "x_ada_y", "cy day 2", "(ada)"])
def test_a_text_of_an_input_may_be_a_part_of_a_name(name: str) -> None:
    """Between the edges of words."""
    assert name in names()


@pytest.mark.parametrize("name", ["adam", "o-11", "o 1", "cy", "True", "None", "1.5", "eve", "parcel 7", "customer 9"])
def test_a_name_of_which_no_input_speaks_is_not_known(name: str) -> None:
    """Half words, numbers and keys within a name, truth values, and whatever a run makes up."""
    assert name not in names()


def test_every_input_and_what_people_say_count() -> None:
    """The inputs of all executions, dataclasses too, and the arguments of signals."""

    @dataclass
    class Order:
        order_id: str
        customer: str

    said = ds.Signal(at="1h", name="address", arguments=("4 Elm Street", ["gate"]), target="nothing-2")
    known = names({"order_id": "o-1"}, Order("o-2", "bob"), stimuli=(said, ds.Cancel(at="2h", target="nothing-1")))
    assert all(name in known for name in ("o-1", "bob", "4 Elm Street", "gate", "customer"))
    assert "ada" not in known and "address" not in known


def test_who_is_not_known_is_nobody_in_particular() -> None:
    """All else stays as it is."""
    ada, minted = ledger(did(CHARGE, 3, whose="ada", quantity=4), did(CHARGE, 5, whose="c-81f2", subject="tip"))
    assert names().kept([ada, minted]) == [ada, minted._replace(whose="")]


# --- in words -------------------------------------------------------------------------------------------------------
def test_an_effect_in_words() -> None:
    """Its kind, its subject and for whom it is, as far as there is one."""
    assert name_of(CHARGE, "") == CHARGE
    assert name_of(RESERVE, "book") == "stock.reserve book"
    assert name_of(MAIL, "bye", "ada") == "mail.send bye for ada"
    assert name_of(CHARGE, "", "ada") == "pay.charge for ada"


def test_for_whom_it_is_is_told_where_there_are_others_of_its_kind_and_subject() -> None:
    """Others of another kind or subject are no reason, and neither is the same one once more."""
    ada, bob = EffectKey(CHARGE, "", "ada"), EffectKey(CHARGE, "", "bob")
    assert namer([ada, bob, ada])(ada) == "pay.charge for ada"
    assert namer([ada, bob])(EffectKey(CHARGE, "")) == CHARGE
    assert namer([ada, EffectKey(CHARGE, "")])(ada) == "pay.charge for ada"
    for other in (ada, EffectKey(CHARGE, "tip", "bob"), EffectKey(MAIL, "", "bob")):
        assert namer([ada, other])(ada) == CHARGE


# --- by execution ---------------------------------------------------------------------------------------------------
def test_the_ledger_by_execution_has_names_that_count_only() -> None:
    """And first the executions of the scenario, also those that did nothing."""
    ours = recording(did(CHARGE, whose="o-1"), did(CHARGE, whose="x", execution="child"), executions=(execution(),))
    found = entries_by_execution(ours)
    assert list(found) == ["o-1", "child"]
    assert [key_of(entry).whose for entries in found.values() for entry in entries] == ["o-1", ""]


def test_an_undo_of_what_another_one_did_is_in_the_ledgers_of_both() -> None:
    """In order; an undo of one's own, or of nothing, is there once."""
    entries = (
        did(CHARGE),
        undid(0, CHARGE, execution="o-2"),
        did(CHARGE, execution="o-2"),
        undid(2, CHARGE, execution="o-2"),
        undid(None, CHARGE, execution="o-2"),
        did(CHARGE),
    )
    found = entries_by_execution(recording(*entries, executions=(execution("o-1"), execution("o-2"))))
    assert {name: [entry.index for entry in own] for name, own in found.items()} == {
        "o-1": [0, 1, 5],
        "o-2": [1, 2, 3, 4],
    }
