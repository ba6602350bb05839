"""Ready-made worlds and workloads."""

from durable_sim.library.shop import shop
from durable_sim.library.workloads import WORKLOADS, Workload, find_workload

__all__ = ["WORKLOADS", "Workload", "find_workload", "shop"]
