"""The functions behind the recorded calls, in the idiom of the simulator, and the outside world that they touch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import durable_sim as ds
from durable_sim.models.steps.errors import NonRetriableError, RetryAfterError, StepError
from durable_sim.models.steps.function import StepFunction, create_function
from durable_sim.models.steps.tools import StepContext, StepTools

Error = type("Error", (Exception,), {})
"""What JavaScript code throws."""
DIES = "process dies after the effect"


class Outside:
    """The outside world of one golden: it notes what happens, and does what the script says, name by name.

    `words` says what a failed effect says; `die` kills the process that serves the call.
    """

    def __init__(self, script: Mapping[str, Sequence[str]], words: str = "failed", error: type = RuntimeError) -> None:
        self.effects: list[str] = []
        self.body: list[str] = []
        self._script = {name: list(told) for name, told in script.items()}
        self._words = words
        self._error = error
        self.die: Callable[[], None] = lambda: None

    def happens(self, name: str) -> Any:
        """An effect happens."""
        self.effects.append(name)
        told = self._script.get(name, [])
        match told.pop(0) if told else None:
            case "error":
                raise self._error(f"{name} {self._words}")
            case "non_retriable":
                raise NonRetriableError(f"{name} fatal")
            case "retry_after":
                raise RetryAfterError(f"{name} later", "60s")
            case "process dies after the effect":
                self.die()
        return {"done": name}

    async def effect(self, actx: ds.ActivityContext, name: str) -> Any:
        """The effect as a step's code; a process that is dying goes no further."""
        done = self.happens(name)
        await actx.sleep("1ms")
        return done


def functions(out: Outside, *, handler: bool = False, retries: int | None = None) -> dict[str, StepFunction]:
    """All recorded functions of the Python SDK, by name; `handler` gives `order` its failure handler."""

    async def onfail(ctx: StepContext, step: StepTools) -> None:
        out.happens("onfail")

    @create_function(id="order", event="order/created", retries=retries, on_failure=onfail if handler else None)
    async def order(ctx: StepContext, step: StepTools) -> Any:
        out.body.append("enter")
        try:
            await step.run("reserve", out.effect, "reserve")
            await step.run("charge", out.effect, "charge")
            try:
                shipped = await step.run("ship", out.effect, "ship")
            except StepError as error:
                await step.run("refund", out.effect, "refund")
                await step.run("release", out.effect, "release")
                return {"status": "compensated", "why": error.message}
            await step.run("email", out.effect, "email")
            return {"status": "ok", "ship": shipped}
        finally:
            out.body.append("finally")

    @create_function(id="child", retries=retries)
    async def child(ctx: StepContext, step: StepTools) -> Any:
        return {"child": "ok"}

    @create_function(id="sleepwait", event="sleepwait/go", retries=retries)
    async def sleepwait(ctx: StepContext, step: StepTools) -> Any:
        await step.run("a", out.effect, "a")
        await step.sleep("nap", "60s")
        event = await step.wait_for_event("pay", event="order/paid", timeout="1h", match="data.id")
        invoked = await step.invoke("sub", child, {"k": 1})
        return {"ev": event.name if event else None, "x": invoked}

    @create_function(id="par", event="par/go", retries=retries)
    async def par(ctx: StepContext, step: StepTools) -> Any:
        await step.run("pre", out.effect, "pre")
        both = await step.parallel(step.run("p1", out.effect, "p1"), step.run("p2", out.effect, "p2"))
        await step.run("post", out.effect, "post")
        return both

    @create_function(id="nested", event="nested/go", retries=retries)
    async def nested(ctx: StepContext, step: StepTools) -> Any:
        async def outer(actx: ds.ActivityContext) -> Any:
            return await step.run("inner", out.effect, "inner")

        return await step.run("outer", outer)

    @create_function(id="nostep", event="nostep/go", retries=retries)
    async def nostep(ctx: StepContext, step: StepTools) -> Any:
        return out.happens("whole")

    known = {one.id: one for one in (order, child, sleepwait, par, nested, nostep, *unwinding(out, retries))}
    return {**known, "versioned": versioned(out, 1)}


def unwinding(out: Outside, retries: int | None) -> tuple[StepFunction, ...]:
    """The recorded functions that have steps where code unwinds, and that catch what they should not."""

    @create_function(id="tidy", event="tidy/go", retries=retries)
    async def tidy(ctx: StepContext, step: StepTools) -> str:
        try:
            await step.run("charge", out.effect, "charge")
            await step.run("ship", out.effect, "ship")
        finally:
            await step.run("release", out.effect, "release")
        return "ok"

    @create_function(id="bare", event="bare/go", retries=retries)
    async def bare(ctx: StepContext, step: StepTools) -> str:
        try:
            await step.run("charge", out.effect, "charge")
            await step.run("ship", out.effect, "ship")
        except:
            await step.run("refund", out.effect, "refund")
            raise
        return "ok"

    @create_function(id="locked", event="locked/go", retries=retries)
    async def locked(ctx: StepContext, step: StepTools) -> str:
        @asynccontextmanager
        async def lock() -> AsyncIterator[None]:
            await step.run("lock", out.effect, "lock")
            try:
                yield
            finally:
                await step.run("unlock", out.effect, "unlock")

        async with lock():
            await step.run("charge", out.effect, "charge")
            await step.sleep("nap", "60s")
            await step.run("ship", out.effect, "ship")
        return "ok"

    @create_function(id="careless", event="careless/go", retries=retries)
    async def careless(ctx: StepContext, step: StepTools) -> Any:
        await step.run("charge", out.effect, "charge")
        try:
            await step.run("ship", out.effect, "ship")
        except Exception as error:
            await step.run("refund", out.effect, "refund")
            await step.run("release", out.effect, "release")
            return {"status": "compensated", "why": getattr(error, "message", None)}
        return {"status": "ok"}

    @create_function(id="partidy", event="partidy/go", retries=retries)
    async def partidy(ctx: StepContext, step: StepTools) -> Any:
        try:
            return await step.parallel(step.run("p1", out.effect, "p1"), step.run("p2", out.effect, "p2"))
        finally:
            await step.run("release", out.effect, "release")

    @create_function(id="branchtidy", event="branchtidy/go", retries=retries)
    async def branchtidy(ctx: StepContext, step: StepTools) -> Any:
        async def branch(name: str) -> Any:
            try:
                return await step.run(name, out.effect, name)
            finally:
                await step.run(f"un{name}", out.effect, f"un{name}")

        return await step.parallel(branch("p1"), branch("p2"))

    @create_function(id="halftidy", event="halftidy/go", retries=retries)
    async def halftidy(ctx: StepContext, step: StepTools) -> Any:
        async def branch() -> Any:
            try:
                return await step.run("p1", out.effect, "p1")
            finally:
                await step.run("unp1", out.effect, "unp1")

        return await step.parallel(branch(), step.run("p2", out.effect, "p2"))

    return tidy, bare, locked, careless, partidy, branchtidy, halftidy


def versioned(out: Outside, version: int) -> StepFunction:
    """The function that is changed while it runs."""

    @create_function(id="versioned", event="versioned/go")
    async def code(ctx: StepContext, step: StepTools) -> str:
        await step.run("one", out.effect, "one")
        if version == 2:
            await step.run("new-between", out.effect, "new")
        await step.run("two" if version < 3 else "two-renamed", out.effect, "two")
        return "done"

    return code


def js_functions(out: Outside) -> dict[str, StepFunction]:
    """The functions that were recorded with the JS SDK."""

    @create_function(id="order", retries=3)
    async def order(ctx: StepContext, step: StepTools) -> Any:
        await step.run("reserve", out.effect, "reserve")
        try:
            await step.run("charge", out.effect, "charge")
        except StepError:
            await step.run("release", out.effect, "release")
        return None

    @create_function(id="par", retries=4)
    async def par(ctx: StepContext, step: StepTools) -> Any:
        await step.run("pre", out.effect, "pre")
        await step.parallel(step.run("p1", out.effect, "p1"), step.run("p2", out.effect, "p2"))
        return await step.run("post", out.effect, "post")

    @create_function(id="dup", retries=4)
    async def dup(ctx: StepContext, step: StepTools) -> Any:
        return [await step.run("same", out.effect, f"i{number}") for number in range(3)]

    return {one.id: one for one in (order, par, dup)}
