"""A figure as an `<svg>` element, alone or on a page with others.

Always holds: text is drawn as shapes, so that it looks the same everywhere; the same figure gives the same text. On a
page no two figures have an id in common, if their prefixes differ, and no address is named, not even of a namespace.
"""

from __future__ import annotations

import re
from html import escape
from io import StringIO
from typing import Any, Final

from matplotlib import rc_context
from matplotlib.figure import Figure

_SETTINGS: Final[Any] = {"svg.fonttype": "path", "svg.hashsalt": "durable_sim", "savefig.bbox": "standard"}
_NO_METADATA: Final = {"Date": None, "Creator": None, "Format": None, "Type": None}
_OPENING: Final = re.compile(r"<svg[^>]*>\s*")
_STYLE: Final = re.compile(r"<style.*?</style>\s*", re.DOTALL)
_METADATA: Final = re.compile(r"<metadata>.*?</metadata>\s*", re.DOTALL)
_ID: Final = re.compile(r' id="([^"]*)"')
_REFERENCE: Final = re.compile(r'(?:xlink:)?href="#([^"]*)"|url\(#([^)]*)\)')
_INDENT: Final = re.compile(r"\n\s*")


def svg_of(figure: Figure) -> str:
    """The figure as an `<svg>` element, in which an artist's gid is the id of its element."""
    text = StringIO()
    with rc_context(_SETTINGS):
        figure.savefig(text, format="svg", metadata=_NO_METADATA)
    whole = text.getvalue()
    return whole[whole.index("<svg") :]


def inline_svg(figure: Figure, prefix: str, labelled_by: str) -> str:
    """The figure as an element whose ids begin with `prefix`; `labelled_by` is the id of what tells it in words.

    Only ids that something refers to are kept: others would be there several times in one figure.
    """
    drawn = svg_of(figure)
    for clutter in (_OPENING, _STYLE, _METADATA):  # a style in one figure would be that of the whole page
        drawn = clutter.sub("", drawn)
    return f"{_opening(figure, labelled_by)}{_INDENT.sub(' ', _with_own_ids(drawn, prefix)).strip()}\n"


def _opening(figure: Figure, labelled_by: str) -> str:
    width, height = (round(72 * inches, 2) for inches in figure.get_size_inches())
    return (
        f'<svg role="img" aria-labelledby="{escape(labelled_by)}" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}pt" height="{height:g}pt">'
    )


def _with_own_ids(drawn: str, prefix: str) -> str:
    """The same drawing: its ids with a prefix, without those that nothing refers to."""
    needed = {one or other for one, other in _REFERENCE.findall(drawn)}

    def named(found: re.Match[str]) -> str:
        return f' id="{prefix}{found[1]}"' if found[1] in needed else ""

    def referring(found: re.Match[str]) -> str:
        return f'href="#{prefix}{found[1]}"' if found[1] is not None else f"url(#{prefix}{found[2]})"

    return _REFERENCE.sub(referring, _ID.sub(named, drawn))
