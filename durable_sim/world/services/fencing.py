"""Fencing: a service that refuses those whose place has been taken.

A fencing token names what is held and numbers its holders: `[name, number]`, as `ctx.fencing_token` gives it, or any
lock that numbers whom it lets in. The service remembers the highest number that it has seen of each name and refuses
lower ones (M. Kleppmann, "How to do distributed locking", 2016). Whoever checks a lease elsewhere, and then writes, can
be paused between the two.
"""

from __future__ import annotations

from collections.abc import Sequence

from durable_sim.workflows.failures import Rejected


class StaleToken(Rejected):
    """412: somebody with a higher token has been here; nothing was done, and nothing ever will be for this one."""


class BadToken(Rejected):
    """400: there is no token where one is needed, or it is none."""


class Fence:
    """The highest token seen, by name. Where the service is `fenced`, every request must have one."""

    __slots__ = ("_fenced", "_highest")

    def __init__(self, fenced: bool) -> None:
        self._fenced = fenced
        self._highest: dict[str, int] = {}

    def check(self, subject: str, token: Sequence[object] | None) -> None:
        """Let a request pass and remember its token.

        Raises:
            StaleToken: a higher one of that name was here before.
            BadToken: it is not `[name, number]`, or it is None and the service is fenced.
        """
        if token is None and not self._fenced:
            return
        match token:
            case [str(name), int(number)]:
                highest = self._highest.get(name, number)
                if number < highest:
                    raise StaleToken(subject, f"412 token {number} of {name} is stale: {highest} was here before")
                self._highest[name] = number
            case _:
                raise BadToken(subject, f"400 the fencing token is {token!r}, expected [name, number]")
