"""The network: how a call travels, how it fails, and what the caller can and cannot know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_sim import trace as kinds
from durable_sim.durations import duration_us
from durable_sim.errors import DurationError, UnknownNameError, UserError
from durable_sim.randomness import Constant, LogNormal
from durable_sim.trace import Record
from durable_sim.workflows.failures import CallTimeout, ServerError, ServiceUnavailable
from durable_sim.world.faults import CALL_FAULTS, CALM, CallFault, Mixture, Script
from durable_sim.world.services.base import OperationSpec, ServiceSpec
from durable_sim.world.services.email import Email
from durable_sim.world.services.inventory import Inventory
from durable_sim.world.services.payments import Payments
from durable_sim.world.services.shipping import Shipping

Bench = Any  # the class that the fixture gives
MS = 1_000
SECOND = 1_000_000
PLAIN = Mixture(late_by=Constant("5s"), duplicate_after=Constant("2s"), slow_factor=20)
"""Nothing goes wrong unless scripted."""


def shop(**options: Any) -> dict[str, ServiceSpec]:
    """Four services that take 100 ms and are given up after 10 s."""
    options = {"latency": Constant("100ms"), "client_timeout": "10s", "faults": PLAIN, **options}
    return {
        "payments": ServiceSpec(Payments, **options),
        "inventory": ServiceSpec(Inventory, **options),
        "email": ServiceSpec(Email, **options),
        "shipping": ServiceSpec(Shipping, **options),
    }


CALLS: dict[str, tuple[Any, ...]] = {
    "payments.charge": ("ann", 40),
    "inventory.reserve": ("book", 2),
    "email.send": ("ann", "hello"),
    "shipping.schedule": ("o-1",),
}
AMBIGUOUS: tuple[CallFault, ...] = ("lose_request", "lose_reply", "late_effect")


def faulty(bench: Bench, subject: str, fault: CallFault | None, **options: Any) -> Any:
    """A bench after one call with the given fate, when all that follows from it has happened."""
    b = bench(shop(), scripts=bench.script(subject, fault))
    b.asked = b.send(subject, *CALLS[subject], **options)
    b.run()
    return b


# --- a call that goes well ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("subject", CALLS)
def test_a_call_has_five_instants_in_this_order(bench: Bench, subject: str) -> None:
    """Sent, received, applied, replied, heard: a request leg, processing, the effect, and a reply leg."""
    b = faulty(bench, subject, None)
    assert b.asked.kinds == [
        kinds.REQUEST_SENT,
        kinds.REQUEST_RECEIVED,
        kinds.EFFECT_APPLIED,
        kinds.REPLY_SENT,
        kinds.REPLY_RECEIVED,
    ]
    times = [record.time_us for record in b.asked.records]
    assert times == sorted(times)
    assert 0 == times[0] < times[1] <= times[2] == times[3] < times[4] == 100 * MS
    assert b.asked.at_us == 100 * MS


def test_the_parts_of_a_call_take_their_share_of_its_latency(bench: Bench) -> None:
    """Payments spend 60 % of a call between arrival and effect; the two legs share the rest."""
    b = faulty(bench, "payments.charge", None)
    assert [record.time_us // MS for record in b.asked.records] == [0, 20, 80, 80, 100]


def test_the_records_of_a_call_say_whose_it_is(bench: Bench, caller: Callable[..., Any]) -> None:
    """Execution, worker, operation, step, attempt and the number of the call over the run."""
    b = bench(shop())
    b.ask("email.send", "ann", "hello")
    asked = b.ask("payments.charge", "ann", 40, execution="o-7", caller=caller("w2"))
    for record in asked.records:
        assert record[3:9] == ("o-7", "w2", "payments.charge", 2, 1, 2)
    (effect,) = [record for record in asked.records if record.kind == kinds.EFFECT_APPLIED]
    assert effect.data == {
        "effect": 1,
        "kind": "payments.charge",
        "subject": "",
        "quantity": 4_000,
        "whose": "ann",
    }


def test_an_effect_is_entered_with_its_time_and_sender(bench: Bench) -> None:
    """The ledger knows what the service cannot: for which execution and step it was, and when it was asked for."""
    b = bench(shop())
    b.run(for_us=SECOND)
    (entry,) = b.ask("payments.charge", "ann", 40, execution="o-7").effects
    assert entry.to_json() == {
        "index": 0,
        "time_us": SECOND + 80 * MS,
        "kind": "payments.charge",
        "execution": "o-7",
        "step": 1,
        "subject": "",
        "quantity": 4_000,
        "reference": "ch_1",
        "undoes": None,
        "call": 1,
        "sent_us": SECOND,
        "whose": "ann",
    }


def test_calls_travel_side_by_side(bench: Bench) -> None:
    """Each is a process of its own: ten at once take as long as one."""
    b = bench(shop())
    asked = [b.send("email.send", "ann", "hello") for _ in range(10)]
    b.run()
    assert {one.at_us for one in asked} == {100 * MS}


# --- what the caller cannot know ------------------------------------------------------------------------------------
@pytest.mark.parametrize("subject", CALLS)
def test_lost_request_lost_reply_and_late_effect_are_one_error(bench: Bench, subject: str) -> None:
    """Same class, same text, same time for the caller, although the world differs."""
    told = {faulty(bench, subject, fault).asked.told for fault in AMBIGUOUS}
    text = f"{subject}: no answer within 10s; it may or may not have happened"
    assert told == {(10 * SECOND, "CallTimeout", text)}


@pytest.mark.parametrize("subject", CALLS)
@pytest.mark.parametrize(("fault", "effects"), [("lose_request", 0), ("lose_reply", 1), ("late_effect", 1)])
def test_what_became_of_a_call_without_answer(bench: Bench, subject: str, fault: CallFault, effects: int) -> None:
    """A lost request does nothing; a lost reply and a late effect have done it, or will."""
    b = faulty(bench, subject, fault)
    assert len(b.ledger) == effects


def test_the_instants_of_a_lost_request(bench: Bench) -> None:
    """Sent, then given up; it never arrived."""
    asked = faulty(bench, "payments.charge", "lose_request").asked
    assert asked.kinds == [kinds.REQUEST_SENT, kinds.CALL_GIVEN_UP]


def test_the_instants_of_a_lost_reply(bench: Bench) -> None:
    """Everything up to the reply, which is not heard."""
    asked = faulty(bench, "payments.charge", "lose_reply").asked
    assert asked.kinds == [
        kinds.REQUEST_SENT,
        kinds.REQUEST_RECEIVED,
        kinds.EFFECT_APPLIED,
        kinds.REPLY_SENT,
        kinds.CALL_GIVEN_UP,
    ]


@pytest.mark.parametrize("subject", CALLS)
def test_a_late_effect_lands_after_the_caller_gave_up(bench: Bench, subject: str) -> None:
    """Given up first, then received and applied, `late_by` after the time-out."""
    asked = faulty(bench, subject, "late_effect").asked
    assert asked.kinds == [
        kinds.REQUEST_SENT,
        kinds.CALL_GIVEN_UP,
        kinds.REQUEST_RECEIVED,
        kinds.EFFECT_APPLIED,
        kinds.REPLY_SENT,
    ]
    (effect,) = asked.effects
    assert 15 * SECOND < effect.time_us <= 15 * SECOND + 60 * MS + 1


@pytest.mark.parametrize("late_by", ["0s", "1us"])
def test_an_effect_that_is_hardly_late_is_late_all_the_same(bench: Bench, late_by: str) -> None:
    """Even with no lateness at all it lands after the caller's time-out, never in the same instant."""
    spec = ServiceSpec(
        Email, latency=Constant("100ms"), client_timeout="1s", faults=Mixture(late_effect=1, late_by=Constant(late_by))
    )
    b = bench({"email": spec})
    asked = b.ask("email.send", "ann", "hello")
    assert not b.ledger
    b.run()
    assert asked.at_us < b.ledger[0].time_us


def test_a_slow_answer_after_the_time_out_is_not_heard(bench: Bench) -> None:
    """The caller hears of a call once; the effect has happened by then or happens later."""
    b = bench(shop(latency=Constant("15s")))
    asked = b.send("payments.charge", "ann", 40)
    b.run()
    assert asked.told[:2] == (10 * SECOND, "CallTimeout")
    assert [entry.time_us for entry in asked.effects] == [12 * SECOND]
    assert asked.kinds[-2:] == [kinds.EFFECT_APPLIED, kinds.REPLY_SENT]


@pytest.mark.parametrize("subject", CALLS)
def test_a_500_before_and_after_the_effect_is_one_error(bench: Bench, subject: str) -> None:
    """Same class, text and time; only the ledger tells them apart."""
    before, after = faulty(bench, subject, "error"), faulty(bench, subject, "error_after_effect")
    assert before.asked.told == after.asked.told
    assert isinstance(before.asked.error, ServerError)
    assert (len(before.ledger), len(after.ledger)) == (0, 1)


@pytest.mark.parametrize("subject", CALLS)
def test_a_refusal_is_definite(bench: Bench, subject: str) -> None:
    """503: nothing was done, and the error says so."""
    b = faulty(bench, subject, "refuse")
    assert isinstance(b.asked.error, ServiceUnavailable)
    assert "nothing was done" in str(b.asked.error)
    assert b.ledger == ()
    assert b.asked.at_us < 10 * SECOND


def test_a_refusal_is_not_saved_under_the_key(bench: Bench) -> None:
    """It comes before the endpoint begins to run, so the same key may try again."""
    b = bench(shop(), scripts=bench.script("payments.charge", "refuse"))
    assert b.ask("payments.charge", "ann", 40, idempotency_key="k").error is not None
    assert b.ask("payments.charge", "ann", 40, idempotency_key="k").value["id"] == "ch_1"


def test_slow_multiplies_the_whole_latency(bench: Bench) -> None:
    """Both legs and the processing; the answer is right, and late."""
    b = faulty(bench, "payments.charge", "slow")
    assert [record.time_us // MS for record in b.asked.records] == [0, 400, 1_600, 1_600, 2_000]
    assert b.asked.value["id"] == "ch_1"


@pytest.mark.parametrize("subject", CALLS)
def test_a_duplicate_delivery_acts_twice(bench: Bench, subject: str) -> None:
    """The service gets the request again `duplicate_after` later; the caller gets one answer, that of the first."""
    b = faulty(bench, subject, "duplicate")
    assert b.asked.at_us == 100 * MS
    first, second = b.asked.effects
    assert second.time_us - first.time_us == 2 * SECOND + 1
    assert b.asked.kinds.count(kinds.REQUEST_RECEIVED) == 2


@pytest.mark.parametrize("subject", ["payments.charge", "inventory.reserve", "shipping.schedule"])
def test_a_duplicate_delivery_with_a_key_acts_once(bench: Bench, subject: str) -> None:
    """A key makes the second delivery a replay."""
    b = faulty(bench, subject, "duplicate", idempotency_key="k")
    assert len(b.asked.effects) == 1
    assert b.asked.kinds.count(kinds.REQUEST_RECEIVED) == 2


def test_a_duplicate_right_behind_the_first_acts_once_with_a_key(bench: Bench) -> None:
    """Also while the first is still being processed."""
    faults = Mixture(duplicate=1, duplicate_after=Constant("1ms"))
    b = bench(shop(faults=faults))
    asked = b.send("payments.charge", "ann", 40, idempotency_key="k")
    b.run()
    assert asked.value["id"] == "ch_1"
    assert len(b.ledger) == 1


def test_a_request_lands_although_its_caller_has_died(bench: Bench) -> None:
    """What was sent is on its way; the dead caller hears nothing, and its records end with the reply that is sent."""
    b = bench(shop())
    asked = b.send("payments.charge", "ann", 40)
    b.run(for_us=10 * MS)
    b.caller.alive = False
    b.run()
    assert asked.heard == []
    assert len(asked.effects) == 1
    assert asked.kinds[-1] == kinds.REPLY_SENT


@pytest.mark.parametrize("place", range(5))
def test_a_crash_can_fall_between_any_two_instants_of_a_call(bench: Bench, place: int) -> None:
    """A caller that dies at record n leaves the records up to the sent reply, and never hears."""
    b = bench(shop())

    def strike(record: Record) -> None:
        if record.index == place:
            b.caller.alive = False

    b.world.trace.observers.append(strike)
    asked = b.send("payments.charge", "ann", 40)
    b.run()
    assert len(asked.effects) == 1
    assert asked.heard == []
    assert len(asked.kinds) == (5 if place == 4 else 4)


@given(st.sampled_from([None, *CALL_FAULTS]), st.sampled_from(sorted(CALLS)), st.booleans())
def test_whatever_happens_the_caller_hears_exactly_once(
    bench: Bench, fault: CallFault | None, subject: str, keyed: bool
) -> None:
    """One answer or one error, at the latest at the time-out."""
    keyed = keyed and subject != "email.send"
    b = faulty(bench, subject, fault, **({"idempotency_key": "k"} if keyed else {}))
    assert len(b.asked.heard) == 1
    assert b.asked.at_us <= 10 * SECOND
    assert (b.asked.error is None) == (fault in (None, "duplicate", "slow"))


# --- what is under way ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("fault", [None, "late_effect", "lose_reply", "duplicate"])
def test_a_request_is_under_way_until_its_last_delivery_is_done(bench: Bench, fault: CallFault | None) -> None:
    """As long as an effect is yet to come of it, it is counted, and not afterwards."""
    b = bench(shop(), scripts=bench.script("email.send", fault))
    b.send("email.send", "ann", "hello", execution="o-7")
    due = 2 if fault == "duplicate" else 1
    while len(b.ledger) < due:
        b.world.env.step()
        if len(b.ledger) < due:
            assert set(b.world.network.in_flight.values()) <= {"o-7"}
            assert b.world.network.in_flight or b.world.now_us == 0
    b.run()
    assert b.world.network.in_flight == {}


# --- scripts --------------------------------------------------------------------------------------------------------
def fates(b: Any) -> list[str]:
    """The fault of each call, in the order of sending."""
    return [(record.data or {}).get("fault", "ok") for record in b.world.trace if record.kind == kinds.REQUEST_SENT]


def test_a_script_hits_the_nth_call_over_the_run_only(bench: Bench) -> None:
    """Whichever execution it belongs to; calls of other operations do not count."""
    b = bench(shop(), scripts=(Script("shipping", "schedule", 2, "error"),))
    for execution in ("o-1", "o-2", "o-3"):
        b.ask("email.send", "ann", "hello", execution=execution)
        b.ask("shipping.schedule", execution, execution=execution)
    assert fates(b) == ["ok", "ok", "ok", "error", "ok", "ok"]
    assert b.world.network.scripts_fired == 1


def test_a_script_of_an_execution_hits_its_nth_call_only(bench: Bench) -> None:
    """Others are not hit, and their calls do not count."""
    b = bench(shop(), scripts=(Script("email", "send", 2, "lose_reply", execution="o-2"),))
    for execution in ("o-1", "o-2", "o-1", "o-1", "o-2", "o-2"):
        b.ask("email.send", "ann", "hello", execution=execution)
    assert fates(b) == ["ok", "ok", "ok", "ok", "lose_reply", "ok"]


def test_a_script_overrides_what_chance_would_have_done(bench: Bench) -> None:
    """A service that always fails in one way fails in the scripted one."""
    b = bench(shop(faults=Mixture(error=1)), scripts=(Script("email", "send", 2, "refuse"),))
    for _ in range(3):
        b.ask("email.send", "ann", "hello")
    assert fates(b) == ["error", "refuse", "error"]
    assert (b.world.network.scripts_fired, b.world.network.faults_drawn) == (1, {"error": 2})


# --- the end of chance ----------------------------------------------------------------------------------------------
def test_from_calm_after_on_no_call_goes_wrong_by_chance(bench: Bench) -> None:
    """The instant itself is calm; a call before it fails, and one that is scripted later fails as scripted."""
    b = bench(shop(faults=Mixture(error=1)), scripts=(Script("email", "send", 4, "refuse"),), calm_after_us=1_000_000)
    for at_us in (0, 999_999, 1_000_000, 2_000_000, 3_000_000):
        b.later(at_us, b.send, "email.send", "ann", "hello")
    b.run()
    assert fates(b) == ["error", "error", "ok", "refuse", "ok"]
    assert (b.world.network.scripts_fired, b.world.network.faults_drawn) == (1, {"error": 2})


def test_calm_changes_the_fate_of_calls_and_not_their_latency(bench: Bench) -> None:
    """The chances of a call are drawn whether or not they may do harm."""
    worlds = [bench(shop(faults=Mixture(duplicate=share)), calm_after_us=calm) for share, calm in ((1, 0), (0, None))]
    times = [[b.ask("email.send", "ann", "hello").at_us for _ in range(5)] for b in worlds]
    assert times[0] == times[1]


@pytest.mark.parametrize(
    ("script", "text"),
    [
        (Script("shiping", "schedule", 1, "error"), "unknown service 'shiping': did you mean 'shipping'?"),
        (
            Script("shipping", "shedule", 1, "error"),
            "unknown operation of service 'shipping' 'shedule': did you mean 'schedule'?",
        ),
    ],
)
def test_a_script_for_what_is_not_there_is_refused_at_once(bench: Bench, script: Script, text: str) -> None:
    """Not when it would have struck."""
    with pytest.raises(UnknownNameError) as caught:
        bench(shop(), scripts=(script,))
    assert str(caught.value) == text


# --- common random numbers ------------------------------------------------------------------------------------------
FLAKY = Mixture(
    refuse=0.1,
    error=0.1,
    error_after_effect=0.1,
    lose_request=0.1,
    lose_reply=0.1,
    late_effect=0.1,
    duplicate=0.1,
    slow=0.1,
)
noises = st.lists(
    st.tuples(st.sampled_from(["o-2", "o-3", "ours but elsewhere"]), st.integers(0, 5), st.integers(1, 3 * SECOND)),
    max_size=8,
)


def experience(bench: Bench, noise: list[tuple[str, int, int]], seed: int = 1) -> list[tuple[str, int, list[int]]]:
    """The fate, the waiting time and the lateness of the effects of six mails of o-1 amid other calls."""
    b = bench(shop(faults=FLAKY, latency=LogNormal("80ms", "800ms")), seed=seed)
    found = []
    for turn in range(6):
        for execution, when, delay_us in noise:
            if when == turn:
                if execution == "ours but elsewhere":
                    b.send("payments.charge", "ann", 40, execution="o-1")
                else:
                    b.send("email.send", "bob", "hello", execution=execution)
                b.run(for_us=delay_us)
        sent_us = b.world.now_us
        asked = b.send("email.send", "ann", "hello", execution="o-1")
        b.run()
        fate = (asked.records[0].data or {}).get("fault", "ok")
        found.append((fate, asked.at_us - sent_us, [effect.time_us - sent_us for effect in asked.effects]))
    return found


@given(noises)
def test_the_nth_call_of_an_execution_meets_the_same_world(bench: Bench, noise: list[tuple[str, int, int]]) -> None:
    """Calls of other executions and services before it, and other times, change neither its fate nor its latency."""
    assert experience(bench, noise) == experience(bench, [])


def test_another_seed_is_another_world(bench: Bench) -> None:
    """And within one world the calls differ from one another."""
    worlds = [experience(bench, [], seed) for seed in range(4)]
    assert all(one != other for place, one in enumerate(worlds) for other in worlds[:place])
    assert len({fate for world in worlds for fate, _, _ in world}) > 3


def test_the_operations_of_an_execution_fail_apart(bench: Bench) -> None:
    """The first call of one operation tells nothing of the first call of another."""
    b = bench(shop(faults=Mixture(lose_request=0.5)))
    pairs = []
    for number in range(200):
        for subject in ("email.send", "payments.charge"):
            b.send(subject, *CALLS[subject], execution=f"o-{number}")
        pairs.append(tuple(fates(b)[-2:]))
    assert all(35 < pairs.count(pair) < 65 for pair in set(pairs))
    assert len(set(pairs)) == 4


def test_a_fault_does_not_shift_the_latency(bench: Bench) -> None:
    """A call that is slow is the same call, slower; the fate and the latency are drawn apart."""
    options = {"latency": LogNormal("80ms", "800ms"), "client_timeout": "1h"}
    calm = bench(shop(**options, faults=CALM)).ask("email.send", "ann", "hello").at_us
    slow = bench(shop(**options, faults=Mixture(slow=1, slow_factor=10))).ask("email.send", "ann", "hello").at_us
    assert slow == calm * 10


def test_the_mixture_is_met_over_many_calls(bench: Bench) -> None:
    """Over 2,000 executions each fault has about its share, and the network counts them."""
    b = bench(shop(faults=FLAKY, latency=Constant("0s")))
    for number in range(2_000):
        b.send("email.send", "ann", "hello", execution=f"o-{number}")
    drawn = b.world.network.faults_drawn
    assert set(drawn) == set(CALL_FAULTS)
    assert all(150 < count < 250 for count in drawn.values())
    assert drawn == {kind: fates(b).count(kind) for kind in drawn}


# --- settings -------------------------------------------------------------------------------------------------------
def test_an_operation_may_have_settings_of_its_own(bench: Bench) -> None:
    """Latency, time-out and faults, each by itself; the others are the service's."""
    spec = ServiceSpec(
        Email,
        latency=Constant("100ms"),
        client_timeout="10s",
        operations={
            "send": OperationSpec(latency=Constant("1s")),
            "send_cancellation": OperationSpec(client_timeout="50ms"),
        },
    )
    b = bench({"email": spec})
    assert b.ask("email.send", "ann", "hello").at_us == SECOND
    sent_us = b.world.now_us
    cancelled = b.ask("email.send_cancellation", "ann")
    assert (cancelled.at_us - sent_us, type(cancelled.error)) == (50 * MS, CallTimeout)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: ServiceSpec(Email, operations={"sent": OperationSpec()}), "did you mean 'send'?"),
        (lambda: ServiceSpec(Email, options={"colour": "red"}), "service Email: options {'colour': 'red'}: "),
        (lambda: ServiceSpec(Email, client_timeout="0s"), "service: client_timeout is 0s, expected more"),
        (lambda: OperationSpec(client_timeout="0s"), "service: client_timeout is 0s, expected more"),
    ],
)
def test_settings_that_fit_no_service_are_refused(make: Callable[[], Any], text: str) -> None:
    """Where they are made, not at the first call."""
    with pytest.raises(UserError) as caught:
        make()
    assert text in str(caught.value)


def test_a_time_out_that_cannot_be_read_is_refused_where_it_is_written() -> None:
    """For a service and for an operation."""
    for kind in (lambda: ServiceSpec(Email, client_timeout="soon"), lambda: OperationSpec(client_timeout="soon")):
        with pytest.raises(DurationError):
            kind()


# --- mistakes of the caller -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("subject", "arguments", "options", "text"),
    [
        ("paymets.charge", (), {}, "unknown service 'paymets': did you mean 'payments'?"),
        ("payments.chrage", (), {}, "unknown operation of service 'payments' 'chrage': did you mean 'charge'?"),
        ("payments.balance", (), {}, "unknown operation of service 'payments' 'balance': known: charge, refund"),
        ("email.send", ("ann",), {}, "email.send: missing a required argument: 'template'; it takes ("),
        ("email.send", ("ann", "hello"), {"idempotency_key": "k"}, "email.send: got an unexpected keyword argument"),
        ("payments.charge", ("ann", 40, "k"), {}, "payments.charge: too many positional arguments; it takes ("),
    ],
)
def test_a_call_that_the_service_does_not_take_is_the_users_mistake(
    bench: Bench, subject: str, arguments: tuple[Any, ...], options: dict[str, Any], text: str
) -> None:
    """It is raised when the call is sent, with what was expected, and nothing is on its way."""
    b = bench(shop())
    for _ in range(2):
        with pytest.raises(UserError) as caught:
            b.send(subject, *arguments, **options)
        assert str(caught.value).startswith(text)
    b.run()
    assert (list(b.world.trace), b.ledger) == ([], ())


def test_the_same_seed_gives_the_same_trace(bench: Bench) -> None:
    """To the byte, for hundreds of flaky calls."""

    def run(seed: int) -> str:
        b = bench(shop(faults=FLAKY, latency=LogNormal("80ms", "800ms")), seed=seed)
        for number in range(200):
            subject = sorted(CALLS)[number % 4]
            b.later(
                number * duration_us("10ms"), lambda s, n: b.send(s, *CALLS[s], execution=f"o-{n}"), subject, number
            )
        b.run()
        return str(b.world.trace.digest())

    assert run(1) == run(1)
    assert run(1) != run(2)
