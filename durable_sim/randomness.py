"""Randomness: one seed, many named streams, and latency distributions as data.

Every draw is a pure function of (seed, name), so that a new fault never shifts another part's draws and two
execution models see the same flaky world (common random numbers). Nothing here keeps a position: a name is used once,
or names a `random.Random` of its own.
"""

from __future__ import annotations

import math
import random
import struct
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from statistics import NormalDist
from types import MappingProxyType
from typing import Any, ClassVar

from durable_sim.durations import Duration, duration_us, format_us
from durable_sim.errors import UserError

_UNPACK = struct.Struct("<8Q").unpack
_TO_UNIT = 2.0**-53
_NORMAL = NormalDist()
_Z99 = 2.3263478740408408  # the 99 % point of the standard normal distribution
STRICT = MappingProxyType({"extra": "forbid", "strict": True})
"""For settings that can come from a file: an unknown key or a value of another type is a mistake, never a guess."""


@dataclass(frozen=True, slots=True)
class Randomness:
    """All the randomness of one run.

    >>> Randomness(7).uniforms("payments.charge", "o-1", 1) == Randomness(7).uniforms("payments.charge", "o-1", 1)
    True
    """

    seed: int

    def uniforms(self, *name: str | int) -> tuple[float, ...]:
        """Eight independent numbers in [0, 1) that belong to `name`."""
        return tuple([(word >> 11) * _TO_UNIT for word in _UNPACK(self._digest(name))])

    def stream(self, *name: str | int) -> random.Random:
        """A generator of its own for `name`, for draws whose number is not known beforehand."""
        return random.Random(int.from_bytes(self._digest(name), "little"))

    def _digest(self, name: tuple[str | int, ...]) -> bytes:
        return blake2b(repr((self.seed, name)).encode(), digest_size=64).digest()


@dataclass(frozen=True, slots=True)
class Constant:
    """Always the same time span."""

    __pydantic_config__: ClassVar[Any] = STRICT
    value: Duration

    def __post_init__(self) -> None:
        duration_us(self.value)

    def sample_us(self, u: float) -> int:
        return duration_us(self.value)


@dataclass(frozen=True, slots=True)
class Uniform:
    """Evenly spread between `low` and `high`."""

    __pydantic_config__: ClassVar[Any] = STRICT
    low: Duration
    high: Duration

    def __post_init__(self) -> None:
        _ordered("uniform", "low", self.low, "high", self.high)

    def sample_us(self, u: float) -> int:
        low = duration_us(self.low)
        return low + round(u * (duration_us(self.high) - low))


@dataclass(frozen=True, slots=True)
class Exponential:
    """Memoryless, with the given mean: -mean * ln(1 - u)."""

    __pydantic_config__: ClassVar[Any] = STRICT
    mean: Duration

    def __post_init__(self) -> None:
        duration_us(self.mean)

    def sample_us(self, u: float) -> int:
        return round(-duration_us(self.mean) * math.log1p(-u))


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Skewed like real latencies, given by its median and its 99th percentile.

    mu = ln p50, sigma = ln(p99 / p50) / 2.326, sampled by inversion: exp(mu + sigma * z(u)).
    """

    __pydantic_config__: ClassVar[Any] = STRICT
    p50: Duration
    p99: Duration

    def __post_init__(self) -> None:
        _ordered("lognormal", "p50", self.p50, "p99", self.p99)
        if duration_us(self.p50) == 0:
            raise UserError("lognormal: p50 is 0s: a lognormal time is always positive; use a constant instead")

    def sample_us(self, u: float) -> int:
        p50_us, sigma = _lognormal(duration_us(self.p50), duration_us(self.p99))
        return round(p50_us * math.exp(sigma * _NORMAL.inv_cdf(min(max(u, 2.0**-54), 1 - 2.0**-53))))


@lru_cache(maxsize=256)
def _lognormal(p50_us: int, p99_us: int) -> tuple[int, float]:
    return p50_us, math.log(p99_us / p50_us) / _Z99


Distribution = Constant | Uniform | Exponential | LogNormal


def _ordered(kind: str, low_name: str, low: Duration, high_name: str, high: Duration) -> None:
    if duration_us(low) > duration_us(high):
        found = f"{low_name} {format_us(duration_us(low))} is above {high_name} {format_us(duration_us(high))}"
        raise UserError(f"{kind}: {found}; swap them")
