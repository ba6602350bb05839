"""What needs the real SDK is left alone where there is none (extra `temporal`)."""

from __future__ import annotations

from importlib.util import find_spec

NEED_THE_SDK = [
    "temporal/sdk_workflows_recorded.py",
    "temporal_sdk/judge.py",
    "temporal_sdk/programs.py",
    "temporal_sdk/sdk_branches.py",
    "temporal_sdk/sdk_workflows.py",
]
collect_ignore = [] if find_spec("temporalio") else NEED_THE_SDK
