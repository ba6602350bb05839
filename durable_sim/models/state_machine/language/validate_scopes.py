"""Rules for variables: which of them the states of a machine see.

States see the variables of their own machine and of those around it, but for the child executions of a distributed
Map, which begin with none. Always holds: a variable that nobody assigns is not looked at here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from durable_sim.models.state_machine.language import intrinsic_syntax as syntax
from durable_sim.models.state_machine.language import jsonata, paths
from durable_sim.models.state_machine.language.checking import Place

_OTHERS = ("Branches", "ItemProcessor", "Iterator", "Comment")
"""Fields that hold other machines, or nothing that is evaluated."""
_QUOTED = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`|/\*.*?\*/""", re.DOTALL)
_VARIABLE = re.compile(r"\$([^\W\d]\w*)")
_BOUND = re.compile(r"\$([^\W\d]\w*)\s*:=")
_PARAMETERS = re.compile(r"(?:function|λ)\s*\(([^)]*)\)")


@dataclass(frozen=True, slots=True)
class Scope:
    """The variables that states see, and those of the states around them that they do not."""

    seen: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()

    def within(self, states: Mapping[str, Any]) -> Scope:
        """The scope of a machine that is here, by its states."""
        own = frozenset(_assigned(states))
        return Scope(self.seen | own, self.hidden - own)

    def of_children(self) -> Scope:
        """The scope of child executions that are begun here."""
        return Scope(frozenset(), self.seen | self.hidden)

    def check(self, state: Place) -> None:
        """A state reads no variable that it does not see."""
        if not self.hidden:
            return
        for field in state.fields():
            if field.key not in _OTHERS and (field.key != "Result" or field.jsonata):
                self._check_value(field)

    def _check_value(self, place: Place) -> None:
        if isinstance(place.value, Mapping):
            for field in place.fields():
                self._check_value(field)
        elif isinstance(place.value, list):
            for entry in place.entries():
                self._check_value(entry)
        elif isinstance(place.value, str):
            for name in dict.fromkeys(_read(place)):
                if name in self.hidden:
                    place.report(
                        f"found the variable ${name} of states outside of the distributed Map, which its child "
                        "executions do not see; give it to them by the Map's ItemSelector"
                    )


def _assigned(states: Mapping[str, Any]) -> Iterator[str]:
    """The variables that states set, in their own Assign and in those of their catchers and rules."""
    for state in states.values():
        if isinstance(state, Mapping):
            lists = [state.get(name) for name in ("Catch", "Choices")]
            inner = [entry for entries in lists if isinstance(entries, list) for entry in entries]
            for holder in (state, *inner):
                assign = holder.get("Assign") if isinstance(holder, Mapping) else None
                if isinstance(assign, Mapping):
                    yield from (name.removesuffix(".$") for name in assign)


def _read(place: Place) -> Iterable[str]:
    """The variables that a text reads."""
    if place.jsonata:
        return _in_expression(place.value) if jsonata.is_expression(place.value) else ()
    if not place.key.endswith((".$", "Path")) and place.key != "Variable":
        return ()
    return [name for path in _paths(place.value) for name in (paths.root_of(path),) if name and name != "$"]


def _in_expression(text: str) -> Iterator[str]:
    """The variables of a JSONata expression that it does not bind itself."""
    plain = _QUOTED.sub(" ", text)
    own = {*_BOUND.findall(plain), *(name for names in _PARAMETERS.findall(plain) for name in _VARIABLE.findall(names))}
    return (name for name in _VARIABLE.findall(plain) if name not in own)


def _paths(text: str) -> Iterator[str]:
    """The paths of a text that is one, or of the arguments of a call."""
    if text.startswith("$"):
        yield text
        return
    try:
        yield from _references(syntax.parsed(text))
    except syntax.IntrinsicSyntaxError:
        return  # told elsewhere


def _references(argument: syntax.Argument) -> Iterator[str]:
    match argument:
        case syntax.Reference(path=path):
            yield path
        case syntax.Call(arguments=arguments):
            for inner in arguments:
                yield from _references(inner)
