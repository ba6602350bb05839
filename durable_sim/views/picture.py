"""A figure that shows itself, and can be told in words.

Owns how a figure becomes the output of a notebook cell. Always holds: no window, no pyplot and no notebook magic is
needed, and none makes a second copy; the same figure gives the same bytes, whatever the user's settings for saved
figures are.
"""

from __future__ import annotations

from base64 import b64encode
from html import escape
from io import BytesIO
from typing import Final

from matplotlib import rc_context
from matplotlib.figure import Figure

CSS_PIXELS: Final = 96
"""In an inch; so a point of the figure is a point of the page."""
SHARPNESS: Final = 2
"""Pixels of the image, across, for each pixel of the page: screens of high density show them all."""


class Picture(Figure):
    """A figure with an alternative text, for those who cannot see it."""

    alt: str = ""

    def _repr_png_(self) -> bytes:
        """The image, for a notebook."""
        image = BytesIO()
        with rc_context({"savefig.bbox": "standard", "savefig.transparent": False}):
            self.savefig(
                image,
                format="png",
                dpi=CSS_PIXELS * SHARPNESS,
                facecolor="auto",
                edgecolor="auto",
                metadata={"Software": None},  # else the version of matplotlib is in the bytes
            )
        return image.getvalue()

    def _repr_html_(self) -> str:
        """The image with its alternative text, as wide as on paper unless the page is narrower."""
        image = b64encode(self._repr_png_()).decode("ascii")
        width = round(self.get_figwidth() * CSS_PIXELS)
        source = f"data:image/png;base64,{image}"
        return f'<img alt="{escape(self.alt)}" src="{source}" width="{width}" style="max-width: 100%; height: auto">'
