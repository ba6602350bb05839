"""Rules for Retry and Catch.

Always holds: a list that passes can be given to `Retriers` and `catcher`.
"""

from __future__ import annotations

from durable_sim.errors import did_you_mean
from durable_sim.models.state_machine.language import errors
from durable_sim.models.state_machine.language.checking import (
    Check,
    Place,
    assign,
    between,
    check_fields,
    objects,
    one_of,
    result_path,
    template,
    text,
    whole,
)

DELAY_MAX_S = 31_622_400
_RESERVED = "States."
_HTTP = "States.Http."


def retry(place: Place) -> None:
    """A list of retriers."""
    entries = objects(place, "retriers", empty=True)
    for entry in entries:
        check_fields(entry, _RETRIER, ("ErrorEquals",), "a retrier")
        _delays(entry)
    _all_is_last(entries)


def catch(place: Place) -> None:
    """A list of catchers."""
    entries = objects(place, "catchers", empty=True)
    for entry in entries:
        check_fields(entry, _CATCHER[entry.language], ("ErrorEquals", "Next"), "a catcher")
    _all_is_last(entries)


def error_equals(place: Place) -> None:
    """A list of names of errors."""
    if not isinstance(place.value, list) or not place.value:
        place.expected("a list of names of errors, at least one")
        return
    for entry in place.entries():
        text(entry)
        name = entry.value
        if isinstance(name, str) and name.startswith(_RESERVED) and not name.startswith(_HTTP):
            if name not in errors.RESERVED:
                entry.report(f"found {name!r}, which is no error of the service; {did_you_mean(name, errors.RESERVED)}")


def _all_is_last(entries: list[Place]) -> None:
    """States.ALL stands alone, and only entries with States.ALL stand behind it (those are idle, but no lie)."""
    later_all = True
    for entry in reversed(entries):
        names = entry.value.get("ErrorEquals")
        if isinstance(names, list) and errors.ALL in names:
            if len(names) > 1:
                entry.at("ErrorEquals").report(f"found {errors.ALL} beside other names, expected it alone")
            elif not later_all:
                entry.at("ErrorEquals").report(f"found {errors.ALL} before other entries, expected it in the last one")
        later_all = later_all and names == [errors.ALL]


def _delays(entry: Place) -> None:
    longest, interval = entry.value.get("MaxDelaySeconds"), entry.value.get("IntervalSeconds")
    if type(longest) is int and type(interval) is int and 1 <= longest <= interval:
        entry.at("MaxDelaySeconds").expected(f"more than IntervalSeconds, which is {interval}")


_RETRIER: dict[str, Check] = {
    "ErrorEquals": error_equals,
    "IntervalSeconds": whole(1),
    "MaxAttempts": whole(0),
    "BackoffRate": between(1),
    "MaxDelaySeconds": whole(1, DELAY_MAX_S),
    "JitterStrategy": one_of("FULL", "NONE"),
    "Comment": text,
}
_COMMON: dict[str, Check] = {"ErrorEquals": error_equals, "Next": text, "Assign": assign, "Comment": text}
_CATCHER: dict[str, dict[str, Check]] = {
    "JSONPath": {**_COMMON, "ResultPath": result_path},
    "JSONata": {**_COMMON, "Output": template},
}
