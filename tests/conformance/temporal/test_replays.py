"""Replay of the recorded histories: what the real Replayer accepts is accepted, what it refuses is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import durable_sim as ds
from durable_sim.models.replay.exchange.histories import to_json
from durable_sim.models.replay.instance import Instance
from durable_sim.models.replay.native import replay_history
from tests.conformance.temporal.goldens import manifest, recorded
from tests.conformance.temporal.known_differences import NOT_PORTABLE
from tests.conformance.temporal.native_workflows import workflows
from tests.conformance.temporal.scenarios import simulated

SEEDED = ("s_det",)  # its result comes from the real server's seed


def accepted() -> Iterator[tuple[str, str]]:
    """Recorded histories, each with a class that the real Replayer accepts for it."""
    for name, entry in manifest().items():
        if entry["replays_with"] is not None:
            for code in (entry["replays_with"], *entry.get("also_replays_with", ())):
                yield name, code


def refused() -> Iterator[tuple[str, str]]:
    """Recorded histories, each with a class that the real Replayer refuses for it."""
    for name, entry in manifest().items():
        for code in entry.get("refused_by", ()):
            yield name, code


def replay(name: str, code: str, *, strict: bool = False) -> Instance:
    """Replay a recorded history with the likeness of a recorded class."""
    return replay_history(workflows()[code], recorded(name), strict=strict)


def test_the_recording_claims_53_acceptances_and_5_refusals() -> None:
    """All 49 histories of closed runs are claimed to replay, 4 of them with a second class."""
    assert (len(list(accepted())), len(list(refused()))) == (53, 5)


@pytest.mark.parametrize(("name", "code"), list(accepted()))
def test_what_the_real_replayer_accepts_is_accepted(name: str, code: str) -> None:
    """Code that the real Replayer accepts for a history issues the commands of that history."""
    replay(name, code)


@pytest.mark.parametrize(("name", "code"), list(refused()))
def test_what_the_real_replayer_refuses_is_refused(name: str, code: str) -> None:
    """Code that the real Replayer refuses for a history is non-deterministic here too."""
    with pytest.raises(ds.NonDeterminismError, match=r"TMPRL1100"):
        replay(name, code)


COMPLETED = [
    name
    for name, entry in manifest().items()
    if entry["replays_with"] and entry["outcome"]["status"] == "COMPLETED" and name not in SEEDED
]


@pytest.mark.parametrize("name", COMPLETED)
def test_a_replay_comes_to_the_recorded_result(name: str) -> None:
    """Replayed code returns what the real run returned, to the last digit of the times in it."""
    entry = manifest()[name]
    main = replay(name, entry["replays_with"]).program.main
    assert main is not None
    assert main.result() == entry["outcome"]["result"]


REPLAYED_STRICTLY = [name for name, entry in manifest().items() if entry["replays_with"] and name not in SEEDED]


@pytest.mark.parametrize("name", REPLAYED_STRICTLY)
def test_a_strict_replay_accepts_what_the_server_filled_in(name: str) -> None:
    """Arguments, time-outs and retry policies agree once the server's defaults are taken into account."""
    replay(name, manifest()[name]["replays_with"], strict=True)


def test_a_strict_replay_refuses_other_arguments() -> None:
    """Changed arguments pass unseen in the real engine, and are refused when the replay is strict."""
    replay("r0_deploy_v1", "DeployArgs")
    with pytest.raises(ds.NonDeterminismError, match="strict"):
        replay("r0_deploy_v1", "DeployArgs", strict=True)


def own() -> Iterator[str]:
    """Scenarios whose simulated histories are of closed runs."""
    return (name for name in REPLAYED_STRICTLY if name not in NOT_PORTABLE)


@pytest.mark.parametrize("name", list(own()))
def test_a_simulated_history_survives_the_exchange_and_replays(name: str) -> None:
    """A simulated history, written in the exchange form and read back, replays strictly with its own code."""
    history = ds.History.from_json(json.dumps(to_json(simulated(name))))  # checks ids, references and order, too
    replay_history(workflows()[manifest()[name]["replays_with"]], history, strict=True)
