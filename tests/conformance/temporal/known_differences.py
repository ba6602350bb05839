"""Where the simulator does not do what was recorded, on purpose or not yet; everything else must be the same.

For each history: how the words of a difference begin, and why it is there. An entry that no longer occurs fails the
test, and so does a difference that is not listed.
"""

from __future__ import annotations

from collections.abc import Mapping

KNOWN_DIFFERENCES: Mapping[str, Mapping[str, str]] = {}

NOT_PORTABLE: Mapping[str, str] = {}
"""Histories that cannot be played at all, and why."""
