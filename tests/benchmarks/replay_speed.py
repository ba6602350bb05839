"""How much the replay model costs over bare SimPy: `python tests/benchmarks/replay_speed.py`.

Prints ratios of wall times, measured in turn in one process: 2,000 orders under `replay` (judging left out) against two
baselines. The first makes the same calls of the same services with the same latencies, each call a bare SimPy process
of its own with two time-outs; the second has the time-outs only, and no service does anything. A benchmark, no test.
"""

from __future__ import annotations

import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from typing import Any

import simpy

from durable_sim.library.orders import correct_order
from durable_sim.library.shop import shop
from durable_sim.simulation.run import simulate
from durable_sim.simulation.scenario import Arrivals, Scenario
from durable_sim.workflows.commands import CallService
from durable_sim.world.request import Request, Sender
from durable_sim.world.world import World

ORDERS = 2_000
ROUNDS = 7
CALLS = 5  # an order of one item: charge, reserve, mail, ship, complete


def scenario() -> Scenario:
    """2,000 orders of one item, no faults."""
    items = [{"sku": "book", "quantity": 1}]
    inputs = tuple({"order_id": f"o-{n}", "customer": f"c-{n}", "total": 40, "items": items} for n in range(ORDERS))
    return Scenario(correct_order(), inputs, shop(), arrivals=Arrivals("2s", random=True), workers=3)


def same_calls() -> None:
    """The same calls of the same services in plain SimPy, without any engine."""
    world = World(7, shop())
    env, network = world.env, world.network
    plan = (
        ("payments", "charge", ("c", 40)),
        ("inventory", "reserve", ("book", 1)),
        ("email", "send", ("c", "order-confirmation")),
        ("shipping", "schedule", ("o",)),
        ("orders", "complete", ()),
    )

    def call(order: str, service: str, operation: str, arguments: tuple[Any, ...]) -> Generator[simpy.Event, Any, None]:
        link = network.link(service, operation)
        latency_us = link.latency.sample_us(world.randomness.uniforms(link.subject, order)[0])
        yield env.timeout(latency_us // 2)
        own = (order,) if operation == "complete" else arguments
        command = CallService(1, service, operation, own, {"reference": order})
        request = Request(world, 1, command, link.signature, Sender(order, 1, 1), "bare", None)
        link.function(request, *own, reference=order)
        yield env.timeout(latency_us - latency_us // 2)

    def order(name: str, start: int) -> Generator[simpy.Event, Any, None]:
        yield env.timeout(start)
        for service, operation, arguments in plan:
            yield env.process(call(name, service, operation, arguments))

    for number in range(ORDERS):
        env.process(order(f"o-{number}", number * 2_000_000))
    env.run()


def only_timeouts() -> None:
    """As many calls in plain SimPy, none of which does anything."""
    env = simpy.Environment()

    def call() -> Generator[simpy.Event, Any, None]:
        yield env.timeout(40_000)
        yield env.timeout(40_000)

    def order(start: int) -> Generator[simpy.Event, Any, None]:
        yield env.timeout(start)
        for _ in range(CALLS):
            yield env.process(call())

    for number in range(ORDERS):
        env.process(order(number * 2_000_000))
    env.run()


def timed(work: Callable[[], object]) -> float:
    """Wall seconds of one run."""
    gc.collect()
    begun = time.perf_counter()
    result = work()
    elapsed = time.perf_counter() - begun
    del result  # freeing the recording is not part of the run
    return elapsed


def import_seconds() -> float:
    """Wall seconds of `import durable_sim` in a fresh interpreter, without the interpreter's own start."""
    program = "import time; t = time.perf_counter(); import durable_sim; print(time.perf_counter() - t)"
    return float(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Print the ratios."""
    orders = scenario()
    rounds = [
        (timed(lambda: simulate(orders, "replay", 7)), timed(same_calls), timed(only_timeouts)) for _ in range(ROUNDS)
    ]
    replay, calls, timeouts = (statistics.median(column) * 1e3 for column in zip(*rounds, strict=True))
    print(f"{ORDERS} orders, {CALLS} calls each, medians of {ROUNDS} rounds in turn")
    print(f"replay                           {replay:8.1f} ms")
    print(f"bare SimPy, the same calls       {calls:8.1f} ms   ratio {_ratio(rounds, 1)}   (aim: at most 6)")
    print(f"bare SimPy, time-outs only       {timeouts:8.1f} ms   ratio {_ratio(rounds, 2)}")
    imports = statistics.median(import_seconds() for _ in range(5)) * 1e3
    print(f"import durable_sim               {imports:8.1f} ms   (aim: under 400)")


def _ratio(rounds: list[tuple[float, float, float]], column: int) -> str:
    ratios = sorted(one[0] / one[column] for one in rounds)
    return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"


if __name__ == "__main__":
    main()
