"""The front as a notebook uses it: a workflow defined on the spot, run and compared."""

from __future__ import annotations

from typing import Any

import pytest

import durable_sim as ds
from durable_sim.errors import UnknownNameError
from durable_sim.models.registry import COMMON_MODELS


@ds.activity
async def charge(ctx: ds.ActivityContext, order: dict[str, Any]) -> Any:
    """Charges once, however often it is tried."""
    payments = ctx.service("payments")
    return await payments.charge(order["order_id"], order["total"], idempotency_key=ctx.idempotency_key)


@ds.activity
async def ship(ctx: ds.ActivityContext, order: dict[str, Any]) -> Any:
    """Books one parcel."""
    return await ctx.service("shipping").schedule(order["order_id"], idempotency_key=ctx.idempotency_key)


async def fulfill_order(ctx: ds.WorkflowContext, order: dict[str, Any]) -> str:
    """Charge, wait, ship."""
    charged = await ctx.execute_activity(charge, order, start_to_close_timeout="30s")
    await ctx.sleep("24h")
    await ctx.execute_activity(ship, order, start_to_close_timeout="30s")
    return str(charged["id"])


ORDER = {"order_id": "o-1", "total": 40}


def crashed(**options: Any) -> ds.Run:
    """The run of the issue: one order, one crash."""
    return ds.run(fulfill_order, ORDER, services=ds.library.shop(), faults=[ds.Crash(at="200ms")], seed=7, **options)


def test_a_run_takes_ten_lines_and_shows_itself() -> None:
    """Its text has the model, the verdicts, the story and the violations."""
    run = crashed(model="replay")
    assert run.verdicts == {"completed": 1}
    assert run.ok
    assert run.faults == {"planned": 1, "fired": 1, "hit": 1}
    text = repr(run)
    assert text == str(run) == run.report()
    assert text.startswith("replay, seed 7: 1 execution(s): 1 completed\n")
    assert "o-1 under replay: completed (the engine says: completed)" in text
    assert "!! the worker crashes" in text
    assert text.endswith("no violations")


def test_a_run_shows_itself_in_a_notebook() -> None:
    """Verdicts, violations and the story, with what HTML would take for its own made harmless."""
    page = crashed(model="replay")._repr_html_()
    assert "<strong>replay, seed 7: 1 execution(s)</strong>" in page and "✓ completed: 1" in page
    assert "-&gt; payments.charge" in page
    assert "<- " not in page


def test_a_bad_run_lists_its_violations() -> None:
    """Which order, what was found, what was expected, and when."""
    run = crashed(model="regular")
    assert run.verdicts == {"orphaned_effect": 1}
    assert not run.ok
    assert {violation.execution for violation in run.violations} >= {"o-1"}
    for violation in run.violations:
        assert str(violation) in repr(run)
    assert run.worst is run.execution("o-1")
    assert run.story() == run.story("o-1")


def test_the_same_seed_gives_the_same_run() -> None:
    """And another seed another one."""
    digests = [crashed(model="replay").trace.digest() for _ in range(2)]
    assert digests[0] == digests[1]
    other = ds.run(fulfill_order, ORDER, faults=[ds.Crash(at="200ms")], seed=8)
    assert other.trace.digest() != digests[0]


def test_compare_runs_every_model_by_default() -> None:
    """In one world: the crash hits all of them, and only what survives differs."""
    compared = ds.compare(fulfill_order, ORDER, faults=[ds.Crash(at="200ms")], seed=7)
    assert list(compared.runs) == list(COMMON_MODELS)
    assert compared.verdicts["replay"] == {"completed": 1}
    assert compared.verdicts["regular"] == {"orphaned_effect": 1}
    assert compared["replay"].trace.digest() == crashed(model="replay").trace.digest()
    assert compared.worst.model != "replay"


def test_a_comparison_shows_a_table_and_the_worst_story() -> None:
    """One row a model, and under it one execution that went wrong."""
    compared = ds.compare(fulfill_order, ORDER, models=["replay", "regular"], faults=[ds.Crash(at="200ms")], seed=7)
    lines = repr(compared).splitlines()
    assert lines[0].split()[:3] == ["model", "completed", "orphaned_effect"]
    assert [line.split()[:3] for line in lines[1:3]] == [["replay", "1", "0"], ["regular", "0", "1"]]
    assert "The shortest story of the worst verdict under regular:" in lines
    assert "o-1 under regular: orphaned_effect (the engine says: open)" in lines
    assert "O 1" in compared._repr_html_() and "o-1 under regular: orphaned_effect" in compared._repr_html_()


def test_a_comparison_without_trouble_says_so() -> None:
    """No story is told where nothing went wrong."""
    text = repr(ds.compare(fulfill_order, ORDER, models=["regular", "replay"], seed=7))
    assert text.splitlines()[-1] == "no execution went wrong"


def test_a_fault_that_hit_nothing_is_called_out() -> None:
    """A plan that tested nothing must not look like a success."""
    run = ds.run(fulfill_order, ORDER, faults=[ds.Crash(at="20 days")])
    assert run.vacuous
    assert "WARNING: no planned fault hit anything in flight" in repr(run)
    assert "WARNING" not in repr(crashed(model="replay"))


def test_several_inputs_are_several_executions() -> None:
    """They start as the arrivals say, under their own ids."""
    inputs = [{"order_id": f"o-{number}", "total": 10} for number in (1, 2, 3)]
    run = ds.run(fulfill_order, inputs=inputs, arrivals=ds.Arrivals("10s"))
    assert [(one.execution.id, one.execution.arrived_us) for one in run.executions] == [
        ("o-1", 0),
        ("o-2", 10_000_000),
        ("o-3", 20_000_000),
    ]


def test_a_run_as_plain_data() -> None:
    """The counts of its JSON are those of the run."""
    run = crashed(model="regular")
    data = run.to_json()
    assert (data["executions"], data["verdicts"], data["faults"]) == (1, {"orphaned_effect": 1}, run.faults)
    assert len(data["violations"]) == len(run.violations)
    assert data["trace_digest"] == run.trace.digest()


async def no_input(ctx: ds.WorkflowContext) -> None:
    """No model could call this."""


@ds.activity
async def an_activity(ctx: ds.ActivityContext, order: Any) -> None:
    """Not a workflow."""


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"model": "replai"}, "unknown execution model 'replai': did you mean 'replay'?"),
        ({"inputs": [1]}, "give input (for one execution) or inputs (for several), not both"),
        ({"workers": 0}, "scenario: workers is 0, expected 1 or more"),
        ({"horizon": "0s"}, "scenario: horizon is 0s, expected more"),
        ({"horizon": 30}, "duration 30: a int has no unit; "),
        ({"faults": [ds.Crash(at="1s", worker="w9")]}, "unknown worker 'w9': known: w1, w2"),
        ({"faults": [ds.Deploy(at="1s", version="v2")]}, "unknown code version 'v2': known: base"),
        ({"faults": [ds.Crash(after="reply_recieved")]}, "unknown kind of trace record 'reply_recieved': did you mean"),
        (
            {"faults": [ds.Crash(after="reply_sent", of="payments.chrge")]},
            "unknown operation 'payments.chrge': did you",
        ),
        (
            {"faults": [ds.Crash(after="reply_sent", of="status.nonsense")]},
            "unknown operation 'status.nonsense': did you mean 'status",
        ),
        ({"faults": [ds.Script("emial", "send", 1, "slow")]}, "unknown service 'emial': did you mean 'email'?"),
        (
            {"faults": [ds.Script("email", "sned", 1, "slow")]},
            "unknown operation of email 'sned': did you mean 'send'?",
        ),
        ({"faults": [ds.Script("email", "send", 1, "slow", execution="o-2")]}, "unknown execution 'o-2': did you mean"),
        ({"owed": {"email.snd": "exactly_once"}}, "unknown kind of effect 'email.snd': did you mean 'email.send'?"),
        ({"model_options": {"replay": {"x": 1}}}, "unknown option of model replay 'x': known: rpc_latency"),
        ({"model_options": {"replai": {}}}, "unknown execution model 'replai': did you mean 'replay'?"),
        ({"versions": {"v2": no_input}}, "workflow no_input takes (ctx: "),
        ({"versions": {"v2": an_activity}}, "workflow: an_activity is an activity; give the workflow that executes"),
        ({"faults": ds.Crash(at="1s")}, "scenario: faults is Crash(at='1s', "),
        ({"faults": ["crash"]}, "scenario: faults have 'crash', expected Crash, Script or the like"),
        ({"stimuli": "approve"}, "scenario: stimuli is 'approve', expected a list of them: ['approve']"),
        ({"stimuli": [ds.Crash(at="1s")]}, "scenario: stimuli have Crash(at='1s', "),
        ({"workers": "2"}, "scenario: workers is '2', expected a whole number"),
        ({"services": {"payments": ds.Service}}, "scenario: service payments is <class "),
        ({"owed": {"email.send": "exactly once"}}, "scenario: owed of email.send is 'exactly once', expected one of "),
    ],
)
def test_a_mistake_is_told_before_anything_runs(options: dict[str, Any], text: str) -> None:
    """The user's own names, and the nearest that would do."""
    with pytest.raises(ds.UserError) as caught:
        ds.run(fulfill_order, ORDER, **options)
    assert str(caught.value).startswith(text)


def test_a_workflow_that_cannot_be_called_is_refused() -> None:
    """It takes a context and an input, and is an async function."""
    with pytest.raises(ds.UserError, match="workflow no_input takes"):
        ds.run(no_input)
    with pytest.raises(ds.UserError, match="is not an async function"):
        ds.run(print)


def test_faults_may_come_from_anything_that_gives_them_one_by_one() -> None:
    """A generator strikes like a list: nothing is used up by looking at it."""
    crash = ds.Crash(after="effect_applied", of="payments.charge")
    scenario = ds.Scenario(fulfill_order, (ORDER,), ds.library.shop(), faults=(one for one in [crash]))  # type: ignore[arg-type]
    assert scenario.faults == (crash,)
    assert ds.run_scenario(scenario).faults == {"planned": 1, "fired": 1, "hit": 1}


@pytest.mark.parametrize("of", ["states.send_task_success", "status.update"])
def test_a_fault_may_strike_at_the_services_that_a_model_brings(of: str) -> None:
    """They are called over the network like any other."""
    scenario = ds.Scenario(fulfill_order, (ORDER,), ds.library.shop(), (ds.Crash(after="reply_sent", of=of),))
    assert scenario.faults[0].of == of  # type: ignore[union-attr]


def test_one_input_is_not_taken_for_several() -> None:
    """The keys of a dict are no inputs."""
    with pytest.raises(ds.UserError, match=r"scenario: inputs is {'order_id': .*expected a list of them"):
        ds.Scenario(fulfill_order, ORDER, ds.library.shop())


def test_one_model_may_be_given_by_its_name() -> None:
    """Not as the list of its letters."""
    assert list(ds.compare(fulfill_order, ORDER, models="replay").runs) == ["replay"]


def test_no_inputs_and_no_models_are_refused() -> None:
    """There would be nothing to run."""
    with pytest.raises(ds.UserError, match="there is no input"):
        ds.run(fulfill_order, inputs=[])
    with pytest.raises(ds.UserError, match="there is no model"):
        ds.compare(fulfill_order, ORDER, models=[])


def test_what_is_not_there_is_answered_with_what_is() -> None:
    """Executions, models of a comparison, and tables."""
    compared = ds.compare(fulfill_order, ORDER, models=["replay"])
    with pytest.raises(UnknownNameError, match="unknown execution 'o-9': did you mean 'o-1'"):
        compared["replay"].story("o-9")
    with pytest.raises(UnknownNameError, match="unknown execution model of this comparison 'regular'"):
        compared["regular"]
    with pytest.raises(UnknownNameError, match="unknown table 'efects': did you mean 'effects'"):
        compared["replay"].frame("efects")


# --- wrong as a whole -----------------------------------------------------------------------------------------------
class Ledgerless(ds.Service):
    """Planted bug: takes coins that no ledger knows of."""

    effects = (ds.EffectKind("take", "exactly_once", "coins"),)
    coins = 0

    @ds.operation
    def take(self, request: Any) -> None:
        self.coins += 1

    def balance(self) -> dict[str, dict[str, int]]:
        return {"take": {"": self.coins}}


class Honest(Ledgerless):
    """Its twin."""

    @ds.operation
    def take(self, request: Any) -> None:
        request.apply("take")
        self.coins += 1


async def take_a_coin(ctx: ds.WorkflowContext, order: Any) -> None:
    async def take(ctx: ds.ActivityContext) -> None:
        await ctx.service("till").take()

    await ctx.execute_activity(take, start_to_close_timeout="30s")


def compared_tills(kind: type[ds.Service]) -> ds.Comparison:
    """Two models in a world with a till."""
    return ds.compare(take_a_coin, ORDER, models=["replay", "steps"], services={"till": ds.ServiceSpec(kind)})


def test_a_run_that_is_wrong_as_a_whole_is_told_and_is_no_good_card() -> None:
    """No execution went wrong, and yet something is: the violations are shown, and the card is marked."""
    compared = compared_tills(Ledgerless)
    assert compared.verdicts["replay"] == {"completed": 1} and not compared["replay"].ok
    text = str(compared)
    assert "no execution went wrong" not in text
    (violation,) = compared.worst.violations
    assert f"The run under replay went wrong:\n{violation}" in text
    page = compared._repr_html_()
    assert "✗" in page and "the run under replay went wrong" in page and "1 in the service" in page


def test_a_comparison_in_which_all_is_right_is_a_good_card() -> None:
    """Its twin: nothing is told, and the mark is a good one."""
    compared = compared_tills(Honest)
    assert str(compared).endswith("no execution went wrong")
    page = compared._repr_html_()
    assert "✗" not in page and "went wrong" not in page


async def charges_by_attempt(ctx: ds.WorkflowContext, order: Any) -> None:
    async def charge(ctx: ds.ActivityContext) -> None:
        await ctx.service("payments").charge("ada", 40 * ctx.info.attempt)

    await ctx.execute_activity(charge, start_to_close_timeout="30s")


def test_the_worst_run_is_the_one_with_the_most_gone_wrong_and_then_the_most_violations() -> None:
    """A run of the same model that is right comes first and is not the worst."""
    lost = [ds.Script("payments", "charge", 1, "lose_request")]
    compared = ds.compare(charges_by_attempt, ORDER, models=["regular_rerun", "steps", "replay"], faults=lost)
    assert compared["regular_rerun"].ok and compared.verdicts["steps"] == {"wrong_amount": 1}
    assert compared.worst.model == "steps"
    assert "o-1 under steps: wrong_amount (the engine says: completed)" in str(compared)
    right, wrong = compared_tills(Honest)["replay"], compared_tills(Ledgerless)["replay"]
    assert ds.Comparison({"a": right, "b": wrong}).worst is wrong
    assert ds.Comparison({"a": wrong, "b": right}).worst is wrong
    assert ds.Comparison({"a": wrong, "b": compared["steps"]}).worst is compared["steps"]
