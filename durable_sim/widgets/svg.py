"""A figure as the text of an SVG element that stands in a page.

Always holds: text is drawn as shapes, so that it looks the same everywhere; an artist's gid is the id of its element;
the same figure gives the same text.
"""

from __future__ import annotations

from io import StringIO
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

_SETTINGS: Any = {"svg.fonttype": "path", "svg.hashsalt": "durable_sim", "savefig.bbox": "standard"}
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


def svg_of(figure: Figure) -> str:
    """The figure as an `<svg>` element."""
    text = StringIO()
    with rc_context(_SETTINGS):
        figure.savefig(text, format="svg", metadata=_NO_METADATA)
    whole = text.getvalue()
    return whole[whole.index("<svg") :]
