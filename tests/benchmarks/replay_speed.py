"""What the replay model costs: `python tests/benchmarks/replay_speed.py`. A benchmark, no test.

Prints ratios of processor times, measured in turn in one process.

1. 2,000 orders of five calls under `replay` (judging left out, caches warm) against three baselines in bare SimPy, each
   call a process of its own: the same calls of the same services with the same latencies, straight to the service's
   function; the same through the simulated network, as the engine's activities make them; and time-outs only.
2. One workflow of 10,000 steps against one of 100: the cost of a step.
3. The replay of a history of 6,000 events.
4. The same orders with the determinism guard on.
"""

from __future__ import annotations

import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

import simpy

import durable_sim as ds
from durable_sim.library.orders import correct_order
from durable_sim.library.shop import shop
from durable_sim.models.replay.native import replay_history
from durable_sim.simulation.run import simulate
from durable_sim.simulation.scenario import Arrivals, Scenario
from durable_sim.workflows.commands import CallService
from durable_sim.world.request import Request, Sender
from durable_sim.world.world import World

ORDERS = 2_000
ROUNDS = 7
CALLS = 5  # an order of one item: charge, reserve, mail, ship, complete
PLAN: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
    ("payments", "charge", ("c", 40)),
    ("inventory", "reserve", ("book", 1)),
    ("email", "send", ("c", "order-confirmation")),
    ("shipping", "schedule", ("o",)),
    ("orders", "complete", ()),
)


# --- the orders -------------------------------------------------------------------------------------------------------
def scenario(**options: Any) -> Scenario:
    """2,000 orders of one item, no faults."""
    items = [{"sku": "book", "quantity": 1}]
    inputs = tuple({"order_id": f"o-{n}", "customer": f"c-{n}", "total": 40, "items": items} for n in range(ORDERS))
    calm = Scenario(correct_order(), inputs, shop(), arrivals=Arrivals("2s", random=True), workers=3)
    return replace(calm, model_options={"replay": options})


def same_calls() -> None:
    """The same calls of the same services in plain SimPy, straight to the service's function."""
    world = World(7, shop())
    env, network = world.env, world.network

    def call(order: str, service: str, operation: str, arguments: tuple[Any, ...]) -> Generator[simpy.Event, Any, None]:
        link = network.link(service, operation)
        latency_us = link.latency.sample_us(world.randomness.uniforms(link.subject, order)[0])
        yield env.timeout(latency_us // 2)
        own = (order,) if operation == "complete" else arguments
        command = CallService(1, service, operation, own, {"reference": order})
        request = Request(world, 1, command, link.signature, link.kinds, Sender(order, 1, 1), "bare", None)
        link.function(request, *own, reference=order)
        yield env.timeout(latency_us - latency_us // 2)

    def order(name: str, start: int) -> Generator[simpy.Event, Any, None]:
        yield env.timeout(start)
        for service, operation, arguments in PLAN:
            yield env.process(call(name, service, operation, arguments))

    for number in range(ORDERS):
        env.process(order(f"o-{number}", number * 2_000_000))
    env.run()


class _Caller:
    """A process that never dies."""

    worker_id = "bare"
    alive = True

    def deliver(self, callback: Callable[..., None], *arguments: Any) -> None:
        callback(*arguments)


def through_the_network() -> None:
    """The same calls in plain SimPy through the simulated network, with its faults, time-outs and records."""
    world = World(7, shop())
    env, network, caller = world.env, world.network, _Caller()

    def order(name: str, start: int) -> Generator[simpy.Event, Any, None]:
        yield env.timeout(start)
        for service, operation, arguments in PLAN:
            own = (name,) if operation == "complete" else arguments
            answered = env.event()
            command = CallService(1, service, operation, own, {"reference": name})
            network.send(command, Sender(name, 1, 1), caller, answered.succeed)
            yield answered

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


# --- long workflows ---------------------------------------------------------------------------------------------------
@ds.activity
async def step(ctx: ds.ActivityContext, told: str) -> str:
    """A step that costs nothing itself."""
    return told


@ds.workflow
async def steps(ctx: ds.WorkflowContext, count: int) -> int:
    """So many steps, one after the other."""
    for _ in range(count):
        await ctx.execute_activity(step, "o", start_to_close_timeout="30s")
    return count


def long_workflow(count: int) -> ds.History:
    """The history of one workflow of so many steps."""
    sim = ds.Simulation(steps, services={}, guard=False, history_limit=None)
    handle = sim.start(steps, count, id="long")
    assert handle.result() == count
    return handle.history()


def cost_of_a_step(count: int) -> float:
    """Seconds a step, in one workflow of so many steps; many short ones are measured together."""
    repeat = max(1, 2_000 // count)
    return timed(lambda: [long_workflow(count) for _ in range(repeat)]) / (count * repeat)


# --- measuring --------------------------------------------------------------------------------------------------------
def timed(work: Callable[[], object]) -> float:
    """Processor seconds of one run, without freeing what it leaves, and with the cycle collector off."""
    gc.collect()
    gc.disable()
    begun = time.process_time()
    result = work()
    elapsed = time.process_time() - begun
    gc.enable()
    del result
    return elapsed


def import_seconds() -> float:
    """Wall seconds of `import durable_sim` in a fresh interpreter, without the interpreter's own start."""
    program = "import time; t = time.perf_counter(); import durable_sim; print(time.perf_counter() - t)"
    return float(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)


def ratio(rounds: list[tuple[float, ...]], upper: int, lower: int) -> str:
    """Median, least and greatest of the ratios of two columns, round by round."""
    ratios = sorted(one[upper] / one[lower] for one in rounds)
    return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"


def main() -> None:
    """Print the ratios."""
    orders, guarded = scenario(), scenario(guard=True)
    work: tuple[Callable[[], object], ...] = (
        lambda: simulate(orders, "replay", 7),
        same_calls,
        through_the_network,
        only_timeouts,
        lambda: simulate(guarded, "replay", 7),
    )
    rounds = [tuple(timed(one) for one in work) for _ in range(ROUNDS)]
    medians = [statistics.median(column) * 1e3 for column in zip(*rounds, strict=True)]
    print(f"{ORDERS} orders, {CALLS} calls each, processor time, medians of {ROUNDS} rounds in turn")
    print(f"replay, warm                           {medians[0]:8.1f} ms")
    print(f"bare SimPy, the same calls             {medians[1]:8.1f} ms   replay is {ratio(rounds, 0, 1)} times that")
    print(f"bare SimPy, through the network        {medians[2]:8.1f} ms   replay is {ratio(rounds, 0, 2)} times that")
    print(f"bare SimPy, time-outs only             {medians[3]:8.1f} ms   replay is {ratio(rounds, 0, 3)} times that")
    print(f"replay with the guard                  {medians[4]:8.1f} ms   {ratio(rounds, 4, 0)} times without")
    costs = [(cost_of_a_step(10_000), cost_of_a_step(100)) for _ in range(5)]
    print(
        f"a step of 10,000 in one workflow       {statistics.median(one[0] for one in costs) * 1e6:8.1f} us   "
        f"{ratio(costs, 0, 1)} times a step of 100"
    )
    history = long_workflow(1_000)
    speed = statistics.median(len(history) / timed(lambda: replay_history(steps, history)) for _ in range(7))
    print(f"replay of a history of {len(history):,} events      {speed:8,.0f} events/s")
    imports = statistics.median(import_seconds() for _ in range(5)) * 1e3
    print(f"import durable_sim                     {imports:8.1f} ms")


if __name__ == "__main__":
    main()
