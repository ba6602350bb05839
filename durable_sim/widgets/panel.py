"""What all panels have in common: a widget that shows itself in a notebook cell, and small parts to build it of."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets
from traitlets import HasTraits

_FONT = "font-family: DejaVu Sans Mono, Consolas, monospace; font-size: 12px; line-height: 1.35"
_WITHIN = "overflow-x: auto; margin: 4px 0; contain: inline-size; width: 100%"
"""Never wider than the page."""


class Panel:
    """Shows `view`, a widget, as the output of a notebook cell."""

    def __init__(self, view: Any) -> None:
        self.view = view

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.view._repr_mimebundle_(**options)


def preformatted(words: str) -> str:
    """Text as it is, as HTML; a long line scrolls."""
    return f'<pre style="{_FONT}; {_WITHIN}">{html.escape(words)}</pre>'


def dropdown(label: str, options: Sequence[Any], value: Any) -> Any:
    """One of several, each named by its text; options may be (text, value)."""
    return widgets.Dropdown(options=list(options), value=value, description=label, **_style("340px"))


def slider(label: str, low: int, high: int, value: int) -> Any:
    """A whole number. Tells only when it is let go."""
    return widgets.IntSlider(value, low, high, description=label, continuous_update=False, **_style("340px"))


def share(label: str, high: float, value: float) -> Any:
    """A part of a whole. Tells only when it is let go."""
    return widgets.FloatSlider(
        value, min=0.0, max=high, step=0.01, description=label, readout_format=".0%", continuous_update=False,
        **_style("340px"),
    )  # fmt: skip


def along(label: str, options: Sequence[str], value: str) -> Any:
    """One of many that have an order, without its text, which may be long. Tells only when it is let go."""
    return widgets.SelectionSlider(
        options=list(options), value=value, description=label, continuous_update=False, readout=False, **_style("680px")
    )


def switch(label: str, value: bool) -> Any:
    """Yes or no."""
    return widgets.Checkbox(value, description=label, indent=False, layout=widgets.Layout(width="auto"))


def rows(*lines: Sequence[Any]) -> list[Any]:
    """Widgets in lines that break where the page is narrow."""
    layout = widgets.Layout(flex_flow="row wrap", align_items="center")
    return [widgets.HBox(list(line), layout=layout) for line in lines if line]


def on_change(controls: Sequence[HasTraits] | Mapping[str, HasTraits], act: Callable[[], None]) -> None:
    """Act after the value of any of the controls has changed."""
    for control in controls.values() if isinstance(controls, Mapping) else controls:
        control.observe(lambda _: act(), names="value")


def _style(width: str) -> dict[str, Any]:
    """Labels of one width, so that what they belong to stands below each other."""
    layout = widgets.Layout(width=width, max_width="100%")
    return {"style": {"description_width": "130px"}, "layout": layout}
