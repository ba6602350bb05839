"""The real SDK's Replayer judges recorded histories that were read and written again. Skipped where there is no SDK."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from durable_sim.models.replay.exchange.histories import from_json, to_json

pytest.importorskip("temporalio")

from tests.conformance.temporal import golden_hooks, sdk_workflows_recorded
from tests.conformance.temporal_sdk.judge import verdict

RECORDED = Path(sdk_workflows_recorded.__file__).parent
MANIFEST: list[dict[str, Any]] = json.loads((RECORDED / "manifest.json").read_text(encoding="utf-8"))["histories"]


def claims(*keys: str) -> Iterator[tuple[str, str]]:
    """Recorded histories with the classes of which the manifest claims something."""
    for entry in MANIFEST:
        for key in keys:
            value = entry.get(key) or []
            for code in [value] if isinstance(value, str) else value:
                yield entry["name"], code


def rewritten(name: str) -> tuple[str, dict[str, Any]]:
    """A recorded history after it was read and written, with its workflow id."""
    entry = next(entry for entry in MANIFEST if entry["name"] == name)
    events = from_json((RECORDED / entry["file"]).read_text(encoding="utf-8"))
    return entry["workflow_id"], to_json(events)


@pytest.fixture(autouse=True)
def no_stalls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorded code stalls its thread only where it is not replayed."""
    monkeypatch.setattr(golden_hooks, "stall", lambda seconds: pytest.fail("this is no replay"))


@pytest.mark.parametrize(("name", "code"), list(claims("replays_with", "also_replays_with")))
def test_a_rewritten_history_still_replays(name: str, code: str) -> None:
    """The Replayer takes it as it took what the real server wrote."""
    assert verdict(getattr(sdk_workflows_recorded, code), *rewritten(name)) is None


@pytest.mark.parametrize(("name", "code"), list(claims("refused_by")))
def test_a_rewritten_history_is_still_refused(name: str, code: str) -> None:
    """Other code is found out by it as by what the real server wrote."""
    failure = verdict(getattr(sdk_workflows_recorded, code), *rewritten(name))
    assert "Nondeterminism" in type(failure).__name__ or "TMPRL1100" in str(failure)
