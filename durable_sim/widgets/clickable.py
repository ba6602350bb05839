"""A figure in a page whose parts can be hovered and clicked. Needs the extra `notebook`.

Always holds: figure, alternative text and details are sent together, so a page never shows one with another's words.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import traitlets
from anywidget import AnyWidget

from durable_sim.results.run import Run
from durable_sim.views.picture import Picture
from durable_sim.views.svg import svg_of
from durable_sim.widgets.details import details_of

_HERE = Path(__file__).parent


class ClickablePicture(AnyWidget):
    """Shows one figure after another. `chosen` is the gid of the part that was clicked last, or "".

    >>> picture = ClickablePicture()
    >>> picture.alt, picture.chosen
    ('', '')
    """

    _esm = _HERE / "clickable.js"
    _css = _HERE / "clickable.css"
    shown: Any = traitlets.Dict({"svg": "", "alt": "", "details": {}}).tag(sync=True)
    chosen = traitlets.Unicode("").tag(sync=True)

    def show(self, figure: Picture, alt: str, details: Mapping[str, str]) -> None:
        """Show a figure; `details` are the words for those of its parts that can be clicked, by gid."""
        self.chosen = ""
        self.shown = {"svg": svg_of(figure), "alt": alt, "details": dict(details)}

    def show_run(self, run: Run, words: str, **options: Any) -> None:
        """Show the timeline of a run's first execution; `words` say what was set to get it."""
        name = run.executions[0].execution.id
        figure = run.timeline(name, **options)
        assert isinstance(figure, Picture), "timelines are pictures"
        self.show(figure, f"{figure.alt} Set: {words}", details_of(run.recording, name))

    def blank(self, alt: str) -> None:
        """Show nothing but words."""
        self.chosen = ""
        self.shown = {"svg": "", "alt": alt, "details": {}}

    @property
    def alt(self) -> str:
        """The alternative text."""
        return str(self.shown["alt"])

    @property
    def details(self) -> Mapping[str, str]:
        """The words for the parts that can be clicked."""
        return dict(self.shown["details"])

    @property
    def told(self) -> str:
        """The words for the part that is chosen."""
        return self.details.get(self.chosen, "")
