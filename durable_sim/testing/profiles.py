"""Hypothesis profiles for tests of workflows. Nothing is registered until `register` is called."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

CI = "durable-ci"
NIGHTLY = "durable-nightly"


def register() -> None:
    """Make two profiles known to Hypothesis; `settings.load_profile(name)` switches one on.

    "durable-ci": the same 200 examples each time. "durable-nightly": 5,000 examples, others each night, in all phases.
    Both print what repeats a failure, and neither has a deadline: how long a simulation takes depends on what is drawn.

    >>> register()
    >>> settings.get_profile("durable-ci").max_examples
    200
    """
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    both = settings(deadline=None, print_blob=True, suppress_health_check=slow)
    settings.register_profile(CI, both, max_examples=200, derandomize=True)
    settings.register_profile(NIGHTLY, both, max_examples=5000, derandomize=False, phases=tuple(Phase))
