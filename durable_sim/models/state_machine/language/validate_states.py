"""Rules for single states: which fields a state of each type has in each query language, and what they hold.

Always holds: what leads from one state to another, and the machines inside Parallel and Map, are not looked at here.
"""

from __future__ import annotations

from collections.abc import Mapping

from durable_sim.errors import did_you_mean
from durable_sim.models.state_machine.language.checking import (
    JSONATA,
    JSONPATH,
    Check,
    Place,
    anything,
    assign,
    between,
    boolean,
    check_fields,
    expression,
    filled_text,
    is_object,
    object_template,
    objects,
    one_of,
    only_one_of,
    or_expression,
    path_or_call,
    path_or_null,
    reference_path,
    result_path,
    template,
    text,
    timestamp,
    whole,
)
from durable_sim.models.state_machine.language.validate_choice import choices
from durable_sim.models.state_machine.language.validate_retry import catch, retry

Fields = Mapping[str, Check]

LABEL_LONGEST = 40
DISTRIBUTED_ONLY = (
    "ItemReader",
    "ItemBatcher",
    "ResultWriter",
    "ToleratedFailureCount",
    "ToleratedFailureCountPath",
    "ToleratedFailurePercentage",
    "ToleratedFailurePercentagePath",
    "Label",
)


def check_state(place: Place) -> None:
    """All the rules of one state."""
    kind = place.value.get("Type")
    if not isinstance(kind, str) or kind not in _BOTH:
        _wrong_type(place, kind)
        return
    fields = {**_COMMON, **_BOTH[kind], **_OF_LANGUAGE[place.language][kind]}
    what = f"a {kind} state" if place.language == JSONPATH else f"a {kind} state in JSONata"
    _other_language(place, kind, fields)
    known = {name: fields.get(name, anything) for name in (*fields, *_foreign(place, kind, fields))}
    check_fields(place, known, _REQUIRED.get(kind, ()), what)
    _together(place, kind, fields)


def has_next(kind: object) -> bool:
    """Whether states of a type have Next or End."""
    return kind in ("Pass", "Task", "Wait", "Parallel", "Map")


def _wrong_type(place: Place, kind: object) -> None:
    if "Type" not in place.value:
        place.report(f"a state has no Type, expected one of {', '.join(_BOTH)}")
    else:
        near = did_you_mean(kind, _BOTH) if isinstance(kind, str) else f"one of {', '.join(_BOTH)}"
        place.at("Type").expected(f"a type of state; {near}")


def _foreign(place: Place, kind: str, fields: Fields) -> list[str]:
    """Fields that the same type of state has in the other query language only."""
    other = _OF_LANGUAGE[JSONPATH if place.jsonata else JSONATA][kind]
    return [name for name in place.value if name in other and name not in fields]


def _other_language(place: Place, kind: str, fields: Fields) -> None:
    for name in _foreign(place, kind, fields):
        other = JSONPATH if place.jsonata else JSONATA
        place.at(name).report(f"found {name}, a field of {other}, in a state whose query language is {place.language}")


def _together(place: Place, kind: str, fields: Fields) -> None:
    """Rules that look at more than one field."""
    state = place.value
    if has_next(kind):
        _next_or_end(place)
    for names in _EXCLUSIVE.get(kind, ()):
        only_one_of(place, [name for name in names if name in fields], f"a {kind} state", needed=kind == "Wait")
    timeout, heartbeat = state.get("TimeoutSeconds"), state.get("HeartbeatSeconds")
    if type(timeout) is int and type(heartbeat) is int and 1 <= timeout <= heartbeat:
        place.at("HeartbeatSeconds").expected(f"less than TimeoutSeconds, which is {timeout}")
    if kind == "Map":
        _map(place)


def _next_or_end(place: Place) -> None:
    end = place.value.get("End") is True
    if end and "Next" in place.value:
        place.report("found both Next and End, expected exactly one of them")
    elif not end and "Next" not in place.value:
        place.report("found neither Next nor End, expected exactly one of them")


def _map(place: Place) -> None:
    only_one_of(place, ("ItemProcessor", "Iterator"), "a Map state", needed=True)
    config = _config(place.value.get("ItemProcessor"))
    if config.get("Mode", "INLINE") != "INLINE":
        return
    for name in DISTRIBUTED_ONLY:
        if name in place.value:
            place.at(name).report(f"found {name} in an inline Map, expected ProcessorConfig.Mode 'DISTRIBUTED' with it")


def is_distributed(processor: object) -> bool:
    """Whether an ItemProcessor is run by child executions."""
    return _config(processor).get("Mode") == "DISTRIBUTED"


def _config(processor: object) -> Mapping[str, object]:
    config = processor.get("ProcessorConfig") if isinstance(processor, Mapping) else None
    return config if isinstance(config, Mapping) else {}


def processor_config(place: Place) -> None:
    """The ProcessorConfig of a Map's ItemProcessor."""
    if not isinstance(place.value, Mapping):
        place.expected("an object")
        return
    fields: Fields = {"Mode": one_of("INLINE", "DISTRIBUTED"), "ExecutionType": one_of("STANDARD", "EXPRESS")}
    distributed = place.value.get("Mode") == "DISTRIBUTED"
    check_fields(place, fields, ("ExecutionType",) if distributed else (), "a ProcessorConfig")
    if not distributed and "ExecutionType" in place.value:
        place.at("ExecutionType").report("found ExecutionType, which only a DISTRIBUTED Map has")


def branches(place: Place) -> None:
    """The list of machines of a Parallel state, without what is in them."""
    objects(place, "branches")


def _label(place: Place) -> None:
    filled_text(place)
    if isinstance(place.value, str) and len(place.value) > LABEL_LONGEST:
        place.expected(f"at most {LABEL_LONGEST} characters")


def _part(place: Place) -> None:
    """An object with templates in it."""
    if is_object(place):
        template(place)


def _items(place: Place) -> None:
    if isinstance(place.value, list):
        template(place)
    else:
        expression(place)


_SECONDS = or_expression(whole(1))
_COMMON: Fields = {
    "Type": text,
    "Comment": text,
    "QueryLanguage": one_of(JSONPATH, JSONATA),
}
_GOES_ON: Fields = {"Next": text, "End": boolean, "Assign": assign}
_MAY_FAIL: Fields = {"Retry": retry, "Catch": catch}

_BOTH: Mapping[str, Fields] = {
    "Pass": _GOES_ON,
    "Task": {
        **_GOES_ON,
        **_MAY_FAIL,
        "Resource": filled_text,
        "TimeoutSeconds": _SECONDS,
        "HeartbeatSeconds": _SECONDS,
        "Credentials": object_template,
    },
    "Choice": {"Choices": choices, "Default": text, "Assign": assign},
    "Wait": {**_GOES_ON, "Seconds": or_expression(whole(0)), "Timestamp": or_expression(timestamp)},
    "Succeed": {},
    "Fail": {"Error": or_expression(text), "Cause": or_expression(text)},
    "Parallel": {**_GOES_ON, **_MAY_FAIL, "Branches": branches},
    "Map": {
        **_GOES_ON,
        **_MAY_FAIL,
        "ItemProcessor": anything,
        "Iterator": anything,
        "ItemSelector": object_template,
        "MaxConcurrency": or_expression(whole(0)),
        "ItemReader": _part,
        "ItemBatcher": _part,
        "ResultWriter": _part,
        "ToleratedFailureCount": or_expression(whole(0)),
        "ToleratedFailurePercentage": or_expression(between(0, 100)),
        "Label": _label,
    },
}
"""Fields of a type in both languages.

Of ItemReader, ItemBatcher and ResultWriter only paths and expressions are looked at.
"""

_IN_OUT: Fields = {"InputPath": path_or_null, "OutputPath": path_or_null}
_RESULT: Fields = {
    **_IN_OUT,
    "ResultPath": result_path,
    "Parameters": object_template,
    "ResultSelector": object_template,
}
_WORKING: Fields = {"Arguments": template, "Output": template}

_OF_LANGUAGE: Mapping[str, Mapping[str, Fields]] = {
    JSONPATH: {
        "Pass": {**_IN_OUT, "ResultPath": result_path, "Parameters": object_template, "Result": anything},
        "Task": {**_RESULT, "TimeoutSecondsPath": reference_path, "HeartbeatSecondsPath": reference_path},
        "Choice": _IN_OUT,
        "Wait": {**_IN_OUT, "SecondsPath": reference_path, "TimestampPath": reference_path},
        "Succeed": _IN_OUT,
        "Fail": {"ErrorPath": path_or_call, "CausePath": path_or_call},
        "Parallel": _RESULT,
        "Map": {
            **_RESULT,
            "ItemsPath": reference_path,
            "MaxConcurrencyPath": reference_path,
            "ToleratedFailureCountPath": reference_path,
            "ToleratedFailurePercentagePath": reference_path,
        },
    },
    JSONATA: {
        "Pass": {"Output": template},
        "Task": _WORKING,
        "Choice": {"Output": template},
        "Wait": {"Output": template},
        "Succeed": {"Output": template},
        "Fail": {},
        "Parallel": _WORKING,
        "Map": {"Output": template, "Items": _items},
    },
}

_REQUIRED: Mapping[str, tuple[str, ...]] = {"Task": ("Resource",), "Choice": ("Choices",), "Parallel": ("Branches",)}

_EXCLUSIVE: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "Task": (("TimeoutSeconds", "TimeoutSecondsPath"), ("HeartbeatSeconds", "HeartbeatSecondsPath")),
    "Wait": (("Seconds", "Timestamp", "SecondsPath", "TimestampPath"),),
    "Fail": (("Error", "ErrorPath"), ("Cause", "CausePath")),
    "Map": (
        ("MaxConcurrency", "MaxConcurrencyPath"),
        ("ToleratedFailureCount", "ToleratedFailureCountPath"),
        ("ToleratedFailurePercentage", "ToleratedFailurePercentagePath"),
        ("ItemSelector", "Parameters"),
    ),
}
"""Groups of fields of which a state has at most one; a Wait state exactly one."""
