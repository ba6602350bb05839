"""durable_sim: find out on a laptop whether your workflows survive crashes, deploys and time-outs.

The folders, in the order in which a run flows through them; each imports only from those above it:

    errors, durations, fields, preformatted, randomness, intervals, trace    the ground
    workflows/    what a user writes: functions, contexts, retry policies, sagas; knows no time and no SimPy
    world/        what no engine controls: services, the network, the effect ledger, faults as data
    models/       how code survives, or does not: regular, status_columns, replay/, steps/, state_machine/
    library/      ready-made worlds and workloads
    simulation/   a scenario as data, the injector of process faults, `simulate`, which builds everything, and
                  `Simulation`, which is driven step by step
    checks/       was it right? reads finished runs only
    studies/      measurements made of many runs: the models side by side, what a deploy does
    health/       what an operator sees: rolling metrics, alert rules, stuck executions, exports
    files/        scenario files
    views/        looking at it: stories, tables, figures
    results/      what is handed out: a run with its verdicts, several models side by side
    api           run, compare
    search/       finding the faults that break a workflow: sweeps over every place, deploys into every history, the
                  smallest fault sets, tokens that repeat a run, coverage
    library/gallery/   real bugs, broken and fixed side by side
    widgets/      the same for looking at interactively: explorer, matrix, replay stepper, live run
    testing/      Hypothesis strategies and machines, the pytest plugin
    cli           the command line

models/replay/ is a durable execution engine. Its server/ keeps runs in a store and knows user code only as tasks that
workers take; a worker keeps instances in a cache and knows user code only through the seam in runner.py; instance.py
runs workflow functions over a history, and is pure: no clock, no SimPy. exchange/ writes and reads histories as the
real tools do. models/steps/ is a platform that calls a function once a step (entry.py and answers.py are pure), with
flow control in flow/. models/state_machine/ interprets definitions: machine.py is pure, language/ is what a definition
means and what can be wrong with it.

Three records are kept apart: the trace (what the simulator watched), histories and status rows (what an engine
remembers) and the effect ledger (what the world really did). Verdicts come from the ledger and the final states alone.
"""

from asyncio import CancelledError

from durable_sim import library
from durable_sim.api import compare, compare_scenario, run, run_scenario
from durable_sim.checks.violations import Violation
from durable_sim.errors import DurableSimError, ScenarioError, UserError
from durable_sim.models.registry import MODELS
from durable_sim.models.replay.history import History
from durable_sim.models.replay.server.sqlite_store import SqliteStore
from durable_sim.randomness import Constant, Exponential, LogNormal, Uniform
from durable_sim.results.comparison import Comparison
from durable_sim.results.run import Run
from durable_sim.search.deploys import DeploySweep, deploy_sweep
from durable_sim.search.result import Sweep
from durable_sim.search.sometimes import sometimes
from durable_sim.search.sweep import crash_sweep, fault_sweep
from durable_sim.simulation.handles import ExecutionFailed, UpdateFailed, WorkflowHandle
from durable_sim.simulation.live import Simulation
from durable_sim.simulation.scenario import Arrivals, Scenario
from durable_sim.testing.every import any_faults, every_crash
from durable_sim.version import __version__
from durable_sim.workflows.activity_context import ActivityContext
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import activity, workflow
from durable_sim.workflows.failures import (
    ActivityError,
    ActivityTimeout,
    ApplicationError,
    CallTimeout,
    CancelledFailure,
    ChildWorkflowError,
    NonDeterminismError,
    Rejected,
    ServerError,
    ServiceError,
    ServiceUnavailable,
    WorkflowFailure,
)
from durable_sim.workflows.handlers import QueryFailed
from durable_sim.workflows.retry import RetryPolicy
from durable_sim.workflows.saga import Saga, SagaStep, run_saga
from durable_sim.world.faults import (
    Cancel,
    Crash,
    Crashes,
    Deploy,
    Deploys,
    Downtime,
    Mixture,
    Outage,
    Pause,
    Redrive,
    Script,
    ServerRestart,
    Signal,
)
from durable_sim.world.ledger import EffectKind
from durable_sim.world.services.base import OperationSpec, Service, ServiceSpec, operation

__all__ = [
    "MODELS",
    "ActivityContext",
    "ActivityError",
    "ActivityTimeout",
    "ApplicationError",
    "Arrivals",
    "CallTimeout",
    "Cancel",
    "CancelledError",
    "CancelledFailure",
    "ChildWorkflowError",
    "Comparison",
    "Constant",
    "Crash",
    "Crashes",
    "Deploy",
    "DeploySweep",
    "Deploys",
    "Downtime",
    "DurableSimError",
    "EffectKind",
    "ExecutionFailed",
    "Exponential",
    "History",
    "LogNormal",
    "Mixture",
    "NonDeterminismError",
    "OperationSpec",
    "Outage",
    "Pause",
    "QueryFailed",
    "Redrive",
    "Rejected",
    "RetryPolicy",
    "Run",
    "Saga",
    "SagaStep",
    "Scenario",
    "ScenarioError",
    "Script",
    "ServerError",
    "ServerRestart",
    "Service",
    "ServiceError",
    "ServiceSpec",
    "ServiceUnavailable",
    "Signal",
    "Simulation",
    "SqliteStore",
    "Sweep",
    "Uniform",
    "UpdateFailed",
    "UserError",
    "Violation",
    "WorkflowContext",
    "WorkflowFailure",
    "WorkflowHandle",
    "__version__",
    "activity",
    "any_faults",
    "compare",
    "compare_scenario",
    "crash_sweep",
    "deploy_sweep",
    "every_crash",
    "fault_sweep",
    "library",
    "operation",
    "run",
    "run_saga",
    "run_scenario",
    "sometimes",
    "workflow",
]
