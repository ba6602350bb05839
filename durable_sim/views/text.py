"""Runs and comparisons as plain text, for terminals and `repr`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns aligned: the first to the left, the others to the right.

    >>> print(table(["model", "n"], [["replay", 3]]))
    model   n
    replay  3
    """
    cells = [list(map(str, headings)), *(list(map(str, row)) for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(headings))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    )


def counts(found: Mapping[str, int]) -> str:
    """Counts in one line.

    >>> counts({"completed": 3, "stuck": 1})
    '3 completed, 1 stuck'
    """
    return ", ".join(f"{number} {name}" for name, number in found.items()) or "none"
