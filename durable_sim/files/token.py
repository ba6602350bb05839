"""A run as one line of text: which scenario, model, seed and faults, and how to see that it is still the same run.

A token is "ds1-" and letters that are safe in a shell: base64 of a checksum and JSON. It is data; nothing in it is
evaluated. Always holds: equal content gives equal text, on every machine.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from dataclasses import fields
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from durable_sim.durations import duration_us, format_us
from durable_sim.errors import UserError
from durable_sim.version import __version__
from durable_sim.world.faults import Placeable

PREFIX = "ds1-"


class Token(BaseModel):
    """What repeats a run.

    `source` and `changes` name the scenario file and the settings over it, where there is one; `executions` says which
    of its executions run in calm weather with these `faults`: the first so many, the one of this id, or all (None);
    `oracles` are the further checks, of those that come with the package.
    `scenario` and `trace` are digests: of the scenario, which must be the same, and of the run, which shows whether the
    code has changed since.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    model: str
    seed: int
    faults: tuple[Annotated[Placeable, Field(discriminator="kind")], ...]
    executions: int | str | None
    scenario: str
    trace: str
    source: str = ""
    changes: tuple[str, ...] = ()
    oracles: tuple[str, ...] = ()
    version: str = __version__

    def __str__(self) -> str:
        said = self.model_dump(exclude={"faults"}, exclude_defaults=True)
        data = {**said, "faults": [*map(_plain, self.faults)], "version": self.version}
        text = json.dumps(data, separators=(",", ":")).encode()
        return PREFIX + base64.urlsafe_b64encode(zlib.crc32(text).to_bytes(4) + text).decode().rstrip("=")


def read_token(text: str) -> Token:
    """Read a token.

    Raises:
        UserError: it is none, it is not whole, or it is from another version.
    """
    text = text.strip()
    named = f"token {text[:16]}..."
    if not text.startswith(PREFIX):
        raise UserError(f"{named}: expected {PREFIX!r} at its beginning; copy it as a whole")
    content = _content(text.removeprefix(PREFIX))
    if content is None:
        raise UserError(f"{named}: it is cut off or changed; copy it as a whole")
    if content.get("version") != __version__:
        raise UserError(
            f"{named}: it is from durable_sim {content.get('version')}, this is {__version__}; install that, or search "
            "again"
        )
    try:
        return Token.model_validate_json(json.dumps(content))
    except (ValidationError, UserError) as error:
        raise UserError(f"{named}: it does not say what to run: {' '.join(str(error).split())}") from None


def _content(body: str) -> dict[str, Any] | None:
    """What is in a token, if it is whole."""
    try:
        packed = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        content = json.loads(packed[4:])
    except (binascii.Error, ValueError):
        return None
    whole = int.from_bytes(packed[:4]) == zlib.crc32(packed[4:]) and isinstance(content, dict)
    return content if whole else None


def _plain(fault: Placeable) -> dict[str, Any]:
    """What a fault says beyond its defaults, as JSON data."""
    said = {one.name: getattr(fault, one.name) for one in fields(fault)}
    defaults = {one.name: one.default for one in fields(fault) if one.name != "kind"}
    return {
        name: format_us(duration_us(value)) if isinstance(value, timedelta) else value
        for name, value in said.items()
        if name not in defaults or value != defaults[name]
    }
