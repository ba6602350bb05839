"""Notebooks: the paired files agree, nothing is stored in them, and they run from top to bottom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"
SOURCES = sorted(FOLDER.glob("[0-9]*.py"))


def _cells(notebook: Any) -> list[tuple[str, str, list[str]]]:
    return [(cell.cell_type, cell.source, list(cell.metadata.get("tags", []))) for cell in notebook.cells]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_pair_is_in_sync(source: Path) -> None:
    """A notebook and its py:percent source have the same cells."""
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    assert _cells(notebook) == _cells(jupytext.read(source)), f"run: jupytext --sync {source}"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_no_outputs_are_stored(source: Path) -> None:
    """A committed notebook holds neither outputs nor execution counts."""
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    assert [cell for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")] == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_runs_from_top_to_bottom(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cell of a notebook runs, its claims hold, and it shows pictures and tables."""
    monkeypatch.setenv("DURABLE_SIM_FAST", "1")
    monkeypatch.setenv("PYTHONPATH", str(FOLDER.parent))
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(FOLDER)}}).execute()
    shown = [output.data for cell in notebook.cells for output in cell.get("outputs", []) if "data" in output]
    assert any("image/png" in data for data in shown)
    assert any("text/html" in data for data in shown)
