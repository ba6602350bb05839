"""The command line."""

from durable_sim.cli.main import main

__all__ = ["main"]
