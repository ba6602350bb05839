"""No version is pinned: the next call runs whatever code its worker has, and finds steps by their names."""

from __future__ import annotations

from typing import Any

import durable_sim as ds
from durable_sim.models.steps.protocol import Answer, Call
from tests.models.steps.scenes import Exchange, Played, idiom


class Changing:
    """A function of steps by name, version by version, and what has run of it."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    async def note(self, actx: ds.ActivityContext, name: str) -> str:
        """A step."""
        self.ran.append(name)
        return name

    def version(self, *names: str) -> Any:
        """The function with these steps."""

        async def code(ctx: Any, step: Any) -> list[str]:
            return [await step.run(name, self.note, name) for name in names]

        return idiom(code)


def deployed_after(call_count: int, before: Any, after: Any, **options: Any) -> Played:
    """A run whose code is changed when so many calls have been answered."""
    played = Played(before, versions={"v2": after}, **options)

    def watch(call: Call, answer: Answer | None) -> None:
        played.calls.append(Exchange(call, answer, played.world.now_us))
        if len(played.calls) == call_count:
            played.injector.strike(ds.Deploy(version="v2", rolling=False, at="0s"))

    played.model.watch_calls(watch)
    return played.run()


def test_a_step_inserted_before_those_that_are_done_just_runs() -> None:
    """The new step runs when the code comes to it, although later ones are remembered; nothing fails."""
    change = Changing()
    played = deployed_after(2, change.version("one", "two", "three"), change.version("one", "new", "two", "three"))
    assert played.one.result == ["one", "new", "two", "three"]
    assert change.ran == ["one", "two", "new", "three"]


def test_a_renamed_step_that_was_done_runs_again() -> None:
    """Under its new name it is another step."""
    change = Changing()
    played = deployed_after(2, change.version("one", "two", "three"), change.version("one", "second", "three"))
    assert played.one.result == ["one", "second", "three"]
    assert change.ran == ["one", "two", "second", "three"]


def test_a_removed_step_that_was_done_is_ignored() -> None:
    """What is remembered of it is of no use to anybody."""
    change = Changing()
    played = deployed_after(2, change.version("one", "two", "three"), change.version("one", "three"))
    assert played.one.result == ["one", "three"] and change.ran == ["one", "two", "three"]


def test_steps_that_change_places_keep_their_results() -> None:
    """Order does not matter to what is remembered by name."""
    change = Changing()
    played = deployed_after(2, change.version("one", "two", "three"), change.version("two", "one", "three"))
    assert played.one.result == ["two", "one", "three"] and change.ran == ["one", "two", "three"]


def test_a_repeated_name_is_told_apart_by_its_place() -> None:
    """With one use of the name inserted before the others, results move by one."""
    change = Changing()

    async def number(actx: ds.ActivityContext, number: int) -> int:
        return number

    def version(*numbers: int) -> Any:
        async def code(ctx: Any, step: Any) -> list[int]:
            return [await step.run("same", number, one) for one in numbers]

        return idiom(code)

    assert change.ran == []
    assert deployed_after(2, version(1, 2, 3), version(0, 1, 2, 3)).one.result == [1, 2, 2, 3]


def test_a_planned_step_that_a_deploy_removes_uses_up_its_attempts() -> None:
    """The call for it is refused again and again with "found another step", then the run fails."""
    change = Changing()

    async def before(ctx: Any, step: Any) -> None:
        await step.parallel(step.run("a", change.note, "a"), step.run("b", change.note, "b"))

    async def after(ctx: Any, step: Any) -> None:
        await step.run("c", change.note, "c")

    played = deployed_after(1, idiom(before), idiom(after))
    assert played.one.status == "failed" and change.ran == []
    assert played.one.failure is not None and played.one.failure.type == "StepUnexpectedError"
    refused = [call for call in played.calls if call.answer is not None and call.answer.status == 500]
    assert max(call.call.attempt for call in refused) == 4


def test_a_key_stays_the_same_over_attempts_entries_and_deploys() -> None:
    """A step that is tried again by other code, after a new step was inserted before it, has its old key.

    The call that was to be its second attempt runs the new step, so that its own attempts begin anew.
    """
    keys: dict[str, list[str]] = {}

    async def act(actx: ds.ActivityContext, name: str) -> None:
        keys.setdefault(name, []).append(actx.idempotency_key)
        if name == "flaky" and actx.attempt == 1:
            raise RuntimeError("boom")

    def version(*names: str) -> Any:
        async def code(ctx: Any, step: Any) -> None:
            for name in names:
                await step.run(name, act, name)

        return idiom(code)

    played = deployed_after(2, version("one", "flaky"), version("one", "new", "flaky"))
    assert played.one.status == "completed"
    assert len(keys["flaky"]) == 3 and len(set(keys["flaky"])) == 1
    assert len({key for told in keys.values() for key in told}) == 3
