"""Same scenario and seed, same bytes: in another process, under another hash seed, on another Python."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import durable_sim as ds
from durable_sim.files.scenario_file import load
from durable_sim.simulation.run import simulate
from durable_sim.trace import EFFECT_APPLIED, REQUEST_SENT, Trace, first_difference

ROOT = Path(__file__).parents[2]
SCENARIO = ROOT / "scenarios" / "order_fulfillment.toml"
CHANGES = ["arrivals.count=40"]
PROGRAM = f"""
import json
from durable_sim.files.scenario_file import load
from durable_sim.simulation.run import simulate
loaded = load({str(SCENARIO)!r}, {CHANGES!r})
scenario = loaded.scenario(5)
print(json.dumps({{model: simulate(scenario, model, 5).trace.digest() for model in loaded.file.models}}))
"""
NEEDED = "import simpy, pydantic, tomli_w, tqdm"


def _digests(python: str, hash_seed: str) -> dict[str, str]:
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([python, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def digests() -> dict[str, str]:
    """The digests by model in this very process's Python, under hash seed 1."""
    return _digests(sys.executable, "1")


def test_other_hash_seed_same_bytes(digests: dict[str, str]) -> None:
    """A trace does not depend on PYTHONHASHSEED or on the process, under any model."""
    assert list(digests) == list(ds.MODELS)
    assert _digests(sys.executable, "4242") == digests


def _other_pythons() -> list[str]:
    """Interpreters of other versions that have what the engine needs: one named by CI, or any on this machine."""
    named = os.environ.get("DURABLE_SIM_OTHER_PYTHON")
    found = [named] if named else []
    for minor in (11, 12, 13, 14):
        python = shutil.which(f"python3.{minor}")
        if python is None or sys.version_info[:2] == (3, minor):
            continue
        if subprocess.run([python, "-c", NEEDED], capture_output=True).returncode == 0:
            found.append(python)
    return found


def test_other_python_same_bytes(digests: dict[str, str]) -> None:
    """A trace does not depend on the version of Python."""
    pythons = _other_pythons()
    if not pythons:
        pytest.skip("no other Python with simpy, pydantic, tomli-w and tqdm here; the golden digest below still binds")
    for python in pythons:
        assert _digests(python, "7") == digests, python


def test_a_digest_recorded_once_still_holds() -> None:
    """The trace of a small faulty run is the one that was recorded once, on whatever Python this is."""
    loaded = load(ROOT / "scenarios" / "email_timeout_after_acceptance.toml")
    found = {model: simulate(loaded.scenario(), model, 1).trace.digest()[:16] for model in ("regular", "replay")}
    assert found == GOLDEN


GOLDEN = {"regular": "8396ff2a1f5a7294", "replay": "7c89a052ce02aeb3"}


def test_twice_in_one_process_is_equal_row_by_row() -> None:
    """Two runs in one process have the same trace, record by record."""
    loaded = load(SCENARIO, CHANGES)
    for model in loaded.file.models:
        one, other = (simulate(loaded.scenario(3), model, 3).trace for _ in range(2))
        assert first_difference(one, other) is None


def test_other_seed_other_bytes() -> None:
    """Another seed gives another run."""
    loaded = load(SCENARIO, CHANGES)
    assert (
        simulate(loaded.scenario(3), "replay", 3).trace.digest()
        != simulate(loaded.scenario(4), "replay", 4).trace.digest()
    )


def _first_charges(trace: Trace) -> dict[str, tuple[str | None, int | None]]:
    """For the first charge of each order: its fate, and how long it took to take effect."""
    sent: dict[str, tuple[int, int | None, str | None]] = {}
    found: dict[str, tuple[str | None, int | None]] = {}
    for record in trace:
        order = record.execution
        if record.subject != "payments.charge" or order is None:
            continue
        if record.kind == REQUEST_SENT and order not in sent:
            fate = (record.data or {}).get("fault")
            sent[order] = (record.time_us, record.call, fate)
            found[order] = (fate, None)
        elif record.kind == EFFECT_APPLIED and order in sent and record.call == sent[order][1]:
            found.setdefault(order, (None, None))
            if found[order][1] is None:
                found[order] = (sent[order][2], record.time_us - sent[order][0])
    return found


def test_every_model_meets_the_same_flaky_world() -> None:
    """The first charge of an order has the same fate and takes equally long under each model."""
    loaded = load(SCENARIO, CHANGES)
    charges = {model: _first_charges(simulate(loaded.scenario(3), model, 3).trace) for model in loaded.file.models}
    reference = charges["replay"]
    assert len(reference) >= 38 and any(fate for fate, _ in reference.values())
    for found in charges.values():
        for order, fate_and_delay in found.items():
            fate, delay_us = fate_and_delay
            expected = reference.get(order, fate_and_delay)
            assert fate == expected[0]
            assert None in (delay_us, expected[1]) or delay_us == expected[1]  # one may have been refunded meanwhile


def test_a_new_fault_shifts_nothing_else() -> None:
    """A crash added to the plan leaves what comes before it as it was."""
    order = {"order_id": "o-1"}
    calm = ds.run(ds.library.find_workload("orders.correct").make(), order, seed=3)
    late = ds.run(ds.library.find_workload("orders.correct").make(), order, seed=3, faults=[ds.Crash(at="1500ms")])
    before = [record for record in late.trace if record.time_us < 1_500_000]
    assert len(before) > 20
    assert before == list(calm.trace)[: len(before)]
