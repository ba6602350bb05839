"""Payload templates: Parameters, ResultSelector, ItemSelector and Assign of the JSONPath language.

Always holds: a template is never changed, and what is literal in it is copied as it stands.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from durable_sim.models.state_machine.language import intrinsics, paths
from durable_sim.models.state_machine.language.errors import RUNTIME, StatesError

SUFFIX = ".$"


def fill(template: Any, data: Any, context: Any, variables: Mapping[str, Any], randomness: random.Random) -> Any:
    """The value that a template stands for.

    A key that ends in ".$" loses it and takes what its path ("$.a", "$$.Execution.Id", "$variable") or its intrinsic
    function ("States.Format(...)") gives; everything else is literal, all the way down.

    >>> fill({"id.$": "$.order", "n": 7}, {"order": "o-1"}, {}, {}, random.Random(0))
    {'id': 'o-1', 'n': 7}

    Raises:
        StatesError: States.Runtime for what is missing, States.IntrinsicFailure for a function that cannot do it.
    """
    if isinstance(template, Mapping):
        filled = {}
        for key, value in template.items():
            if key.endswith(SUFFIX):
                filled[key.removesuffix(SUFFIX)] = taken(key, value, data, context, variables, randomness)
            else:
                filled[key] = fill(value, data, context, variables, randomness)
        return filled
    if isinstance(template, list):
        return [fill(entry, data, context, variables, randomness) for entry in template]
    return template


def taken(
    field: str, source: Any, data: Any, context: Any, variables: Mapping[str, Any], randomness: random.Random
) -> Any:
    """What the path or the intrinsic function `source` gives for `field`."""
    if not isinstance(source, str):
        raise StatesError(RUNTIME, f"The value for the field '{field}' must be a valid JSONPath")
    if source.startswith("$"):
        subject = f"The JSONPath '{source}' specified for the field '{field}'"
        return paths.read(source, data, context, variables, subject=subject)
    return intrinsics.call(source, data, context, variables, randomness)
