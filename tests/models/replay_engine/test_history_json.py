"""Histories in the exchange form: what a real server wrote is read, and what is written the real parser reads."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from durable_sim.errors import UserError
from durable_sim.models.replay import events
from durable_sim.models.replay.events import Event
from durable_sim.models.replay.exchange.fields import FIELDS
from durable_sim.models.replay.exchange.histories import from_json, run_uuid, to_json
from durable_sim.models.replay.order import HistoryError
from durable_sim.workflows.failures import Failure
from durable_sim.workflows.retry import RetryPolicy

GOLDENS = sorted((Path(__file__).parents[2] / "conformance" / "temporal" / "histories").glob("*.json"))
BY_NAME = {path.stem: path for path in GOLDENS}
FLAKY = Failure("Flaky", "boom", non_retryable=True, next_retry_delay_us=700_000, details=("why", 3))
POLICY = RetryPolicy("0.5s", 3.0, None, 4, ("Fatal",))
MEANINGLESS = {
    *("taskId", "requestId", "historySizeBytes", "sdkMetadata", "meteringMetadata", "eventGroupMarkers", "priority"),
    *("header", "namespace", "namespaceId", "parentWorkflowNamespace", "parentWorkflowNamespaceId", "normalName"),
    *("prevAutoResetPoints", "inheritBuildId", "useWorkflowBuildId", "stackTrace", "source"),
}


def golden(name: str) -> dict[str, Any]:
    """A history as the real server wrote it."""
    return json.loads(BY_NAME[name].read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def meaning(node: Any) -> Any:
    """Protobuf JSON without what carries no meaning, without what is at its default, with payloads opened."""
    if isinstance(node, list):
        return [meaning(item) for item in node]
    if isinstance(node, dict) and "encoding" in node.get("metadata", {}):
        value = json.loads(base64.b64decode(node["data"]), object_hook=whole_microseconds)
        return {"value": value, "indexed": node["metadata"].get("type")}
    if isinstance(node, dict):
        kept = {key: meaning(value) for key, value in node.items() if key not in MEANINGLESS}
        return {key: value for key, value in kept.items() if value not in (0, False, "", "0.000000s", [], {}, None)}
    return cut(node) if isinstance(node, str) else node


def whole_microseconds(node: dict[str, Any]) -> dict[str, Any]:
    """The times in the marker of a local activity, too."""
    return {key: value // 1000 if key == "nanos" else value for key, value in node.items()}


def cut(text: str) -> str:
    """Times and durations in whole microseconds."""
    whole, dot, rest = text.partition(".")
    if dot and rest[-1:] in ("s", "Z") and rest[:-1].isdigit():
        return f"{whole}.{rest[:-1].ljust(6, '0')[:6]}{rest[-1]}"
    return f"{text[:-1]}.000000s" if text[:-1].isdigit() and text.endswith("s") else text


# --- what a real server wrote ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_a_recorded_history_is_the_same_after_a_round_trip(path: Path) -> None:
    """All that carries meaning is read from it, and written again at the same place."""
    recorded = json.loads(path.read_text(encoding="utf-8"))
    read = from_json(recorded)
    assert [event.id for event in read] == list(range(1, len(recorded["events"]) + 1))
    assert meaning(to_json(read)) == meaning(recorded)
    assert from_json(json.dumps(to_json(read))) == read


def test_there_are_54_recorded_histories() -> None:
    """The folder is where the tests look for it."""
    assert len(GOLDENS) == 54


def test_payloads_durations_and_failures_are_plain_values() -> None:
    """A reader of the events needs to know nothing about base64, protobuf or prefixes."""
    scheduled, started, failed = from_json(golden("e4_sched_to_close_no_time_left"))[4:7]
    assert scheduled.attributes["input"] == ["s2c 4s, 1s x2"]
    assert scheduled.attributes["schedule_to_close_us"] == 4_000_000
    assert scheduled.attributes["retry_policy"].initial_interval == "1s"
    assert "heartbeat_us" not in scheduled.attributes
    assert started.attributes["last_failure"] == Failure("ValueError", "always")
    assert failed.attributes["retry_state"] == "TIMEOUT"


def test_a_chain_of_failures_keeps_its_kinds() -> None:
    """What failed the workflow is an activity's failure, whose cause is the application's."""
    failure = from_json(golden("c_saga"))[-1].attributes["failure"]
    assert (failure.kind, failure.type, failure.info["activity_type"]) == ("activity", "ActivityError", "fail_n")
    assert failure.cause == Failure("Flaky", "boom attempt 3")


def test_times_count_from_the_start_of_simulated_time() -> None:
    """Whole microseconds since 2026-01-01, the rest is cut off."""
    document = golden("h_timer")
    document["events"][0]["eventTime"] = "2026-01-01T01:00:00.123456789+01:00"
    assert from_json(document)[0].time_us == 123_456
    document["events"][0]["eventTime"] = "2025-12-31T23:59:59Z"
    assert from_json(document)[0].time_us == -1_000_000


def test_the_short_names_of_types_and_enums_are_read_too() -> None:
    """Older tools write `TimerFired` and `StartToClose` where newer ones write the full names."""
    long = golden("t_workflow_task_timed_out")
    short = copy.deepcopy(long)
    for event, read in zip(short["events"], from_json(long), strict=True):
        event["eventType"] = read.type
        attributes = event.get("workflowTaskTimedOutEventAttributes", {})
        if attributes:
            attributes["timeoutType"] = "StartToClose"
    assert short != long
    assert from_json(short) == from_json(long)


# --- what is written ------------------------------------------------------------------------------------------------
def every_type() -> tuple[Event, ...]:
    """One event of each type, with every attribute that it can have."""
    execution = {"workflow_id": "other", "run_id": "r7"}
    child = {**execution, "workflow_type": "Child", "initiated_event_id": 5}
    closed = {**child, "started_event_id": 6}
    task = {"workflow_task_completed_event_id": 4}
    activity = {"scheduled_event_id": 5, "started_event_id": 6, "identity": "w1"}
    server = Failure("ServerFailure", "UnhandledCommand", kind="server")
    heartbeat = Failure(
        "ActivityTimeout", "activity Heartbeat timeout", False, "HEARTBEAT", kind="timeout", details=(7,)
    )
    canceled = Failure("CancelledFailure", "Cancelled", kind="canceled", details=("half",))
    of_activity = Failure(
        *("ActivityError", "Activity task failed", False, None, None, canceled, "activity"),
        info={
            **{"activity_type": "pay", "activity_id": "1", "scheduled_event_id": 5, "started_event_id": 0},
            **{"retry_state": "TIMEOUT", "identity": "w1"},
        },
    )
    of_child = Failure(
        *("ChildWorkflowError", "Child Workflow execution failed", False, None, None, of_activity, "child"),
        info={**closed, "retry_state": "RETRY_POLICY_NOT_SET"},
    )
    terminated = Failure("TerminatedFailure", "terminated", kind="terminated")
    limits = {"execution_timeout_us": 9_000_000, "run_timeout_us": 8_000_000, "task_timeout_us": 10_000_000}
    start = {
        **{"workflow_type": "Order", "workflow_id": "o-1", "run_id": "r1", "first_run_id": "r0", "input": [1, None]},
        **{"task_queue": "main", **limits, "attempt": 2, "first_task_backoff_us": 0, "retry_policy": POLICY},
        **{"continued_run_id": "r0", "initiator": "CONTINUE_AS_NEW", "memo": {"note": None, "tags": ["a"]}},
        "parent": {"workflow_id": "p", "run_id": "r5", "initiated_event_id": 9},
        "root": {"workflow_id": "p", "run_id": "6f9619ff-8b86-d011-b42d-00c04fc964ff"},
        "search_attributes": {"Region": "eu", "Tags": ["a"], "Size": 3, "Ratio": 0.5, "Vip": True},
        **{"last_failure": of_child, "identity": "client"},
    }
    child_start = {
        **{"workflow_id": "other", "workflow_type": "Child", "task_queue": "main", "input": [{"a": [1.5]}], **limits},
        **{
            "parent_close_policy": "REQUEST_CANCEL",
            "id_reuse_policy": "REJECT_DUPLICATE",
            "retry_policy": POLICY,
            **task,
        },
    }
    schedule = {
        **{
            "activity_id": "1",
            "activity_type": "pay",
            "task_queue": "main",
            "input": [],
            "retry_policy": POLICY,
            **task,
        },
        **{"schedule_to_close_us": 5, "schedule_to_start_us": 4, "start_to_close_us": 3, "heartbeat_us": 2},
    }
    note = {"seq": 1, "attempt": 1, "activity_id": "1", "activity_type": "pay", "complete_us": 1_500_001}
    marker = {"data": [{**note, "backoff_us": None, "original_schedule_us": 0}], "result": [None]}
    backing_off = {"data": [{**note, "backoff_us": 2_000_001, "original_schedule_us": 3}]}
    told: list[tuple[str, dict[str, Any]]] = [
        ("WorkflowExecutionStarted", start),
        (
            "WorkflowTaskScheduled",
            {"task_queue": "w1:sticky", "task_queue_kind": "STICKY", "start_to_close_us": 10_000_000, "attempt": 1},
        ),
        (
            "WorkflowTaskStarted",
            {"scheduled_event_id": 2, "identity": "w1", "suggest_continue_as_new": True, "build_id": "v2"},
        ),
        ("WorkflowTaskCompleted", {"scheduled_event_id": 2, "started_event_id": 3, "identity": "w1", "build_id": "v2"}),
        (
            "WorkflowTaskFailed",
            {
                **{"scheduled_event_id": 2, "started_event_id": 3, "cause": "RESET_WORKFLOW", "failure": server},
                **{"identity": "w1", "base_run_id": "r1", "new_run_id": "r2"},
            },
        ),
        ("WorkflowTaskTimedOut", {"scheduled_event_id": 2, "started_event_id": 0, "timeout_type": "SCHEDULE_TO_START"}),
        ("ActivityTaskScheduled", schedule),
        (
            "ActivityTaskStarted",
            {"scheduled_event_id": 5, "identity": "w1", "attempt": 2, "last_failure": heartbeat, "build_id": "v2"},
        ),
        ("ActivityTaskCompleted", {"result": {"ok": [True, None, "é"]}, **activity}),
        ("ActivityTaskFailed", {"failure": FLAKY, **activity, "retry_state": "NON_RETRYABLE_FAILURE"}),
        (
            "ActivityTaskTimedOut",
            {"failure": heartbeat, "scheduled_event_id": 5, "started_event_id": 0, "retry_state": "TIMEOUT"},
        ),
        ("ActivityTaskCancelRequested", {"scheduled_event_id": 5, **task}),
        ("ActivityTaskCanceled", {"details": ["half"], "latest_cancel_requested_event_id": 12, **activity}),
        ("TimerStarted", {"timer_id": "1", "start_to_fire_us": 86_400_000_000, **task}),
        ("TimerFired", {"timer_id": "1", "started_event_id": 14}),
        ("TimerCanceled", {"timer_id": "1", "started_event_id": 14, "identity": "w1", **task}),
        ("WorkflowExecutionSignaled", {"signal_name": "go", "input": [{"deep": {"run_id": "r1"}}], "identity": "x"}),
        (
            "WorkflowExecutionUpdateAccepted",
            {"update_id": "u1", "name": "add", "input": [3], "sequencing_event_id": 2, "identity": "x"},
        ),
        (
            "WorkflowExecutionUpdateCompleted",
            {"update_id": "u1", "accepted_event_id": 18, "identity": "x", "result": None},
        ),
        ("WorkflowExecutionUpdateCompleted", {"update_id": "u1", "accepted_event_id": 18, "failure": FLAKY}),
        ("WorkflowExecutionCancelRequested", {"cause": "no longer wanted", "identity": "x"}),
        ("StartChildWorkflowExecutionInitiated", child_start),
        (
            "StartChildWorkflowExecutionFailed",
            {
                **{"workflow_id": "other", "workflow_type": "Child", "cause": "WORKFLOW_ALREADY_EXISTS"},
                **{"initiated_event_id": 22, **task},
            },
        ),
        ("ChildWorkflowExecutionStarted", child),
        ("ChildWorkflowExecutionCompleted", {"result": 3, **closed}),
        ("ChildWorkflowExecutionFailed", {"failure": of_activity, "retry_state": "MAXIMUM_ATTEMPTS_REACHED", **closed}),
        ("ChildWorkflowExecutionCanceled", {"details": [], **closed}),
        ("ChildWorkflowExecutionTimedOut", {"retry_state": "TIMEOUT", **closed}),
        ("ChildWorkflowExecutionTerminated", closed),
        ("RequestCancelExternalWorkflowExecutionInitiated", {**execution, "child_workflow_only": True, **task}),
        (
            "RequestCancelExternalWorkflowExecutionFailed",
            {**execution, "cause": "EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND", "initiated_event_id": 30, **task},
        ),
        ("ExternalWorkflowExecutionCancelRequested", {"initiated_event_id": 30, **execution}),
        (
            "SignalExternalWorkflowExecutionInitiated",
            {**execution, "signal_name": "go", "input": [1], "child_workflow_only": False, **task},
        ),
        (
            "SignalExternalWorkflowExecutionFailed",
            {**execution, "cause": "EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND", "initiated_event_id": 33, **task},
        ),
        ("ExternalWorkflowExecutionSignaled", {"initiated_event_id": 33, **execution}),
        (
            "MarkerRecorded",
            {"marker_name": "core_patch", "details": {"patch-data": [{"id": "p", "deprecated": False}]}, **task},
        ),
        ("MarkerRecorded", {"marker_name": "core_local_activity", "details": marker, **task}),
        ("MarkerRecorded", {"marker_name": "core_local_activity", "details": backing_off, "failure": FLAKY, **task}),
        ("MarkerRecorded", {"marker_name": "SideEffect", "details": {"side-effect-id": [1], "data": ["v"]}, **task}),
        ("UpsertWorkflowSearchAttributes", {"search_attributes": {"TemporalChangeVersion": ["p"]}, **task}),
        ("WorkflowPropertiesModified", {"memo": {"note": "new"}, **task}),
        ("WorkflowExecutionCompleted", {"result": [1, 2], "new_run_id": "r2", **task}),
        (
            "WorkflowExecutionFailed",
            {"failure": terminated, "retry_state": "RETRY_POLICY_NOT_SET", "new_run_id": "r2", **task},
        ),
        ("WorkflowExecutionTimedOut", {"retry_state": "TIMEOUT", "new_run_id": "r2"}),
        ("WorkflowExecutionCanceled", {"details": ["x"], **task}),
        ("WorkflowExecutionTerminated", {"reason": "enough", "details": ["x"], "identity": "x"}),
        (
            "WorkflowExecutionContinuedAsNew",
            {
                **{"new_run_id": "r2", "workflow_type": "Order", "task_queue": "main", "input": [2]},
                **{"run_timeout_us": 8_000_000, "task_timeout_us": 10_000_000, "backoff_us": 784_474},
                **{"initiator": "RETRY", "failure": FLAKY, **task},
            },
        ),
    ]
    return tuple(Event(place, 1000 * place + 1, kind, dict(known)) for place, (kind, known) in enumerate(told, 1))


def test_every_type_of_event_comes_back_as_it_was() -> None:
    """With every attribute, also with run ids that are no UUIDs."""
    history = every_type()
    for event, read in zip(history, from_json(json.dumps(to_json(history))), strict=True):
        assert read == event


def test_every_type_of_event_is_tried_here() -> None:
    """The example above leaves out no type, and no attribute but those of resets that it shares."""
    names = {value for name, value in vars(events).items() if name.isupper() and isinstance(value, str)}
    tried = {event.type: set[str]() for event in every_type()}
    for event in every_type():
        tried[event.type] |= set(event.attributes)
    assert set(tried) == set(FIELDS) == names - {events.CHANGE_VERSION, events.RESET}
    optional = {"memo", "search_attributes"}
    for kind, fields in FIELDS.items():
        assert {field.name.partition(".")[0] for field in fields} - optional <= tried[kind], kind


@pytest.mark.parametrize("name", ["every_type", *BY_NAME])
def test_the_real_parser_takes_what_is_written(name: str) -> None:
    """No field is misspelt or of another type: the protobuf parser is told to refuse what it does not know."""
    history = pytest.importorskip("temporalio.api.history.v1").History
    json_format = pytest.importorskip("google.protobuf.json_format")
    read = every_type() if name == "every_type" else from_json(golden(name))
    parsed = json_format.ParseDict(to_json(read), history())
    assert len(parsed.events) == len(read)
    assert from_json(json_format.MessageToDict(parsed)) == read


def test_the_sdk_reads_what_is_written() -> None:
    """`WorkflowHistory.from_json` finds the run id, which it wants to be a UUID or nothing."""
    client = pytest.importorskip("temporalio.client")
    document = to_json(every_type())
    assert client.WorkflowHistory.from_json("o-1", document).run_id == run_uuid("r1")


@dataclass(frozen=True)
class Line:
    sku: str
    sizes: tuple[int, ...]


def test_json_makes_dicts_of_dataclasses_and_lists_of_tuples() -> None:
    """That much a round trip changes, and attributes that are internal or None are gone."""
    attributes = {"signal_name": "go", "input": [Line("a", (1, 2))], "identity": None, "step": 4}
    (read,) = from_json(to_json([Event(1, 0, "WorkflowExecutionSignaled", attributes)]))
    assert read.attributes == {"signal_name": "go", "input": [{"sku": "a", "sizes": [1, 2]}]}


def test_a_retry_policy_is_as_a_server_records_it() -> None:
    """The maximum interval is filled in, 100 times the initial one; the delays are those of the policy."""
    policy = RetryPolicy("60s", maximum_attempts=2)
    assert (policy.initial_interval, policy.maximum_interval) == ("1m", "1h40m")
    assert [policy.delay_us(attempt) for attempt in (1, 5, 50)] == [60 * 10**6, 960 * 10**6, 6000 * 10**6]
    assert RetryPolicy(policy.initial_interval, 2.0, policy.maximum_interval, 2) == policy


def test_run_ids_become_uuids_and_come_back() -> None:
    """The real tools see UUIDs, the same in every place; the ids of a user's data are left alone."""
    text = json.dumps(to_json(every_type()))
    assert text.count(run_uuid("r7")) > 10 and '"r7"' not in text
    assert run_uuid("6f9619ff-8b86-d011-b42d-00c04fc964ff") in text
    assert from_json(text)[0].attributes["run_id"] == "r1"
    foreign = to_json(every_type())
    del foreign["events"][0]["workflowExecutionStartedEventAttributes"]["header"]
    assert from_json(foreign)[0].attributes["run_id"] == run_uuid("r1")
    assert from_json(foreign)[16].attributes["input"] == [{"deep": {"run_id": "r1"}}]


def test_reading_leaves_the_document_as_it_was() -> None:
    """A parsed document can be read again."""
    document = to_json(every_type())
    before = copy.deepcopy(document)
    from_json(document)
    assert document == before


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (Event(3, 0, "TimerFird", {}), "event 3: found type 'TimerFird', expected did you mean 'TimerFired'?"),
        (Event(3, 0, "TimerFired", {"timer_id": "1", "started_event_id": 2, "step": {1}}), None),
        (
            Event(3, 0, "WorkflowExecutionSignaled", {"signal_name": "go", "input": [{1}]}),
            "event 3 (WorkflowExecutionSignaled): input: found {1}, expected data that JSON can carry",
        ),
    ],
)
def test_what_cannot_be_written_is_named(event: Event, said: str | None) -> None:
    """Internal attributes do not matter, other values must be JSON."""
    if said is None:
        assert to_json([event])["events"]
        return
    with pytest.raises(HistoryError) as error:
        to_json([event])
    assert said in str(error.value)


# --- what cannot be read --------------------------------------------------------------------------------------------
Change = Callable[[dict[str, Any]], Any]


def at(place: int, *path: str) -> Callable[[Any], Change]:
    """A change of one value of a document: of event `place`, at this path."""

    def to(value: Any) -> Change:
        def change(document: dict[str, Any]) -> None:
            node = document["events"][place - 1]
            for name in path[:-1]:
                node = node[name]
            node[path[-1]] = value

        return change

    return to


STARTED = "workflowExecutionStartedEventAttributes"
SCHEDULED = "activityTaskScheduledEventAttributes"
MISTAKES: dict[str, tuple[Change, str]] = {
    "an event type of later days": (
        at(5, "eventType")("EVENT_TYPE_NEXUS_OPERATION_SCHEDULED"),
        "event 5: eventType: found 'EVENT_TYPE_NEXUS_OPERATION_SCHEDULED', expected a type of event that durable_sim",
    ),
    "no event type": (at(5, "eventType")(None), "event 5: eventType: found nothing, expected an event type"),
    "a misspelt event type": (at(5, "eventType")("TimerStartd"), "did you mean 'TimerStarted'?"),
    "no id": (at(5, "eventId")(None), "event 5 (ActivityTaskScheduled): eventId: found nothing, expected an event id"),
    "an id that is no number": (at(5, "eventId")("five"), "eventId: found 'five', expected an event id, from 1"),
    "an id below one": (at(5, "eventId")("0"), "eventId: found '0', expected an event id, from 1"),
    "a time that is none": (at(5, "eventTime")("yesterday"), "eventTime: found 'yesterday', expected a time such as"),
    "a time that does not exist": (at(5, "eventTime")("2026-02-30T00:00:00Z"), "expected a time that exists"),
    "a duration without a unit": (
        at(5, SCHEDULED, "startToCloseTimeout")(30),
        f"{SCHEDULED}.startToCloseTimeout: found 30, expected a duration such as '30s' or '0.200s'",
    ),
    "a missing name": (
        at(5, SCHEDULED, "activityType")({}),
        f"{SCHEDULED}.activityType.name: found nothing, expected text",
    ),
    "a missing reference": (
        at(6, "activityTaskStartedEventAttributes", "scheduledEventId")(None),
        "scheduledEventId: found nothing, expected an event id, from 1",
    ),
    "another event's attributes": (at(5, "timerFiredEventAttributes")({}), f"expected {SCHEDULED}"),
    "attributes that are no object": (at(5, SCHEDULED)("x"), "found 'x', expected an object"),
    "an object that is none": (at(5, SCHEDULED, "activityType")("pay"), "found 'pay', expected an object with 'name'"),
    "a policy that cannot be followed": (
        at(5, SCHEDULED, "retryPolicy", "backoffCoefficient")(0.5),
        "retryPolicy.backoffCoefficient: found 0.5, expected a number from 1",
    ),
    "a payload that is encrypted": (
        at(1, STARTED, "input")({"payloads": [{"metadata": {"encoding": "YmluYXJ5L2VuY3J5cHRlZA=="}, "data": "AAAA"}]}),
        f"{STARTED}.input.encoding: found 'binary/encrypted', expected json/plain or binary/null",
    ),
    "a payload that is no JSON": (
        at(1, STARTED, "input")({"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "e30p"}]}),
        f"{STARTED}.input.data: found '{{}})', expected JSON",
    ),
    "a payload that is no base64": (
        at(1, STARTED, "input")({"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "?"}]}),
        "found '?', expected base64",
    ),
    "an event that is none": (lambda document: document["events"].insert(4, 7), "event 5: found 7, expected an object"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_document_that_cannot_be_read_says_where(mistake: str) -> None:
    """One line: which event, which place in it, what is there, what was expected."""
    change, said = MISTAKES[mistake]
    document = golden("c_saga")
    change(document)
    with pytest.raises(HistoryError) as error:
        from_json(document)
    assert said in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("{", "text that is no JSON"),
        ("[]", 'found [], expected an object {"events": [...]}'),
        ('{"events": {}}', 'expected an object {"events": [...]}'),
        ('{"events": [' + "[" * 100_000, "nested too deep"),
        ('{"events": [' + "1" * 10_000 + "]}", "text that is no JSON"),
        ("", "text that is no JSON"),
    ],
)
def test_text_that_is_no_history_is_refused_in_one_line(data: str, said: str) -> None:
    """The file as a whole may be wrong, too."""
    with pytest.raises(UserError) as error:
        from_json(data)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_failures_with_too_many_causes_are_refused() -> None:
    """A chain that no real program makes is a mistake of the file, not a traceback."""
    document = golden("c_saga")
    failure: dict[str, Any] = {}
    for _ in range(5000):
        failure = {"cause": failure}
    document["events"][-1]["workflowExecutionFailedEventAttributes"]["failure"] = failure
    with pytest.raises(UserError, match="nested too deep"):
        from_json(document)


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a document where a value can be replaced."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in list(pairs):
        yield node, key
        yield from places(value)


ODD = (None, 5, -1, 1.5, True, "", "x", "1" * 30, [], {}, [None], {"x": 1}, 10**400, "\ud800")


@pytest.mark.parametrize(
    "name", ["c_saga", "j2_update", "n4_local_activity_ok3", "n_patched_true", "k_child_ok__child"]
)
def test_no_broken_document_is_met_with_a_traceback(name: str) -> None:
    """Whatever stands in whatever place, it is read or refused as a mistake of the file."""
    document = golden(name)
    refused = 0
    for node, key in places(document):
        kept = node[key]
        for odd in ODD:
            node[key] = odd
            try:
                from_json(document)
            except UserError as error:
                refused += 1
                assert "\n" not in str(error)
        node[key] = kept
    assert refused > 500
    assert from_json(document) == from_json(golden(name))
