"""Side doors of the recorded workflows: things that happen once, and real stalls.

Kept outside the workflows' module so that it can be passed through a workflow sandbox: a sandbox re-imports that
module for each run, and "once" must survive it.

Set the environment variable DURABLE_SIM_GOLDEN_MARKS to a writable folder to make "once" survive a killed process (as
it did when the histories were recorded). Without it a set in this module remembers: enough for one process.
"""

import os
import time
from pathlib import Path

MARKS: set[str] = set()
EXECUTIONS: list[tuple[str, int]] = []  # (activity type, attempt) of each body that `blocking` ran in this process


def first_time(key: str) -> bool:
    """True for the first call with this key, False for ever after."""
    folder = os.environ.get("DURABLE_SIM_GOLDEN_MARKS")
    if folder is None:
        if key in MARKS:
            return False
        MARKS.add(key)
        return True
    try:
        (Path(folder) / key).touch(exist_ok=False)
        return True
    except FileExistsError:
        return False


def stall(seconds: float) -> None:
    """Block the thread, as CPU-bound workflow code would. A test may replace it."""
    time.sleep(seconds)
