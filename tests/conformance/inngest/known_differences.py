"""Where the simulator does not do what was recorded, on purpose; everything else must be the same.

For each case: how the words of a difference begin, and why it is there. An entry that no longer occurs fails the test,
and so does a difference that is not listed.
"""

from __future__ import annotations

from collections.abc import Mapping

_DRIVER = "the recorder's own driver followed the written protocol; the real server (server_par) does it in six calls"

KNOWN_DIFFERENCES: Mapping[str, Mapping[str, str]] = {
    "parallel": {
        "http_calls: recorded 7, simulated 6": _DRIVER,
        "call 4: memo": "the driver made the two calls one after the other, the real server makes them side by side",
        "call 5: ": _DRIVER,
        "call 6: ": _DRIVER,
    },
    "order_process_dies_in_charge": {
        "finally_runs: recorded 6, simulated 5": (
            "the recorder stood for a dying process with an exception, which ran `finally`; a real crash runs nothing"
        ),
    },
}

LEFT_OUT: Mapping[str, str] = {
    "single_calls: registration_order": "functions are not registered over HTTP here; the platform has the code's own",
}
"""Recorded things that are not played at all, and why."""
