"""The run of a token, once more: the same scenario, or an error; and whether it still goes the same way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from durable_sim.checks.oracles import Oracle, oracle_name, oracles_of
from durable_sim.errors import UserError
from durable_sim.files.token import Token, read_token
from durable_sim.results.run import Run
from durable_sim.search.baseline import baseline
from durable_sim.search.trial import Invariant, trial_of
from durable_sim.simulation.fingerprint import fingerprint
from durable_sim.simulation.scenario import Scenario
from durable_sim.views.code import Check, called

CHANGED = "the run goes another way than when the token was made: the workflow, its services or the simulator changed"


def run_again(
    token: Token | str,
    scenario: Scenario,
    *,
    oracles: str | Oracle | Iterable[str | Oracle] = (),
    invariants: Iterable[Invariant] = (),
    repeat: str = "",
) -> tuple[Run, bool]:
    """The run that a token stands for, and whether it is the same to the byte as when the token was made.

    Args:
        token: what a failure prints.
        scenario: what was searched when the token was made.
        oracles: further checks. Those that come with the package are asked anyway if they were asked then; functions of
            one's own are in no token and have to be given once more, and so do `invariants`.
        repeat: the line that makes it again, where it is another than that of the command line or of Python.

    Raises:
        UserError: no token, or one that was made with another scenario.
    """
    token = read_token(token) if isinstance(token, str) else token
    other = another_scenario(token, scenario)
    if other:
        raise UserError(f"{other}: inputs, services or settings have changed; search again")
    asked = oracles_of(oracles)
    more = [one for one in oracles_of(token.oracles) if one not in asked]
    trial = trial_of(scenario, token.model, token.seed, token.executions, (*asked, *more), invariants)
    run = trial.run(token.faults)
    same = run.trace.digest().startswith(token.trace)
    return replace(run, repeat=repeat or line_of(token, asked, trial.invariants)), same


def another_scenario(token: Token, scenario: Scenario) -> str:
    """That a token was made with another scenario than this one; empty if it was made with this."""
    try:
        found = fingerprint(baseline(scenario, token.executions).scenario)
    except UserError as error:  # it has no such executions
        return f"token: it was made with another scenario ({error})"
    if found != token.scenario:
        return f"token: it was made with another scenario (found {found}, expected {token.scenario})"
    return ""


def line_of(token: Token, oracles: Iterable[Oracle] = (), invariants: Iterable[Invariant] = ()) -> str:
    """The line that makes the run of a token again: a command if that knows all that it takes, and else Python, where
    `scenario` and checks of one's own are what the search was given."""
    of_ones_own = [one for one in oracles if oracle_name(one) is None]
    own: dict[str, list[Check]] = {"oracles": [*of_ones_own], "invariants": [*invariants]}
    if token.source and not any(own.values()):
        return f"durable-sim run --replay {token}"
    more = "".join(f", {kind}=[{', '.join(map(called, checks))}]" for kind, checks in own.items() if checks)
    return f"from durable_sim.search.again import run_again; run_again('{token}', scenario{more})"
