"""Definitions: names, kinds, and what a build of them knows without being told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from durable_sim.errors import UserError
from durable_sim.workflows.definitions import Build, activity, definition_of, workflow


@activity
async def near(ctx: Any) -> str:
    """A decorated activity among the globals."""
    return "near"


@activity(name="renamed")
async def by_another_name(ctx: Any) -> str:
    """A decorated activity with a name of its own."""
    return "renamed"


@activity
async def unused(ctx: Any) -> None:
    """A decorated activity that no workflow names."""


async def undecorated(ctx: Any) -> None:
    """Could be anything."""


def helper(ctx: Any) -> Any:
    """Names an activity for a workflow that calls it."""
    return ctx.execute_activity(by_another_name, start_to_close_timeout="1s")


async def uses_globals(ctx: Any) -> None:
    """Names one activity itself, another by a helper, and one that is not decorated."""
    await ctx.execute_activity(near, start_to_close_timeout="1s")
    await helper(ctx)
    await ctx.execute_activity(undecorated, start_to_close_timeout="1s")


def test_decorated_activities_among_the_globals_are_found() -> None:
    """Those that the workflow's code or a function that it calls names; no others."""
    build = Build(None, {"w": uses_globals})
    assert build.activity("near") is near
    assert build.activity("renamed") is by_another_name
    assert build.activity("unused") is None
    assert build.activity("undecorated") is None


def test_decorated_activities_in_closures_are_found() -> None:
    """A workflow made by a function knows the activities made with it, also from nested functions."""

    @activity
    async def inner(ctx: Any) -> None:
        """Belongs to this call."""

    async def made(ctx: Any) -> None:
        async def part() -> None:
            await ctx.execute_activity(inner, start_to_close_timeout="1s")
            await ctx.execute_activity(near, start_to_close_timeout="1s")

        await part()

    build = Build(None, {"made": made})
    assert build.activity("inner") is inner
    assert build.activity("near") is near


def test_an_activity_that_is_given_stands_before_one_that_is_found() -> None:
    """What is registered under a name counts."""

    @activity(name="near")
    async def other(ctx: Any) -> None:
        """Another activity of the same name."""

    assert Build(None, {"w": uses_globals}, [other]).activity("near") is other
    assert Build(None, {"w": uses_globals}, [undecorated]).activity("undecorated") is undecorated


def test_a_build_learns_what_its_code_names() -> None:
    """An undecorated activity, and a child workflow with the activities near it."""

    async def parent(ctx: Any) -> None:
        """Knows nothing."""

    build = Build("v1", {"parent": parent})
    assert (build.workflow("child"), build.activity("near")) == (None, None)
    build.learn_activity("undecorated", undecorated)
    build.learn_workflow("child", uses_globals)
    assert build.activity("undecorated") is undecorated
    found = build.workflow("child")
    assert found is not None and found.function is uses_globals
    assert build.activity("near") is near
    assert build.workflow_names == ("parent", "child")


def test_a_workflow_that_is_known_is_not_learnt_anew() -> None:
    """The build's own code stays."""
    build = Build(None, {"w": uses_globals})
    build.learn_workflow("w", undecorated)
    found = build.workflow("w")
    assert found is not None and found.function is uses_globals


def test_builds_know_nothing_of_each_other() -> None:
    """What one learns the other does not: an old version may lack an activity of the new."""
    old, new = Build("v1", {"w": undecorated}), Build("v2", {"w": uses_globals})
    assert new.activity("near") is near
    assert old.activity("near") is None


def test_a_function_that_is_still_being_defined_is_passed_over() -> None:
    """A closure may name what has no value yet."""

    def make() -> Callable[..., Any]:
        async def early(ctx: Any) -> None:
            await ctx.execute_activity(late, start_to_close_timeout="1s")

        build = Build(None, {"early": early})
        assert build.activity("late") is None

        @activity
        async def late(ctx: Any) -> None:
            """Comes too late."""

        return early

    assert Build(None, {"early": make()}).activity("late") is not None


def test_failure_exception_types_belong_to_the_definition() -> None:
    """With and without a name; without them there are none."""

    @workflow(failure_exception_types=(ValueError, KeyError))
    async def strict(ctx: Any) -> None:
        """Fails on some."""

    @workflow(name="other", failure_exception_types=[OSError])
    async def named(ctx: Any) -> None:
        """Fails on one."""

    assert definition_of(strict).fails_on == (ValueError, KeyError)
    assert (definition_of(named).name, definition_of(named).fails_on) == ("other", (OSError,))
    assert definition_of(uses_globals).fails_on == ()
    found = Build(None, {"strict": strict}).workflow("strict")
    assert found is not None and found.fails_on == (ValueError, KeyError)


def test_what_is_not_async_is_no_activity_either() -> None:
    """The decorator says so."""
    with pytest.raises(UserError, match=r"^@activity on .* expected an async function"):

        @activity
        def charge(ctx: Any) -> None:
            """Not async."""
