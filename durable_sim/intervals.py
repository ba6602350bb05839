"""How sure one can be of a share that was counted."""

from __future__ import annotations

from math import sqrt
from typing import Final

Z95: Final = 1.959964
"""The quantile of the normal distribution for 95 % confidence."""


def wilson(count: int, of: int, z: float = Z95) -> tuple[float, float]:
    """Where the true share lies of which `count` were seen in `of`, by default with 95 % confidence.

    The score interval (Wilson, "Probable inference", 1927): ((p + z²/2n) ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n). Of
    nothing, everything is possible.

    >>> [round(limit, 4) for limit in wilson(10, 10)], [round(limit, 4) for limit in wilson(0, 10)]
    ([0.7225, 1.0], [0.0, 0.2775])
    """
    if of == 0:
        return 0.0, 1.0
    share, square = count / of, z * z / of
    middle = share + square / 2
    half = z * sqrt(share * (1 - share) / of + square / (4 * of))
    low, high = (middle - half) / (1 + square), (middle + half) / (1 + square)
    return (low if count else 0.0), (high if count < of else 1.0)  # at the ends it is exact, but for the rounding
