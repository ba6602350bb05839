"""A process that holds a store is killed for real, and another one goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "killed_worker.py"
ROOT = Path(__file__).parents[3]
KILLS = 200


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked, which this system cannot do")
def test_200_kills_lose_no_event_and_every_order_ends_as_it_should(tmp_path: Path) -> None:
    """Killed 200 times at random moments, within transactions too: after each, all that was saved is there and nothing
    twice, and in the end every order has its result, and every effect under its key."""
    command = [sys.executable, str(SCRIPT), str(tmp_path), "1", str(KILLS)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["kills"] == KILLS
    assert report["unfinished"] > 150
    assert report["stores"] >= 3
    died_at = Counter(report["died_at"])
    assert died_at["UPDATE"] + died_at["INSERT"] + died_at["COMMIT"] > 40, f"kills within a transaction: {died_at}"
