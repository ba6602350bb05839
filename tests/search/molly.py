"""The protocols of the paper on lineage-driven fault injection (SIGMOD 2015), as a small model of their own.

Nodes work in rounds, from 1 to `eot`; what is sent in one round arrives in the next. Messages of the rounds before
`eff` can be lost. A node that stops in a round sends nothing from then on, and nothing is expected of it. The model
shares nothing with the simulator; only the choice of what to try next, `hitting_sets` and `smallest`, is the search's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from math import comb
from typing import NamedTuple

from durable_sim.search.hitting import Support, hitting_sets
from durable_sim.search.minimal import smallest


class Loss(NamedTuple):
    """The message that one node sends to another in a round is lost."""

    sender: str
    receiver: str
    at: int


class Stop(NamedTuple):
    """A node stops in a round, for good."""

    node: str
    at: int


Fault = Loss | Stop
Proof = tuple[Loss, ...]
"""The messages through which something came about, as the losses that would have prevented it."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """EOT/EFF/crashes, as the paper writes it, and the nodes; the first one begins."""

    eot: int
    eff: int
    stops_max: int
    nodes: str = "abc"

    @property
    def combinations(self) -> int:
        """How many combinations of faults there are, by the formula of the paper."""
        others, stops, eff = len(self.nodes) - 1, self.stops_max, self.eff
        losses_of_the_others = 2 ** (others * eff * (len(self.nodes) - stops))
        losses_of_one_that_stops = sum(2 ** (others * min(eff, at - 1)) for at in range(1, self.eot + 2))
        return int(comb(len(self.nodes), stops) * losses_of_the_others * losses_of_one_that_stops**stops)

    def support(self, proof: Proof) -> tuple[Fault, ...]:
        """The faults each of which would have prevented it."""
        found: dict[Fault, None] = {}
        for message in proof:
            if message.at < self.eff:
                found[message] = None
            if self.stops_max:
                found.update((Stop(message.sender, at), None) for at in range(message.at, 0, -1))
        return tuple(found)

    def every_fault_set(self) -> Iterator[tuple[Fault, ...]]:
        """All of them, the empty one included."""
        pairs = permutations(self.nodes, 2)
        losses = [Loss(sender, receiver, at) for sender, receiver in pairs for at in range(1, self.eff)]
        stops = [Stop(node, at) for node in self.nodes for at in range(1, self.eot + 1)]
        ways: list[tuple[Fault, ...]] = [(), *((one,) for one in stops if self.stops_max)]
        for stop in ways:
            for count in range(len(losses) + 1):
                yield from ((*lost, *stop) for lost in combinations(losses, count))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of some faults: by goal, all the ways in which it was reached. A goal that nobody owes any more is not
    named; `broken`: one that somebody owes was not reached."""

    reached: dict[str, list[Proof]]
    broken: bool


Protocol = Callable[[Bounds, frozenset[Fault]], Outcome]


def _alive(node: str, at: int, faults: frozenset[Fault]) -> bool:
    return not any(isinstance(one, Stop) and one.node == node and one.at <= at for one in faults)


# --- delivery: one node knows something that all must come to know ---------------------------------------------------
Speaks = Callable[[str, int, list[tuple[int, Proof]]], Proof | None]
"""What makes a node speak in a round, given the node, the round and what it has received: the proof; None: silent."""


def delivery(speaks: Speaks, delay: int = 0) -> Protocol:
    """A protocol of delivery; a node knows what it received `delay` rounds later."""

    def protocol(bounds: Bounds, faults: frozenset[Fault]) -> Outcome:
        received: dict[str, list[tuple[int, Proof]]] = {node: [] for node in bounds.nodes}
        received["a"].append((1, ()))
        for at in range(1, bounds.eot - delay):
            arriving = []
            for sender in bounds.nodes:
                proof = speaks(sender, at, received[sender]) if _alive(sender, at, faults) else None
                for receiver in bounds.nodes if proof is not None else "":
                    message = Loss(sender, receiver, at)
                    if receiver != sender and message not in faults:
                        arriving.append((receiver, (at + 1, (*(proof or ()), message))))
            for receiver, arrival in arriving:
                received[receiver].append(arrival)
        return _delivered(bounds, faults, {node: [proof for _, proof in received[node]] for node in bounds.nodes})

    return protocol


def _delivered(bounds: Bounds, faults: frozenset[Fault], proofs: dict[str, list[Proof]]) -> Outcome:
    """All must know it as soon as one that goes on, other than the first, does."""
    owing = [node for node in bounds.nodes[1:] if _alive(node, bounds.eot, faults)]
    if not any(proofs[node] for node in owing):
        return Outcome({}, False)
    return Outcome({node: proofs[node] for node in owing}, not all(proofs[node] for node in owing))


def _first(node: str, at: int, received: list[tuple[int, Proof]]) -> Proof | None:
    return received[0][1] if received else None


def _once(node: str, at: int, received: list[tuple[int, Proof]]) -> Proof | None:
    return next((proof for since, proof in received if since == at), None)


SIMPLE = delivery(lambda node, at, received: () if node == "a" and at == 1 else None)
RETRY = delivery(lambda node, at, received: () if node == "a" else None)
CLASSIC = delivery(_once, delay=1)
REDUN = delivery(_first)


# --- two-phase commit ------------------------------------------------------------------------------------------------
def two_phase_commit(bounds: Bounds, faults: frozenset[Fault]) -> Outcome:
    """The first node asks the others in round 1, they vote in 2, it decides after 3 and tells them in 4. As soon as
    one is prepared, two must come to decide. Without losses."""
    first, others = bounds.nodes[0], bounds.nodes[1:]
    if not _alive(first, 1, faults):
        return Outcome({}, False)
    asked = tuple(Loss(first, one, 1) for one in others)
    votes = tuple(Loss(one, first, 2) for one in others)
    decided = all(_alive(one, 2, faults) for one in others) and _alive(first, 4, faults)
    proofs = [(*asked, *votes, Loss(first, one, 4)) for one in others] if decided else []
    return Outcome({"decision": proofs}, not decided)


# --- the search ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Found:
    """The minimal fault sets, in the order in which they were found, and how many executions that took."""

    sets: tuple[frozenset[Fault], ...]
    executions: int


def search(protocol: Protocol, bounds: Bounds, goals: Sequence[str], first: bool = False) -> Found:
    """Search by lineage. Faults only take away here, so what was reached in one way without them stays reached."""
    outcomes: dict[frozenset[Fault], Outcome] = {}
    supports: dict[str, list[Support[Fault]]] = {goal: [] for goal in goals}
    closed: dict[str, list[tuple[Fault, ...]]] = {goal: [] for goal in goals}
    found: list[frozenset[Fault]] = []

    def broken(faults: tuple[Fault, ...]) -> bool:
        key = frozenset(faults)
        if key not in outcomes:
            outcomes[key] = protocol(bounds, key)
        return outcomes[key].broken

    while (faults := _next(supports, closed)) is not None and not (first and found):
        if broken(faults):
            faults = smallest(faults, broken)
            found.append(frozenset(faults))
        reached = {} if faults in map(tuple, found) or broken(faults) else outcomes[frozenset(faults)].reached
        for goal in goals:
            if reached.get(goal):
                supports[goal] += [Support(bounds.support(proof)) for proof in reached[goal]]
            else:
                closed[goal].append(faults)
    return Found(tuple(found), len(outcomes))


def _next(
    supports: dict[str, list[Support[Fault]]], closed: dict[str, list[tuple[Fault, ...]]]
) -> tuple[Fault, ...] | None:
    """The smallest set that is worth trying for any goal."""
    candidates = [
        next(hitting_sets(own, closed=closed[goal], exclusive=_stops), None) for goal, own in supports.items()
    ]
    return min((one for one in candidates if one is not None), key=len, default=None)


def _stops(fault: Fault) -> str | None:
    """At most one node stops."""
    return "stop" if isinstance(fault, Stop) else None


def by_exhaustion(protocol: Protocol, bounds: Bounds) -> list[frozenset[Fault]]:
    """The minimal fault sets, by trying all there are, the smaller first."""
    found: list[frozenset[Fault]] = []
    for faults in sorted(map(frozenset, bounds.every_fault_set()), key=len):
        if not any(one <= faults for one in found) and protocol(bounds, faults).broken:
            found.append(faults)
    return found
