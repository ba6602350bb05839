"""Text whose columns stay aligned in a notebook and in what is exported of it."""

from __future__ import annotations

import html
from typing import Final

MONOSPACED: Final = "font-family:ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace"
"""Named, as exported pages give `pre` the font of their prose."""


def preformatted(text: object) -> str:
    """HTML of a text as it is printed.

    >>> preformatted("a < b").endswith(">a &lt; b</pre>")
    True
    """
    return f'<pre style="{MONOSPACED}">{html.escape(str(text))}</pre>'
