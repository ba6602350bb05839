"""The run of a token, once more: the same scenario, or an error; and whether it still goes the same way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from durable_sim.api import Run
from durable_sim.errors import UserError
from durable_sim.files.token import Token, read_token
from durable_sim.search.trial import Invariant, trial_of
from durable_sim.simulation.fingerprint import fingerprint
from durable_sim.simulation.scenario import Scenario

CHANGED = "the run goes another way than when the token was made: the workflow, its services or the simulator changed"


def run_again(token: Token | str, scenario: Scenario, invariants: Iterable[Invariant] = ()) -> tuple[Run, bool]:
    """The run that a token stands for, and whether it is the same to the byte as when the token was made.

    Raises:
        UserError: no token, or one that was made with another scenario.
    """
    token = read_token(token) if isinstance(token, str) else token
    trial = trial_of(scenario, token.model, token.seed, token.executions, invariants=invariants)
    found = fingerprint(trial.base.scenario)
    if found != token.scenario:
        raise UserError(
            f"token: it was made with another scenario (found {found}, expected {token.scenario}): inputs, services or "
            "settings have changed; search again"
        )
    run = trial.run(token.faults)
    same = run.trace.digest().startswith(token.trace)
    return replace(run, repeat=f"durable-sim run --replay {token}"), same
