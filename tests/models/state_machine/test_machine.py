"""The interpreter: how states are entered, worked in, retried, caught and left; pure, without the simulator."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from durable_sim.durations import SECOND
from durable_sim.models.state_machine.actions import ForgetTask, SetTimer, TaskClosed
from durable_sim.models.state_machine.core import Limits
from tests.models.state_machine.driver import After, Driver, Fails, machine_of, run, task

BOOM = Fails("Boom", '{"errorMessage":"b","errorType":"Boom","trace":[]}')


def retry(*errors: str, **fields: Any) -> dict[str, Any]:
    """One retrier."""
    return {"ErrorEquals": list(errors or ("States.ALL",)), **fields}


def catch(following: str, *errors: str, **fields: Any) -> dict[str, Any]:
    """One catcher."""
    return {"ErrorEquals": list(errors or ("States.ALL",)), "Next": following, **fields}


def delays_s(played: Driver) -> list[float]:
    """The back-offs that were asked for."""
    retries = (one for one in played.actions if isinstance(one, SetTimer) and one.kind == "retry")
    starts = [event.time_us for event in played.events if event.type == "LambdaFunctionFailed"]
    return [(one.due_us - start) / SECOND for one, start in zip(retries, starts, strict=False)]


# --- data -----------------------------------------------------------------------------------------------------------
def test_the_five_fields_apply_in_order() -> None:
    """InputPath, Parameters, the call, ResultSelector, ResultPath into the whole input, OutputPath."""
    fields = {
        "InputPath": "$.in",
        "Parameters": {"v.$": "$.a", "n.$": "$$.Execution.Name"},
        "ResultSelector": {"r.$": "$.v"},
        "ResultPath": "$.in.res",
        "OutputPath": "$.in",
    }
    played = run(machine_of(A=task(**fields)), {"in": {"a": 5}}, f=lambda payload: payload)
    assert played.calls[0].payload == {"v": 5, "n": "x"}
    assert played.ended.output == {"a": 5, "res": {"r": 5}}


@pytest.mark.parametrize(("path", "output"), [("$", 7), (None, {"k": 1}), ("$.r", {"k": 1, "r": 7})])
def test_where_a_result_goes(path: str | None, output: Any) -> None:
    """A ResultPath of "$" replaces the input, null drops the result, a path adds it."""
    assert run(machine_of(A=task(ResultPath=path)), {"k": 1}, f=7).ended.output == output


def test_a_path_that_is_not_there_fails_the_run_past_every_catcher() -> None:
    """States.Runtime is never caught, not even by States.ALL."""
    played = run(machine_of(A=task(Parameters={"v.$": "$.no"}, Catch=[catch("B")]), B={"Type": "Succeed"}), {}, f=1)
    assert (played.ended.status, played.ended.error) == ("FAILED", "States.Runtime")
    assert played.calls == []


def test_variables_are_set_together_and_seen_by_later_states() -> None:
    """Assign sees the variables as they were before it; the event that leaves the state tells the new ones."""
    first = {"Type": "Pass", "Assign": {"x": 1}, "Next": "Swap"}
    swap = {"Type": "Pass", "Assign": {"x": 2, "old.$": "$x"}, "Next": "Look"}
    look = {"Type": "Pass", "Parameters": {"x.$": "$x", "old.$": "$old"}, "End": True}
    played = run(machine_of(First=first, Swap=swap, Look=look))
    assert played.ended.output == {"x": 2, "old": 1}
    assert played.events[4].details["assignedVariables"] == {"x": 2, "old": 1}


def test_branches_have_variables_of_their_own() -> None:
    """A branch sees the outer variables; what it assigns is gone with it."""
    inner = machine_of(
        B={"Type": "Pass", "Assign": {"mine.$": "$outer"}, "Next": "C"},
        C={"Type": "Pass", "Parameters": {"it.$": "$mine"}, "End": True},
    )
    parallel = {"Type": "Parallel", "Branches": [inner], "Next": "After"}
    after = {"Type": "Pass", "Parameters": {"it.$": "$mine"}, "End": True}
    start = {"Type": "Pass", "Assign": {"outer": 4}, "Next": "P"}
    played = run(machine_of(A=start, P=parallel, After=after))
    assert played.ended.error == "States.Runtime"  # only After has no such variable
    assert any(event.details.get("output") == [{"it": 4}] for event in played.events)


def test_a_jsonata_error_is_an_event_and_can_be_caught() -> None:
    """EvaluationFailed stands in the history, and the catcher gets States.QueryEvaluationError."""
    bad = task(Catch=[catch("P", Output="{% $states.errorOutput.Error %}")])
    bad["Arguments"] = "{% $states.input.a + 'x' %}"
    played = run({"QueryLanguage": "JSONata", **machine_of(A=bad, P={"Type": "Pass", "End": True})}, {"a": 1}, f=1)
    assert played.types[2] == "EvaluationFailed"
    assert played.ended.output == "States.QueryEvaluationError"


def test_a_choice_rule_may_assign_and_put_out() -> None:
    """Of a JSONata choice, the rule that holds gives output and variables."""
    rule = {"Condition": "{% $states.input.n > 1 %}", "Next": "P", "Output": "{% $states.input.n * 2 %}"}
    rule["Assign"] = {"big": "{% true %}"}
    end = {"Type": "Pass", "Output": ["{% $states.input %}", "{% $big %}"], "End": True}
    played = run({"QueryLanguage": "JSONata", **machine_of(C={"Type": "Choice", "Choices": [rule]}, P=end)}, {"n": 3})
    assert played.ended.output == [6, True]


def test_no_choice_matched_is_an_error_of_its_own() -> None:
    """Without a match and a Default, the run fails as States.NoChoiceMatched."""
    rule = {"Variable": "$.n", "NumericEquals": 1, "Next": "S"}
    played = run(machine_of(C={"Type": "Choice", "Choices": [rule]}, S={"Type": "Succeed"}), {"n": 2})
    assert played.ended.error == "States.NoChoiceMatched"


def test_fail_takes_its_error_from_the_input() -> None:
    """ErrorPath and CausePath read the input; an intrinsic function may make the text."""
    fail = {"Type": "Fail", "ErrorPath": "$.e", "CausePath": "States.Format('{}!', $.c)"}
    played = run(machine_of(F=fail), {"e": "E7", "c": "why"})
    assert (played.ended.error, played.ended.cause) == ("E7", "why!")


# --- retry, catch ---------------------------------------------------------------------------------------------------
def test_retriers_count_each_for_itself_and_the_first_match_decides() -> None:
    """Failures that alternate use up two counters; when the one that matches is used up, no other is looked at."""
    retries = [retry("A", IntervalSeconds=1, MaxAttempts=1), retry("B", IntervalSeconds=5, MaxAttempts=1), retry()]
    played = run(machine_of(T=task(Retry=retries)), f=[Fails("A"), Fails("B"), Fails("A")])
    assert delays_s(played) == [1, 5]
    assert (played.ended.error, len(played.calls)) == ("A", 3)


def test_attempts_of_a_stay_share_its_step_and_a_new_stay_has_another() -> None:
    """Retries keep the step number, on which idempotency keys rest; entering the state again gives a new one."""
    again = {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericLessThan": 2, "Next": "T"}], "Default": "S"}
    states = machine_of(T=task(Retry=[retry()], ResultPath="$.n", Next="C"), C=again, S={"Type": "Succeed"})
    played = run(states, {"n": 0}, f=[BOOM, 1, BOOM, BOOM, 2])
    assert [(call.step, call.attempt) for call in played.calls] == [(1, 1), (1, 2), (3, 1), (3, 2), (3, 3)]


def test_a_retried_parallel_repeats_the_steps_in_it() -> None:
    """What is in a Parallel that is tried again has the step numbers of the first time, and counts attempts on."""
    states = machine_of(P={"Type": "Parallel", "Branches": [machine_of(A=task())], "End": True, "Retry": [retry()]})
    played = run(states, f=[BOOM, 4])
    assert [(call.step, call.attempt) for call in played.calls] == [(2, 1), (2, 2)]
    assert played.types.count("ParallelStateStarted") == 2
    assert played.ended.output == [4]


def test_the_context_object_tells_the_number_of_retries() -> None:
    """$$.State.RetryCount is 0 in the first attempt; Parameters are filled anew for each."""
    counted = task(Parameters={"n.$": "$$.State.RetryCount"}, Retry=[retry()])
    played = run(machine_of(T=counted), f=[BOOM, BOOM, 1])
    assert [call.payload for call in played.calls] == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_a_task_is_closed_only_when_no_retry_is_left() -> None:
    """TaskClosed comes once for a stay, with the error if there was one."""
    played = run(machine_of(T=task(Retry=[retry(MaxAttempts=1)], Catch=[catch("S")]), S={"Type": "Succeed"}), f=BOOM)
    closed = [action for action in played.actions if isinstance(action, TaskClosed)]
    assert [(one.step, one.error) for one in closed] == [(1, "Boom")]


def test_full_jitter_is_drawn_by_name() -> None:
    """The same execution draws the same delays, each below the plain one, no two retries the same share of it."""
    states = machine_of(T=task(Retry=[retry(IntervalSeconds=8, BackoffRate=1, MaxAttempts=4, JitterStrategy="FULL")]))
    first, second = (delays_s(run(states, f=BOOM)) for _ in range(2))
    assert first == second
    assert len(set(first)) == 4
    assert all(0 <= delay < 8 for delay in first)


# --- time-outs ------------------------------------------------------------------------------------------------------
def test_a_late_result_is_dropped_and_each_attempt_has_its_own_time() -> None:
    """TimeoutSeconds begins again with each attempt; what comes later finds nobody."""
    played = run(
        machine_of(T=task(TimeoutSeconds=2, Retry=[retry("States.Timeout")])), f=[After(3, "late"), After(1, 2)]
    )
    assert played.ended.output == 2
    assert played.types.count("LambdaFunctionTimedOut") == 1
    assert [one.timeout for one in played.actions if isinstance(one, ForgetTask)] == ["START_TO_CLOSE"]
    assert played.events[-1].time_us == 4 * SECOND


def test_states_task_failed_does_not_mean_a_time_out() -> None:
    """A time-out passes a retrier of States.TaskFailed."""
    played = run(machine_of(T=task(TimeoutSeconds=1, Retry=[retry("States.TaskFailed")])), f=After(9, 1))
    assert (played.ended.error, len(played.calls)) == ("States.Timeout", 1)


def test_a_time_out_may_come_from_the_input() -> None:
    """TimeoutSecondsPath reads it."""
    played = run(machine_of(T=task(TimeoutSecondsPath="$.t")), {"t": 3}, f=After(9, 1))
    assert played.events[-1].time_us == 3 * SECOND


@pytest.mark.parametrize("name", ["States.HeartbeatTimeout", "States.Timeout", "States.ALL"])
def test_a_missed_heartbeat_shows_as_a_time_out_and_is_caught_by_both_names(name: str) -> None:
    """The event and the catcher's output say States.Timeout; States.HeartbeatTimeout matches, too."""
    waits = task(HeartbeatSeconds=1, TimeoutSeconds=9, Catch=[catch("S", name)])
    waits["Resource"] = "arn:aws:states:us-east-1:1:activity:f"
    played = run(machine_of(T=waits, S={"Type": "Succeed"}), f=After(5, 1))
    assert played.ended.output == {"Error": "States.Timeout", "Cause": ""}
    assert "ActivityTimedOut" in played.types


def test_a_heartbeat_begins_the_heartbeats_clock_again() -> None:
    """With a heartbeat in time, an activity lives longer than its HeartbeatSeconds."""
    waits = task(HeartbeatSeconds=2)
    waits["Resource"] = "arn:aws:states:us-east-1:1:activity:f"
    played = Driver(machine_of(T=waits), None, {"f": After(3, "done")})
    played.run(1.5)
    played.now_us = 1_500_000
    played.tell("x", played.machine.task_heartbeat(played.calls[0].token, played.now_us))
    assert played.run().ended.output == "done"


def test_the_time_of_the_whole_cannot_be_caught() -> None:
    """The top-level TimeoutSeconds ends the execution as TIMED_OUT, whatever it is doing."""
    states = {"TimeoutSeconds": 5, **machine_of(T=task(Catch=[catch("S")]), S={"Type": "Succeed"})}
    played = run(states, f=After(9, 1))
    assert (played.ended.status, played.ended.error) == ("TIMED_OUT", "States.Timeout")
    assert played.types[-2:] == ["TaskStateAborted", "ExecutionTimedOut"]


def test_a_stopped_execution_is_aborted() -> None:
    """StopExecution ends it where it is; nothing that comes later counts."""
    played = Driver(machine_of(W={"Type": "Wait", "Seconds": 9, "End": True}))
    played.run(1)
    played.tell("x", played.machine.stop(played.now_us, "Enough"))
    assert played.run().types[-2:] == ["WaitStateAborted", "ExecutionAborted"]
    assert (played.ended.status, played.ended.error) == ("ABORTED", "Enough")


# --- waits ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"Seconds": 4}, 4),
        ({"SecondsPath": "$.n"}, 7),
        ({"Timestamp": "2026-01-01T00:01:00Z"}, 60),
        ({"TimestampPath": "$.at"}, 2.5),
        ({"Timestamp": "1999-01-01T00:00:00Z"}, 0),
    ],
)
def test_waits(fields: dict[str, Any], seconds: float) -> None:
    """Seconds and timestamps, given or read from the input; a moment that has passed is no wait."""
    played = run(machine_of(W={"Type": "Wait", "End": True, **fields}), {"n": 7, "at": "2026-01-01T00:00:02.5Z"})
    assert played.events[-1].time_us == seconds * SECOND
    assert played.types[1:3] == ["WaitStateEntered", "WaitStateExited"]


@pytest.mark.parametrize("seconds", [1.5, -1, 100_000_000, "4", None])
def test_a_wait_that_is_no_whole_number_of_seconds_fails_the_run(seconds: Any) -> None:
    """What SecondsPath finds is refused as what Seconds says would be, with the error that nothing catches."""
    played = run(machine_of(W={"Type": "Wait", "SecondsPath": "$.n", "End": True}), {"n": seconds})
    assert (played.ended.status, played.ended.error) == ("FAILED", "States.Runtime")


@pytest.mark.parametrize("field", ["TimeoutSeconds", "HeartbeatSeconds"])
@pytest.mark.parametrize("seconds", [0, 2.5])
def test_a_time_out_that_a_path_finds_is_at_least_a_second(field: str, seconds: Any) -> None:
    """0 is no time-out at all, and nothing is called; neither is a fraction."""
    states = machine_of(T=task(**{f"{field}Path": "$.n"}, Catch=[catch("S")]), S={"Type": "Succeed"})
    played = run(states, {"n": seconds}, f=1)
    assert (played.ended.status, played.ended.error, played.calls) == ("FAILED", "States.Runtime", [])
    assert run(states, {"n": 1}, f=1).ended.status == "SUCCEEDED"


def test_seconds_of_an_expression_are_whole_too() -> None:
    """In JSONata the failure is one of the expression, which can be caught."""
    wait = {"Type": "Wait", "Seconds": "{% $states.input.n %}", "End": True}
    states = {"QueryLanguage": "JSONata", **machine_of(W=wait)}
    assert run(states, {"n": 1.5}).ended.error == "States.QueryEvaluationError"
    assert run(states, {"n": 2.0}).events[-1].time_us == 2 * SECOND


# --- parallel -------------------------------------------------------------------------------------------------------
def parallel(*branches: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A Parallel of these branches."""
    following = {} if "Next" in fields else {"End": True}
    return {"Type": "Parallel", "Branches": list(branches), **following, **fields}


def test_outputs_are_in_the_order_of_the_branches() -> None:
    """Whoever ends first, the output is by branch."""
    states = machine_of(P=parallel(machine_of(A=task("slow")), machine_of(B=task("fast"))))
    assert run(states, slow=After(2, "a"), fast="b").ended.output == ["a", "b"]


def test_a_failing_branch_aborts_the_task_states_as_the_service_does() -> None:
    """TaskStateAborted for the failing task and for the others, then ParallelStateFailed, which the failure led to."""
    states = machine_of(P=parallel(machine_of(A=task("slow")), machine_of(B=task("bad"))))
    played = run(states, slow=After(9, 1), bad=BOOM)
    assert played.types[-5:] == [
        "LambdaFunctionFailed",
        "TaskStateAborted",
        "TaskStateAborted",
        "ParallelStateFailed",
        "ExecutionFailed",
    ]
    failed, own, _, whole, end = played.events[-5:]
    assert (own.previous_id, whole.previous_id, end.previous_id) == (failed.id, own.id, whole.id)
    assert played.ended.error == "Boom"


def test_what_was_aborted_in_its_back_off_is_not_tried_again() -> None:
    """A branch that waits for its next attempt makes none once another branch has failed the Parallel."""
    waiting = machine_of(A=task("flaky", Retry=[retry(IntervalSeconds=5)]))
    states = machine_of(
        P=parallel(waiting, machine_of(B=task("bad")), Catch=[catch("W")]),
        W={"Type": "Wait", "Seconds": 60, "End": True},
    )
    played = run(states, flaky=BOOM, bad=After(1, BOOM))
    assert [call.function for call in played.calls] == ["flaky", "bad"]
    assert played.ended.status == "SUCCEEDED"


def test_a_fail_state_in_a_branch_has_no_aborted_event() -> None:
    """Only states that can be under way are aborted."""
    played = run(machine_of(P=parallel(machine_of(F={"Type": "Fail", "Error": "E"}))))
    assert played.types[-3:] == ["FailStateEntered", "ParallelStateFailed", "ExecutionFailed"]


def test_a_parallel_catches_what_failed_in_it() -> None:
    """The catcher gets the branch's error, and the state is left."""
    states = machine_of(
        P=parallel(machine_of(B=task()), Catch=[catch("S", "Boom", ResultPath="$.e")]), S={"Type": "Succeed"}
    )
    played = run(states, {"k": 1}, f=BOOM)
    assert played.ended.output == {"k": 1, "e": {"Error": "Boom", "Cause": BOOM.cause}}
    assert "ParallelStateExited" in played.types


@pytest.mark.parametrize("transition_us", [0, 20_000])
def test_a_branch_that_has_not_begun_when_another_fails_does_not_begin(transition_us: int) -> None:
    """The first branch fails at once; the state of the second is never entered."""
    branches = machine_of(F={"Type": "Fail", "Error": "E"}), machine_of(Q={"Type": "Pass", "End": True})
    states = machine_of(P=parallel(*branches, Catch=[catch("W")]), W={"Type": "Wait", "Seconds": 5, "End": True})
    played = run(states, limits=Limits(transition_us=transition_us))
    assert "PassStateEntered" not in played.types
    assert played.ended.status == "SUCCEEDED"


def test_a_runtime_error_in_a_branch_passes_the_catcher_of_the_parallel() -> None:
    """States.Runtime fails the whole execution from anywhere."""
    branch = machine_of(A={"Type": "Pass", "InputPath": "$.no", "End": True})
    played = run(machine_of(P=parallel(branch, Catch=[catch("S")]), S={"Type": "Succeed"}))
    assert played.ended.error == "States.Runtime"


# --- map ------------------------------------------------------------------------------------------------------------
def map_of(mode: str = "INLINE", **fields: Any) -> dict[str, Any]:
    """A Map over $.items, whose items go through f."""
    config = {"Mode": mode, **({"ExecutionType": "STANDARD"} if mode == "DISTRIBUTED" else {})}
    processor = {"ProcessorConfig": config, **machine_of(I=task())}
    return {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": processor, "End": True, **fields}


@pytest.mark.parametrize("mode", ["INLINE", "DISTRIBUTED"])
@pytest.mark.parametrize(("most", "lasts"), [(1, 4), (2, 2), (0, 1)])
def test_no_more_iterations_at_once_than_are_allowed(mode: str, most: int, lasts: int) -> None:
    """Four items of a second each last as long as MaxConcurrency says; outputs are in the order of the items."""
    played = run(machine_of(M=map_of(mode, MaxConcurrency=most)), {"items": [4, 3, 2, 1]}, f=lambda n: After(1, n * 10))
    assert played.ended.output == [40, 30, 20, 10]
    assert played.events[-1].time_us == lasts * SECOND


@pytest.mark.parametrize("most", [{}, {"MaxConcurrency": 100}])
def test_the_service_runs_forty_inline_iterations_at_once(most: dict[str, int]) -> None:
    """Without MaxConcurrency, or with more, an inline Map takes 40 items at a time."""
    played = run(machine_of(M=map_of(**most)), {"items": list(range(41))}, f=After(1, 0))
    assert played.events[-1].time_us == 2 * SECOND


def test_an_iteration_follows_from_the_one_whose_place_it_takes() -> None:
    """The parent of a later MapIterationStarted is the last state's exit in the iteration before it."""
    events = run(machine_of(M=map_of(MaxConcurrency=1)), {"items": [1, 2]}, f=0).events
    first, second = (event for event in events if event.type == "MapIterationStarted")
    assert [events[one.previous_id - 1].type for one in (first, second)] == ["MapStateStarted", "TaskStateExited"]


def test_an_item_selector_sees_the_item_and_the_whole_input() -> None:
    """$$.Map.Item has index and value; "$" is the input of the Map."""
    selector = {"n.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value", "k.$": "$.k"}
    played = run(machine_of(M=map_of(ItemSelector=selector)), {"items": ["a"], "k": 5}, f=lambda payload: payload)
    assert played.ended.output == [{"n": 0, "v": "a", "k": 5}]


def test_a_failing_iteration_aborts_the_others() -> None:
    """The failing one is MapIterationFailed, the others MapIterationAborted; then the Map fails."""
    played = run(machine_of(M=map_of()), {"items": [1, 2]}, f=lambda n: BOOM if n == 2 else After(5, n))
    assert played.types[-6:] == [
        "TaskStateAborted",
        "MapIterationFailed",
        "TaskStateAborted",
        "MapIterationAborted",
        "MapStateFailed",
        "ExecutionFailed",
    ]


def test_items_that_are_no_array_fail_the_run() -> None:
    """A Map over something else is States.Runtime."""
    assert run(machine_of(M=map_of()), {"items": 3}, f=1).ended.error == "States.Runtime"


def test_a_distributed_map_has_a_child_execution_for_each_item() -> None:
    """Each child has a history of its own; the parent's tells of the map run only."""
    played = run(machine_of(M=map_of("DISTRIBUTED")), {"items": [1, 2]}, f=lambda n: n + 1)
    assert played.types == [
        "ExecutionStarted",
        "MapStateEntered",
        "MapStateStarted",
        "MapRunStarted",
        "MapRunSucceeded",
        "MapStateSucceeded",
        "MapStateExited",
        "ExecutionSucceeded",
    ]
    assert len(played.machines) == 3
    assert played.ended.output == [2, 3]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, "FAILED"),
        ({"ToleratedFailureCount": 1}, "FAILED"),
        ({"ToleratedFailureCount": 2}, "SUCCEEDED"),
        ({"ToleratedFailurePercentage": 49}, "FAILED"),
        ({"ToleratedFailurePercentage": 50}, "SUCCEEDED"),
    ],
)
def test_a_distributed_map_tolerates_as_many_failures_as_it_says(fields: dict[str, Any], status: str) -> None:
    """Two of four children fail; above the threshold the error is States.ExceedToleratedFailureThreshold."""
    states = machine_of(M=map_of("DISTRIBUTED", **fields))
    played = run(states, {"items": [1, 2, 3, 4]}, f=lambda n: n if n % 2 else BOOM)
    assert played.ended.status == status
    if status == "FAILED":
        assert played.ended.error == "States.ExceedToleratedFailureThreshold"
    else:
        assert played.ended.output == [1, 3]


def test_children_that_run_are_stopped_when_the_map_run_fails() -> None:
    """The map run fails before the Map does, and its other children are aborted."""
    played = run(machine_of(M=map_of("DISTRIBUTED")), {"items": [1, 2]}, f=lambda n: BOOM if n == 2 else After(5, n))
    assert [machine.status for machine in played.machines.values()] == ["FAILED", "ABORTED", "FAILED"]
    assert played.types[-3:] == ["MapRunFailed", "MapStateFailed", "ExecutionFailed"]


def test_children_take_items_in_batches() -> None:
    """ItemBatcher gives each child up to so many items, with its own part of the input."""
    batcher = {"MaxItemsPerBatch": 2, "BatchInput": {"k.$": "$.k"}}
    played = run(
        machine_of(M=map_of("DISTRIBUTED", ItemBatcher=batcher)), {"items": [1, 2, 3], "k": 9}, f=lambda one: one
    )
    assert played.ended.output == [{"BatchInput": {"k": 9}, "Items": [1, 2]}, {"BatchInput": {"k": 9}, "Items": [3]}]


# --- limits, history ------------------------------------------------------------------------------------------------
def test_a_history_that_is_full_fails_the_run() -> None:
    """An endless loop ends with exactly as many events as a history may have, the last of them ExecutionFailed."""
    rule = {"Variable": "$.n", "NumericEquals": 1, "Next": "End"}
    choice = {"Type": "Choice", "Choices": [rule], "Default": "A"}
    states = machine_of(A={"Type": "Pass", "Next": "C"}, C=choice, End={"Type": "Succeed"})
    played = run(states, {"n": 0}, limits=Limits(history=100))
    assert (len(played.events), played.types[-1], played.ended.status) == (100, "ExecutionFailed", "FAILED")


def test_after_a_full_history_no_result_counts() -> None:
    """A task that is under way when the history is full is waited for no more."""
    turn = {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericEquals": 1, "Next": "End"}], "Default": "A"}
    loop = machine_of(A={"Type": "Pass", "Next": "C"}, C=turn, End={"Type": "Succeed"})
    states = machine_of(P=parallel(machine_of(T=task()), loop))
    played = Driver(states, {"n": 0}, {"f": After(5, 1)}, Limits(history=50))
    played.run(1)
    assert (played.ended.status, len(played.events)) == ("FAILED", 50)
    assert not played.machine.waits_for(played.calls[0].token)


def test_a_full_history_stops_the_children_that_run() -> None:
    """Child executions do not outlive the execution that started them."""
    turn = {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericEquals": 1, "Next": "End"}], "Default": "A"}
    loop = machine_of(A={"Type": "Pass", "Next": "C"}, C=turn, End={"Type": "Succeed"})
    states = machine_of(P=parallel(machine_of(M=map_of("DISTRIBUTED")), loop))
    played = run(states, {"n": 0, "items": [1]}, Limits(history=50), f=After(5, 1))
    assert [machine.status for machine in played.machines.values()] == ["FAILED", "ABORTED"]


def limited(state: dict[str, Any], whole_input: Any = None, **functions: Any) -> Driver:
    """A state of which at most 90 bytes may come or go, and whose errors are all caught."""
    states = machine_of(T={**state, "Catch": [catch("S", ResultPath=None)]}, S={"Type": "Succeed"})
    return run(states, whole_input, Limits(payload_bytes=90), **functions)


def test_a_task_result_that_is_too_large_is_a_failure_of_the_task() -> None:
    """States.DataLimitExceeded can be caught; a result below the limit is none."""
    assert limited(task(), "in", f="x" * 88).ended.output == "x" * 88
    played = limited(task(), "in", f="x" * 89)
    assert "LambdaFunctionFailed" in played.types
    assert played.ended.output == "in"


def test_a_payload_that_is_too_large_is_not_sent() -> None:
    """Nothing is scheduled, and the error can be caught."""
    played = limited(task(Parameters={"a.$": "$", "b.$": "$"}), "x" * 45, f=0)
    assert (played.calls, played.ended.output) == ([], "x" * 45)


def test_a_state_output_that_is_too_large_fails_the_run() -> None:
    """A Pass has no catcher; the run fails as States.DataLimitExceeded."""
    played = run(machine_of(P={"Type": "Pass", "Result": "x" * 60, "End": True}), None, Limits(payload_bytes=50))
    assert (played.ended.status, played.ended.error) == ("FAILED", "States.DataLimitExceeded")


def test_ids_are_dense_and_parents_come_before_their_children() -> None:
    """Every event's parent is an earlier event, 0 only for the first and for what the start itself entered."""
    states = machine_of(P=parallel(machine_of(A=task()), machine_of(M=map_of(ItemsPath="$.i"))))
    events = run(states, {"i": [1, 2, 3]}, f=lambda payload: 1).events
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    assert all(event.previous_id < event.id for event in events)
    assert [event.id for event in events if event.previous_id == 0] == [1, 2]
    assert all(one.time_us <= other.time_us for one, other in pairwise(events))


def test_a_transition_takes_its_time() -> None:
    """With a latency of transitions, each state is entered that much later."""
    played = run(machine_of(T=task(Next="S"), S={"Type": "Succeed"}), limits=Limits(transition_us=20_000), f=1)
    assert [event.time_us for event in played.events if event.type.endswith("Entered")] == [20_000, 40_000]


# --- redrive --------------------------------------------------------------------------------------------------------
def redriven(definition: dict[str, Any], whole_input: Any = None, **functions: Any) -> Driver:
    """Play a definition to its failure, redrive it, and play it to its end."""
    played = run(definition, whole_input, **functions)
    assert played.ended.status != "SUCCEEDED"
    played.tell("x", played.machine.redrive(played.now_us))
    return played.run()


def test_a_redrive_goes_on_at_the_state_that_failed_with_fresh_retries() -> None:
    """What succeeded is not run again; the failed task is, with the same step and all its retries."""
    states = machine_of(A=task("a", Next="B"), B=task("b", Retry=[retry(MaxAttempts=1)]))
    played = redriven(states, a=1, b=[BOOM, BOOM, BOOM, 2])
    assert [call.function for call in played.calls] == ["a", "b", "b", "b", "b"]
    assert {call.step for call in played.calls if call.function == "b"} == {2}
    assert "ExecutionRedriven" in played.types
    assert (played.ended.status, played.ended.output) == ("SUCCEEDED", 2)


def test_a_redriven_parallel_runs_only_the_branches_that_did_not_end() -> None:
    """The branch that ended is kept, the one that failed and the one that was aborted are taken up again."""
    branches = [machine_of(**{name: task(name.lower())}) for name in ("A", "B", "C")]
    played = redriven(machine_of(P=parallel(*branches)), a="a", b=[After(1, BOOM), "b"], c=[After(5, "late"), "c"])
    assert [call.function for call in played.calls] == ["a", "b", "c", "b", "c"]
    assert played.ended.output == ["a", "b", "c"]


@pytest.mark.parametrize("mode", ["INLINE", "DISTRIBUTED"])
def test_a_redriven_map_runs_only_the_items_that_did_not_end(mode: str) -> None:
    """Items that succeeded keep their outputs; the failed one and those that had not begun are run."""
    failing = [BOOM]
    states = machine_of(M=map_of(mode, MaxConcurrency=1))
    played = redriven(states, {"items": [1, 2, 3]}, f=lambda n: failing.pop() if n == 2 and failing else n * 10)
    assert [call.payload for call in played.calls] == [1, 2, 2, 3]
    assert played.ended.output == [10, 20, 30]


def test_a_redriven_child_goes_on_where_it_failed() -> None:
    """What succeeded in a child execution is not run again either."""
    child = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}
    child |= machine_of(A=task("a", Next="B"), B=task("b"))
    states = machine_of(M={"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": child, "End": True})
    played = redriven(states, {"items": [1]}, a=1, b=[BOOM, 2])
    assert [call.function for call in played.calls] == ["a", "b", "b"]
    assert "MapRunRedriven" in played.types
    assert played.ended.output == [2]


@pytest.mark.parametrize(("lasts", "status", "ended_s"), [(4, "SUCCEEDED", 9), (9, "TIMED_OUT", 10)])
def test_a_redriven_timeout_has_the_whole_time_again(lasts: int, status: str, ended_s: int) -> None:
    """An execution that timed out as a whole is redriven with its TimeoutSeconds from now."""
    states = {"TimeoutSeconds": 5, **machine_of(T=task())}
    played = Driver(states, None, {"f": [After(9, 1), After(lasts, 2)]}).run(5)
    assert played.ended.status == "TIMED_OUT"
    played.tell("x", played.machine.redrive(played.now_us))
    played.run()
    assert (played.ended.status, played.events[-1].time_us) == (status, ended_s * SECOND)


def test_the_deadline_of_before_is_off_after_a_redrive() -> None:
    """A failed execution that is redriven is not ended by the time-out of its first life."""
    states = {"TimeoutSeconds": 10, **machine_of(T=task())}
    played = Driver(states, None, {"f": [After(2, BOOM), After(9, 2)]}).run(2)
    played.tell("x", played.machine.redrive(played.now_us))
    played.run()
    assert (played.ended.status, played.events[-1].time_us) == ("SUCCEEDED", 11 * SECOND)


def test_what_succeeded_or_runs_is_not_redriven() -> None:
    """A redrive of it does nothing."""
    played = run(machine_of(S={"Type": "Succeed"}))
    assert played.machine.redrive(played.now_us) == []
    assert played.ended.status == "SUCCEEDED"


def test_a_full_history_takes_no_event_of_a_redrive() -> None:
    """The redrive is refused: the history stays as long as it is, and the execution as it ended."""
    states = machine_of(A={"Type": "Pass", "Next": "B"}, B={"Type": "Pass", "Next": "S"}, S={"Type": "Succeed"})
    played = run(states, limits=Limits(history=5))
    assert (played.ended.status, len(played.events)) == ("FAILED", 5)
    assert played.machine.redrive(played.now_us) == []
    assert (played.ended.status, len(played.events)) == ("FAILED", 5)
