"""What a crash sweep costs: `python tests/benchmarks/sweep_speed.py`. A benchmark, no test.

Prints ratios of processor times, measured in turn in one process: one run of a depth-1 crash sweep of the order
workflow (simulating, judging, noting what was hit) against one bare SimPy simulation of the calls that the calm run
makes, each in a fresh environment with fresh services; once through the simulated network, as the engine's activities
make them, and once straight to the services' functions, each call a process of its own.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Generator
from typing import Any

import simpy

from durable_sim import trace as kinds
from durable_sim.library.orders import correct_order
from durable_sim.library.shop import shop
from durable_sim.search.sweep import crash_sweep
from durable_sim.simulation.run import simulate
from durable_sim.simulation.scenario import Scenario
from durable_sim.workflows.commands import CallService
from durable_sim.world.request import Request, Sender
from durable_sim.world.world import World

ROUNDS = 15
ITEMS = [{"sku": "item-3", "quantity": 3}, {"sku": "item-2", "quantity": 1}]
ORDER = {"order_id": "o-1", "customer": "c-1", "total": 40, "items": ITEMS}
SCENARIO = Scenario(correct_order(), (ORDER,), shop())
PLAN: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
    ("payments", "charge", ("c-1", 40)),
    ("inventory", "reserve", ("item-3", 3)),
    ("inventory", "reserve", ("item-2", 1)),
    ("email", "send", ("c-1", "order-confirmation")),
    ("shipping", "schedule", ("o-1",)),
    ("orders", "complete", ("o-1",)),
)


class _Caller:
    """A process that never dies."""

    worker_id = "bare"
    alive = True

    def deliver(self, callback: Callable[..., None], *arguments: Any) -> None:
        callback(*arguments)


def through_the_network() -> None:
    """The calls in plain SimPy through the simulated network, with its faults, time-outs and records."""
    world = World(0, shop())
    env, caller = world.env, _Caller()

    def order() -> Generator[simpy.Event, Any, None]:
        for service, operation, arguments in PLAN:
            answered = env.event()
            command = CallService(1, service, operation, arguments, {"reference": "o-1"})
            world.network.send(command, Sender("o-1", 1, 1), caller, answered.succeed)
            yield answered

    env.process(order())
    env.run()


def straight_to_the_services() -> None:
    """The calls in plain SimPy, straight to the service's function."""
    world = World(0, shop())
    env = world.env

    def call(service: str, operation: str, arguments: tuple[Any, ...]) -> Generator[simpy.Event, Any, None]:
        link = world.network.link(service, operation)
        latency_us = link.latency.sample_us(world.randomness.uniforms(link.subject, "o-1")[0])
        yield env.timeout(latency_us // 2)
        command = CallService(1, service, operation, arguments, {"reference": "o-1"})
        request = Request(world, 1, command, link.signature, link.kinds, Sender("o-1", 1, 1), "bare", None)
        link.function(request, *arguments, reference="o-1")
        yield env.timeout(latency_us - latency_us // 2)

    def order() -> Generator[simpy.Event, Any, None]:
        for part in PLAN:
            yield env.process(call(*part))

    env.process(order())
    env.run()


def calls_of(trace: Any) -> list[str]:
    """The operations called in a run."""
    return [str(record.subject) for record in trace if record.kind == kinds.REQUEST_SENT]


def seconds_each(function: Callable[[], Any], times: int) -> float:
    """Processor time of one call of a function."""
    began = time.process_time()
    for _ in range(times):
        function()
    return (time.process_time() - began) / times


def main() -> None:
    """Measure and print."""
    planned = [f"{service}.{operation}" for service, operation, _ in PLAN]
    assert calls_of(simulate(SCENARIO, "replay", 0).trace) == planned, "the plan is what the workflow calls"
    runs = len(crash_sweep(SCENARIO).cases)
    sweeps, networks, straights = [], [], []
    for _ in range(ROUNDS):
        sweeps.append(seconds_each(lambda: crash_sweep(SCENARIO), 1) / runs)
        networks.append(seconds_each(through_the_network, 60))
        straights.append(seconds_each(straight_to_the_services, 60))
    sweep, network, straight = map(statistics.median, (sweeps, networks, straights))
    print(f"a run of the sweep: {sweep * 1e3:.2f} ms, {1 / sweep:,.0f} runs/s ({runs} runs)")
    print(f"  {sweep / network:.1f} times bare SimPy through the network ({network * 1e6:.0f} us)")
    print(f"  {sweep / straight:.1f} times bare SimPy straight to the services ({straight * 1e6:.0f} us)")
    began = time.process_time()
    pairs = crash_sweep(SCENARIO, depth=2)
    print(f"depth 2: {len(pairs.cases):,} runs in {time.process_time() - began:.1f} s")


if __name__ == "__main__":
    main()
