"""The program `durable-sim`: reads its arguments, lets a command act, tells mistakes.

Exit status 0: done, and as expected; 1: an expectation failed, or a search found violations; 2: bad input, a clear
line for each mistake on stderr. Always holds: with --json there is one JSON object on stdout or nothing; a mistake of
the user never shows a traceback.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from durable_sim.cli import bugs, health, models, report, scenarios, searches
from durable_sim.cli.common import BAD_INPUT, INTERRUPTED, OK, PIPE_CLOSED, Parser, complain
from durable_sim.errors import UserError
from durable_sim.version import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; gives its exit status."""
    if "" not in sys.path:
        sys.path.insert(0, "")  # workloads that a scenario names are found where the command is given
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter is no reason to stop
    try:
        options = _parser().parse_args(arguments)
        status = int(options.act(options))
        sys.stdout.flush()
        return status
    except SystemExit as done:  # argparse has said what there is to say
        return int(done.code or OK)
    except UserError as error:
        complain(error)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("durable-sim: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # who reads us has enough, as in `durable-sim compare ... | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes stdout once more at its end
        return PIPE_CLOSED


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="durable-sim",
        description="Runs durable workflows under crashes, deploys and time-outs, and judges what came of them.",
        epilog="Exit status: 0 done, and as expected; 1 an expectation failed or a violation was found; 2 bad input.",
    )
    parser.add_argument("--version", action="version", version=f"durable-sim {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for part in (scenarios, searches, bugs, report, health, models):
        part.add(commands)
    return parser
