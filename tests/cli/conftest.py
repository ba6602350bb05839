"""What tests of commands share."""

from __future__ import annotations

import pytest

from durable_sim.cli import main
from tests.cli.program import Done, Program


@pytest.fixture
def program(capsys: pytest.CaptureFixture[str]) -> Program:
    """The program, in this process."""

    def run(*arguments: str) -> Done:
        status = main(arguments)
        return Done(status, *capsys.readouterr())

    return run
