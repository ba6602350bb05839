"""What all commands share: exit statuses, how options are read, and the command that repeats something."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from durable_sim.checks.owed import Debt
from durable_sim.errors import ScenarioError, UnknownNameError, UserError
from durable_sim.files.scenario_file import LoadedScenario
from durable_sim.models.registry import MODELS
from durable_sim.results.run import Run

OK, UNEXPECTED, BAD_INPUT = 0, 1, 2
INTERRUPTED, PIPE_CLOSED = 130, 141
"""As shells count: 128 and the number of the signal."""


class Parser(argparse.ArgumentParser):
    """Tells a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: {message}; see {self.prog} --help\n")


def complain(error: UserError) -> None:
    print(error if isinstance(error, ScenarioError) else f"durable-sim: {error}", file=sys.stderr)


def one_object(parser: argparse.ArgumentParser, act: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
    """A command that can print one JSON object."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(act=act, command=parser)
    return parser


def on_scenarios(commands: Any, name: str, help: str, act: Any) -> argparse.ArgumentParser:
    """A command on scenario files, whose settings can be changed."""
    command = one_object(commands.add_parser(name, help=help, description=f"{name}: {help}."), act)
    command.add_argument(
        "--set",
        metavar="KEY=VALUE",
        dest="changes",
        action="append",
        default=[],
        help="a setting over the file's, as in parameters.keys=false or arrivals.count=50 (may be given several times)",
    )
    return command


def with_seed(command: argparse.ArgumentParser, default: int | None = None, told: str = "the file's") -> None:
    """Let a command take a seed."""
    help = f"decides what is random (default: {told})"
    command.add_argument("--seed", metavar="N", type=whole, default=default, help=help)


def with_model(command: argparse.ArgumentParser) -> None:
    """Let a command take a model."""
    known = f"the execution model: {', '.join(MODELS)} (default: replay if the file lists it, else its first)"
    command.add_argument("--model", metavar="M", default=None, help=known)


def whole(text: str) -> int:
    """A whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number") from None


def seed_of(options: argparse.Namespace, loaded: LoadedScenario) -> int:
    """The seed asked for, or the file's."""
    return int(loaded.file.seed if options.seed is None else options.seed)


def model_of(name: str | None, loaded: LoadedScenario) -> str:
    """The model asked for, or the one that the file would have."""
    listed = loaded.file.models
    if name is None:
        return "replay" if "replay" in listed else listed[0]
    if name not in MODELS:
        raise UserError(f"--model: {UnknownNameError('execution model', name, MODELS)}")
    return name


def warn(loaded: LoadedScenario, owed: Sequence[Debt], runs: Iterable[Run]) -> None:
    """A workflow that fails by itself owes nothing, and would look well under every model."""
    if any(debt.completes for debt in owed):
        return
    failures = [one.execution.failure for run in runs for one in run.executions if one.execution.failure]
    because = f" ({failures[0].told})" if failures else ""
    print(
        f"{loaded.source}: warning: no execution completes even where nothing goes wrong{because}; look at the "
        "workflow and its inputs",
        file=sys.stderr,
    )


def repeat(
    command: str,
    loaded: LoadedScenario,
    seed: int,
    changes: Sequence[str],
    model: str | None = None,
    more: Sequence[str] = (),
) -> str:
    """The command that does it again, to be pasted into a shell; `more` are further options of its own."""
    words = ["durable-sim", command, loaded.source, *(("--model", model) if model else ()), "--seed", str(seed)]
    return shlex.join([*words, *(word for change in changes for word in ("--set", change)), *more])


def given(options: argparse.Namespace, *names: str) -> list[str]:
    """The options of these names that are not at the command's defaults, as they are written."""
    written: list[str] = []
    for name in names:
        value = getattr(options, name)
        if value != options.command.get_default(name):
            written += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    return written
