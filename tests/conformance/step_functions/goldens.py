"""The recorded executions, and functions that behave as theirs did."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import durable_sim as ds
from durable_sim.models.state_machine.resources import resource_of

FOLDER = Path(__file__).parent / "executions"
Golden = dict[str, Any]
Functions = dict[str, Callable[..., Any]]


@cache
def goldens() -> dict[str, Golden]:
    """Every recorded execution, by its name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


class Scripted:
    """The functions of a golden, and the calls that were made of them.

    A call entry says what the function does; of services that are no functions, the recording itself does.
    """

    def __init__(self, golden: Golden) -> None:
        self.calls: list[dict[str, Any]] = []
        self.tokens: list[tuple[str, int]] = []
        self._entries: dict[str, list[Any]] = {}
        for name, told in golden["functions"].items():
            self._entries[name] = list(told) if isinstance(told, list) else [told]
        self.services = {name: list(answers) for name, answers in _services(golden)}

    def functions(self) -> tuple[Callable[..., Any], ...]:
        """Activities of these names."""
        return (*map(self._function, self._entries), *map(self._service, self.services))

    def _function(self, name: str) -> Callable[..., Any]:
        entries = self._entries[name]

        @ds.activity(name=name)
        async def function(ctx: ds.ActivityContext, payload: Any) -> Any:
            self.calls.append({"function": name, "payload": payload})
            entry = entries.pop(0) if len(entries) > 1 else entries[0]
            if "sleep_s" in entry:
                await ctx.sleep(f"{entry['sleep_s']}s")
                entry = entry["then"]
            if "rule" in entry:
                return await self._by_rule(ctx, entry["rule"], payload)
            return _answer(entry, payload)

        return function

    def _service(self, name: str) -> Callable[..., Any]:
        answers = self.services[name]

        @ds.activity(name=name)
        async def service(ctx: ds.ActivityContext, payload: Any) -> Any:
            return _answer(answers.pop(0), payload)

        return service

    async def _by_rule(self, ctx: ds.ActivityContext, rule: str, payload: Any) -> Any:
        if "task token" in rule:
            self.tokens.append((payload["t"], round(ctx.now().timestamp() * 1_000_000)))
            return "accepted"
        assert "BadItem" in rule
        if payload == 2:
            raise ds.ApplicationError("two", "BadItem")
        await ctx.sleep("200ms")
        return payload


def _answer(entry: dict[str, Any], payload: Any) -> Any:
    match entry:
        case {"return": value}:
            return value
        case {"return_input": True}:
            return payload
        case {"return_input_times": factor}:
            return payload * factor
        case {"return_string_of_length": length}:
            return "x" * length
        case {"error_type": error, "error_message": message}:
            raise ds.ApplicationError(message, error)
        case {"service_error": error}:
            raise ds.ApplicationError("svc", f"Lambda.{error}")
    raise AssertionError(f"a golden has an entry that nobody understands: {entry}")


def _services(golden: Golden) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """What services that are no Lambda functions answered, in order."""
    answers: dict[str, list[dict[str, Any]]] = {}
    for event in golden["history"]:
        told = event.get("taskSucceededEventDetails") or event.get("taskFailedEventDetails")
        if told is None or told["resourceType"] == "lambda":
            continue
        name = resource_of(f"arn:aws:states:::{told['resourceType']}:{told['resource']}").function
        answer = {"return": json.loads(told["output"])} if "output" in told else _error(told)
        answers.setdefault(str(name), []).append(answer)
    return iter(answers.items())


def _error(told: dict[str, Any]) -> dict[str, Any]:
    return {"error_type": told["error"], "error_message": told.get("cause", "")}
