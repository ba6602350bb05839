"""The page of the command line goes on with what the program says of itself."""

import argparse
import os
from collections.abc import Iterator

from durable_sim.cli.main import _parser

WIDTH = "100"


def commands() -> str:
    """The help of the program and of each of its commands, as Markdown."""
    os.environ["COLUMNS"] = WIDTH  # argparse lays out for a terminal
    return "\n".join(_helps(_parser()))


def _helps(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield from ("", "```text", parser.format_help().rstrip(), "```", "")
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                yield from (f"## {name}", "", "```text", command.format_help().rstrip(), "```", "")
