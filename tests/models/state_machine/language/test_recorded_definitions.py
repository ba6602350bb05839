"""Definitions that were recorded, as they are and broken at random: the validator and the parser never raise."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from durable_sim.models.state_machine.language.definition import DefinitionError, StateMachine, parse
from durable_sim.models.state_machine.language.validator import problems
from tests.models.state_machine.mutations import mutated

FOLDER = Path(__file__).parents[3] / "conformance" / "step_functions" / "executions"
RECORDED = {path.stem: json.loads(path.read_text())["definition"] for path in sorted(FOLDER.glob("*.json"))}
MUTATIONS = 200


def test_all_recordings_are_here() -> None:
    """34 executions."""
    assert len(RECORDED) == 34


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_definition_has_no_problem(name: str) -> None:
    """The service that was recorded accepted it."""
    assert problems(RECORDED[name]) == []
    assert isinstance(parse(RECORDED[name]), StateMachine)


@pytest.mark.parametrize("seed", range(MUTATIONS))
def test_a_broken_definition_has_problems_or_parses(seed: int) -> None:
    """One to three random changes give problems or another right definition, never another exception."""
    draw = random.Random(seed)
    definition = RECORDED[draw.choice(list(RECORDED))]
    for _ in range(draw.randint(1, 3)):
        definition = mutated(definition, draw)
    told = problems(definition)
    if told:
        with pytest.raises(DefinitionError) as refused:
            parse(definition)
        assert len(str(refused.value).splitlines()) == len(told)
    else:
        assert parse(definition).definition == definition


def test_most_random_changes_are_noticed() -> None:
    """Of all single changes that the seeds make, more than half break a rule; the rest are values of other kinds."""
    draw = random.Random(0)
    names = list(RECORDED)
    noticed = sum(bool(problems(mutated(RECORDED[draw.choice(names)], draw))) for _ in range(MUTATIONS))
    assert noticed > MUTATIONS // 2
