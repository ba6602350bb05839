"""bugs: the gallery of bugs, and how many runs it takes to find each."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from tqdm import tqdm

from durable_sim.cli.common import OK, UNEXPECTED, one_object
from durable_sim.errors import UnknownNameError, UserError

_BUGS = "real bugs, broken and fixed: what each is; with --find how many runs it takes to find it"


def add(commands: Any) -> None:
    """Add the command of this file."""
    bugs = one_object(commands.add_parser("bugs", help=_BUGS, description=f"bugs: {_BUGS}."), _bugs)
    bugs.add_argument("names", metavar="BUG", nargs="*", help="only these (default: all)")
    bugs.add_argument(
        "--find", action="store_true", help="measure the runs until random faults, a sweep and Hypothesis find it"
    )


def _bugs(options: argparse.Namespace) -> int:
    from durable_sim.library.gallery import BUGS  # forty scenarios, which no other command needs

    for name in options.names:
        if name not in BUGS:
            raise UnknownNameError("bug", name, BUGS)
    chosen = {name: BUGS[name] for name in options.names or BUGS}
    return _find(chosen, options.json) if options.find else _list(chosen, options.json)


def _list(chosen: Mapping[str, Any], as_json: bool) -> int:
    if as_json:
        names = ("mistake", "remedy", "shows_as", "faults", "depth", "models", "source")
        print(json.dumps({name: {one: getattr(bug, one) for one in names} for name, bug in chosen.items()}))
        return OK
    for name, bug in chosen.items():
        print(f"{name} ({bug.shows_as}; {', '.join(bug.models)})\n    {bug.mistake}\n    Better: {bug.remedy}")
        if bug.source:
            print(f"    Seen in: {bug.source}")
    return OK


def _find(chosen: Mapping[str, Any], as_json: bool) -> int:
    try:
        from durable_sim.testing.hunt import as_text, hunt  # Hypothesis only where it is wanted
    except ModuleNotFoundError:
        raise UserError("bugs --find needs Hypothesis: pip install 'durable_sim[testing]'") from None

    bar = tqdm(chosen.values(), delay=1, leave=False, unit="bug", disable=None)
    hunts = [hunt(bug, "replay" if "replay" in bug.models else bug.models[0]) for bug in bar]
    print(json.dumps([one.to_json() for one in hunts]) if as_json else as_text(hunts))
    return OK if all(one.sweep is not None for one in hunts) else UNEXPECTED
