"""Profiles are known once they are registered, not before."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import Phase, settings

from durable_sim.testing.profiles import CI, NIGHTLY, register


def test_importing_registers_nothing() -> None:
    """Only `register` does, and it switches nothing on."""
    code = """
from hypothesis import settings
from hypothesis.errors import InvalidArgument
from durable_sim.testing import profiles
def known(name):
    try:
        return settings.get_profile(name) is not None
    except InvalidArgument:
        return False
before, default = [known("durable-ci"), known("durable-nightly")], settings().max_examples
profiles.register()
print(before, [known("durable-ci"), known("durable-nightly")], settings().max_examples == default)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[False, False] [True, True] True"


@pytest.mark.parametrize(("name", "examples", "derandomize"), [(CI, 200, True), (NIGHTLY, 5000, False)])
def test_what_the_profiles_say(name: str, examples: int, derandomize: bool) -> None:
    """CI tries the same every time, the night tries more; no run is too slow for either."""
    register()
    profile = settings.get_profile(name)
    assert (profile.max_examples, profile.derandomize, profile.deadline) == (examples, derandomize, None)
    assert profile.print_blob and set(profile.phases) == set(Phase)
