"""The Hypothesis strategies, in one place: `from durable_sim.testing import strategies`.

They draw what `durable_sim.run` and `Scenario` take, shrink towards calm (no faults, early, on the first worker, no
flakiness, one worker, a warm cache), and print as code that can be pasted.
"""

from durable_sim.testing.faults import cancels, code_versions, crashes, deploys, pauses, scripts, server_restarts
from durable_sim.testing.plans import fault_plans
from durable_sim.testing.scenarios import scenarios, seeds
from durable_sim.testing.stimuli import cancel_timings, signal_timings
from durable_sim.testing.worlds import (
    arrival_patterns,
    mixtures,
    outages,
    service_behaviours,
    with_behaviours,
    worker_setups,
)

__all__ = [
    "arrival_patterns",
    "cancel_timings",
    "cancels",
    "code_versions",
    "crashes",
    "deploys",
    "fault_plans",
    "mixtures",
    "outages",
    "pauses",
    "scenarios",
    "scripts",
    "seeds",
    "server_restarts",
    "service_behaviours",
    "signal_timings",
    "with_behaviours",
    "worker_setups",
]
