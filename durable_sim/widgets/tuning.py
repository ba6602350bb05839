"""Other retry policies and time-outs than a workflow is written with, without touching its code.

A tuned workflow is the same function, given a context that changes the options of each activity on the way to the
engine. Always holds: tuned by nothing, a workflow is itself, the same object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from durable_sim.durations import Duration, duration_us
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import definition_of, workflow
from durable_sim.workflows.retry import DEFAULT_RETRY_POLICY, RetryPolicy

HEED_RETRIES: Final = ("status_columns", "status_columns_transactional", "replay")
"""The models that heed retry policies. Regular code does not try again, the other engines have rules of their own."""
HEED_TIMEOUTS: Final = ("regular", "regular_rerun", *HEED_RETRIES)
"""The models that heed time-outs of activities."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """What holds of all activities instead of what the code says; None: as it says.

    `attempts` is the policy's `maximum_attempts` (0: without limit), `first_delay` its `initial_interval`, `timeout`
    the `start_to_close_timeout` of one attempt.
    """

    attempts: int | None = None
    first_delay: Duration | None = None
    timeout: Duration | None = None

    def heeded(self, model: str) -> Tuning:
        """What of it has a meaning under a model."""
        tuning = self if model in HEED_TIMEOUTS else replace(self, timeout=None)
        return tuning if model in HEED_RETRIES else replace(tuning, attempts=None, first_delay=None)

    def policy(self, written: RetryPolicy | None) -> RetryPolicy:
        """A retry policy, changed; its longest delay grows with the first one where it must."""
        policy = written or DEFAULT_RETRY_POLICY
        if self.attempts is not None:
            policy = replace(policy, maximum_attempts=self.attempts)
        if self.first_delay is not None:
            longest = max(self.first_delay, policy.maximum_interval or "0s", key=duration_us)
            policy = replace(policy, initial_interval=self.first_delay, maximum_interval=longest)
        return policy

    def options(self, written: Mapping[str, Any]) -> dict[str, Any]:
        """The options of one activity, changed."""
        timeout = {} if self.timeout is None else {"start_to_close_timeout": self.timeout}
        return {**written, **timeout, "retry_policy": self.policy(written.get("retry_policy"))}


NOT_TUNED = Tuning()


def tuned(code: Callable[..., Any], tuning: Tuning) -> Callable[..., Any]:
    """The workflow under the same name, its activities tuned."""
    if tuning == NOT_TUNED:
        return code
    definition = definition_of(code)

    @workflow(name=definition.name, failure_exception_types=definition.fails_on)
    async def tuned_code(ctx: WorkflowContext, input: Any) -> Any:
        return await code(_TunedContext(ctx, tuning), input)

    return tuned_code


class _TunedContext:
    """A workflow's context that passes everything on."""

    def __init__(self, ctx: WorkflowContext, tuning: Tuning) -> None:
        self._ctx = ctx
        self._tuning = tuning

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ctx, name)

    def execute_activity(self, activity: Any, *arguments: Any, **options: Any) -> Any:
        """As `WorkflowContext.execute_activity`."""
        return self._ctx.execute_activity(activity, *arguments, **self._tuning.options(options))
