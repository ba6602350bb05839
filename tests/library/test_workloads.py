"""What each workload is there to show: the planted difference, with its correct twin."""

from __future__ import annotations

from typing import Any

import pytest

import durable_sim as ds
from durable_sim.durations import DAY, MINUTE
from durable_sim.library.pipelines import pipeline_services
from durable_sim.library.trials import trial_services
from durable_sim.world.services.subscriptions import Subscriptions

COLUMNS = ("status_columns", "status_columns_transactional")
LOSE_REPLY = "lose_reply"


def times_us(run: ds.Run, subject: str) -> list[int]:
    """When the effects of a subject took place."""
    return [entry.time_us for entry in run.ledger if entry.subject == subject]


def count(run: ds.Run, kind: str) -> int:
    """How many effects of a kind there were, undone or not."""
    return sum(entry.kind == kind for entry in run.ledger)


# --- payments ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", ["status_columns", "replay"])
@pytest.mark.parametrize("operation", ["authorise", "payout"])
def test_a_lost_reply_pays_twice_only_without_keys(operation: str, model: str, run: Any) -> None:
    """Holding and paying out both take effect once an attempt, or once a key."""
    lost = (ds.Script("acquirer", operation, 1, LOSE_REPLY),)
    payment = {"payment_id": "p-1", "amount": 40}
    keyed = run("payments", payment, model, faults=lost)
    unkeyed = run("payments", payment, model, faults=lost, parameters={"keys": False})
    assert count(keyed, f"acquirer.{operation}") == 1
    assert keyed.verdicts == {"completed": 1}
    assert count(unkeyed, f"acquirer.{operation}") == 2
    assert unkeyed.verdicts == {"duplicate_effect": 1}


def test_a_disputed_payment_is_refunded_after_two_days_and_never_paid_out(run: Any) -> None:
    """It completes, and owes nothing any more."""
    done = run("payments", {"payment_id": "p-1", "disputed": True})
    assert done.verdicts == {"completed": 1}
    (refund,) = [entry for entry in done.ledger if entry.kind == "acquirer.refund"]
    assert refund.time_us >= 2 * DAY
    assert count(done, "acquirer.payout") == 0


def test_a_payout_that_fails_for_good_gives_the_customer_the_money_back(run: Any) -> None:
    """And a payout that lands late is recalled before it lands."""
    late = tuple(ds.Script("acquirer", "payout", number, "late_effect") for number in range(1, 5))
    done = run("payments", {"payment_id": "p-1"}, faults=late)
    assert done.verdicts == {"compensated": 1}
    assert count(done, "acquirer.payout") == count(done, "acquirer.recall")
    assert count(done, "acquirer.refund") == 1


# --- onboarding -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("keys", "workspaces"), [(True, 1), (False, 2)])
def test_a_crash_while_a_workspace_is_set_up_makes_two_without_a_key(keys: bool, workspaces: int, run: Any) -> None:
    """An account is one under its own name, a workspace only under its key."""
    crash = (ds.Crash(after="effect_applied", of="accounts.provision"),)
    done = run("onboarding", {"user_id": "ada"}, faults=crash, parameters={"keys": keys})
    assert count(done, "accounts.open") == 1
    assert count(done, "accounts.provision") == workspaces


def test_an_onboarding_that_cannot_go_on_takes_down_what_there_is(run: Any) -> None:
    """Without a workspace there is to be no account, and no mail."""
    refused = tuple(ds.Script("accounts", "provision", number, "refuse") for number in range(1, 5))
    done = run("onboarding", {"user_id": "ada"}, faults=refused)
    assert done.verdicts == {"compensated": 1}
    assert [entry.kind for entry in done.ledger] == ["accounts.open", "accounts.close"]


# --- drip -------------------------------------------------------------------------------------------------------------
def test_the_campaign_keeps_its_days_only_under_replay(run: Any) -> None:
    """A deploy on day 8: the highlight comes on day 10, or ten days after the restart has begun to wait anew."""
    deploy = (ds.Deploy(at="8d"),)
    replayed = run("drip", {"user_id": "ada"}, faults=deploy)
    assert [time // DAY for time in times_us(replayed, "highlight")] == [10]
    for model in COLUMNS:
        late = run("drip", {"user_id": "ada"}, model, faults=deploy)
        assert [time // DAY for time in times_us(late, "highlight")] == [18]
        assert late.verdicts == {"completed": 1}
        assert late.repeats == 0


def test_a_wait_of_days_in_memory_dies_with_the_process(run: Any) -> None:
    """Regular code sends the welcome, and nothing after the deploy."""
    done = run("drip", {"user_id": "ada"}, "regular", faults=(ds.Deploy(at="1d"),))
    assert [entry.subject for entry in done.ledger] == ["welcome"]
    assert done.verdicts == {"stuck": 1}


# --- trials -----------------------------------------------------------------------------------------------------------
def trial(run: Any, paid: str | None, **options: Any) -> ds.Run:
    """A trial of a customer who pays at some time, or never; each answer takes 100 ms, a mail 4 s."""
    settings = {"options": {"paid": {"ada": paid} if paid else {}}, "latency": ds.Constant("100ms")}
    services = trial_services()
    services["subscriptions"] = ds.ServiceSpec(Subscriptions, **settings)
    services["email"] = ds.ServiceSpec(services["email"].service, latency=ds.Constant("4s"))
    return run("trials", {"trial_id": "ada"}, services=services, **options)


@pytest.mark.parametrize(
    ("paid", "kinds"),
    [
        (None, ["start_trial", "send", "end_trial"]),
        ("13d", ["start_trial"]),
        ("14d", ["start_trial"]),
        ("14d 1s", ["start_trial", "send"]),
        ("15d", ["start_trial", "send", "end_trial"]),
    ],
)
def test_a_trial_that_is_looked_at_and_ended_in_one_never_locks_out(
    paid: str | None, kinds: list[str], run: Any
) -> None:
    """Whenever the payment comes, also in the second between the check and the end."""
    done = trial(run, paid)
    assert [entry.kind.split(".")[1] for entry in done.ledger] == kinds


@pytest.mark.parametrize("model", ["regular", *COLUMNS, "replay"])
def test_a_trial_that_is_looked_at_and_then_ended_locks_out_who_pays_between(model: str, run: Any) -> None:
    """Under every model: the window is in the code."""
    done = trial(run, "14d 1s", model=model, parameters={"conditional": False})
    assert count(done, "subscriptions.lock_out") == 1
    assert done.verdicts == {"orphaned_effect": 1}


# --- reports ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("whole", "written"), [(True, 3), (False, 4)])
def test_a_crash_after_storing_a_report_repeats_it_only_where_it_is_appended(
    whole: bool, written: int, run: Any
) -> None:
    """To put the same report in the same place changes nothing."""
    operation = "storage.put" if whole else "storage.append"
    crash = (ds.Crash(after="effect_applied", of=operation, nth=2),)
    done = run("reports", {"report_id": "r", "days": 3}, faults=crash, parameters={"whole": whole})
    assert count(done, "storage.write") == written


def test_daily_reports_come_daily_under_replay_and_late_from_columns(run: Any) -> None:
    """A deploy at noon of day 3 costs a column's wait three days and a half."""
    deploy = (ds.Deploy(at="3d 12h"),)
    schedule = {"report_id": "r", "days": 5}
    day_4 = {m: times_us(run("reports", schedule, m, faults=deploy), "r/day-4")[0] for m in (*COLUMNS, "replay")}
    assert day_4["replay"] // DAY == 4
    assert [day_4[model] // DAY for model in COLUMNS] == [7, 7]


# --- pipelines --------------------------------------------------------------------------------------------------------
BAD = {"batch_id": "b", "bad": "orders"}


@pytest.mark.parametrize("undo", ["reference", "name"])
def test_a_pipeline_with_a_bad_branch_leaves_nothing(undo: str, run: Any) -> None:
    """The three good branches were loaded, and are deleted."""
    done = run("pipelines", BAD, parameters={"undo": undo})
    assert count(done, "storage.write") == count(done, "storage.delete") == 3
    assert done.verdicts == {"compensated": 1}


@pytest.mark.parametrize(("undo", "left"), [("name", 3), ("reference", 0)])
def test_a_clean_up_that_does_not_wait_for_all_is_overtaken_by_the_rest(undo: str, left: int, run: Any) -> None:
    """Unless what comes later is refused."""
    done = run("pipelines", BAD, parameters={"wait_for_all": False, "undo": undo})
    assert count(done, "storage.write") - count(done, "storage.delete") == left


def test_branches_run_side_by_side(run: Any) -> None:
    """Four loads of half a minute take less than a minute."""
    done = run("pipelines", {"batch_id": "b"}, services=pipeline_services())
    assert done.executions[0].execution.ended_us < MINUTE


def test_branches_that_are_appended_without_a_key_are_there_twice_after_a_lost_reply(run: Any) -> None:
    """And once if each is put in its place."""
    for whole, operation, verdict in ((False, "append", "duplicate_effect"), (True, "put", "completed")):
        lost = (ds.Script("storage", operation, 2, LOSE_REPLY),)
        done = run("pipelines", {"batch_id": "b"}, faults=lost, parameters={"whole": whole})
        assert done.verdicts == {verdict: 1}


# --- training ---------------------------------------------------------------------------------------------------------
NINTH = (ds.Crash(after="effect_applied", of="compute.train", nth=9),)


@pytest.mark.parametrize(
    ("model", "heartbeats", "again", "hours"),
    [("replay", True, 1, 2.2), ("replay", False, 9, 14.0), ("status_columns", True, 9, 3.5)],
)
def test_a_crash_costs_the_epochs_that_no_heartbeat_told(
    model: str, heartbeats: bool, again: int, hours: float, run: Any
) -> None:
    """And the time until somebody notices: a heartbeat's time-out, the attempt's, or the sweeper's."""
    job = {"job_id": "j", "epochs": 12}
    done = run("training", job, model, faults=NINTH, parameters={"heartbeats": heartbeats})
    assert done.verdicts == {"completed": 1}
    assert done.repeats == again
    assert done.executions[0].execution.ended_us / 3.6e9 == pytest.approx(hours, abs=0.05)


# --- notifications ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("fan_out", "repeats"), [(True, 1), (False, 4)])
def test_one_lost_reply_repeats_one_mail_or_all_before_it(fan_out: bool, repeats: int, run: Any) -> None:
    """The fourth of ten: an activity of its own is retried, or the loop begins again."""
    message = {"message_id": "n", "recipients": 10}
    lost = (ds.Script("email", "send", 4, LOSE_REPLY),)
    done = run("notifications", message, faults=lost, parameters={"fan_out": fan_out})
    assert done.verdicts == {"completed": 1}
    assert done.repeats == repeats


def test_every_recipient_gets_it(run: Any) -> None:
    """A lost request is sent again."""
    lost = tuple(ds.Script("email", "send", number, "lose_request") for number in (1, 5))
    done = run("notifications", {"message_id": "n", "recipients": 10}, faults=lost)
    assert [len(times_us(done, f"to r-{number + 1}")) for number in range(10)] == [1] * 10
