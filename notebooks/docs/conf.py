"""How the documentation site is built, from the root of a clone:

    sphinx-build -W --keep-going -j 2 -c notebooks/docs -b html notebooks build/site
    sphinx-build -W --keep-going -c notebooks/docs -D nb_execution_mode=off -b doctest notebooks build/doctest

The folder of sources is `notebooks`: the pages in `docs/`, and the numbered notebooks beside it, which are run in their
fast mode (`-j 2` runs two at a time; `-D nb_execution_mode=off` none). Always holds: nothing is fetched, neither by the
build nor by who reads the pages, and nothing is written but what is built.
"""

import os
import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

from durable_sim import __version__

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))
os.environ.setdefault("DURABLE_SIM_FAST", "1")

from bug_gallery import gallery
from command_line import commands

project = "durable_sim"
copyright = "the authors of durable_sim"
version = release = __version__

root_doc = "docs/index"
include_patterns = ["docs/**.md", "[0-9]*.py"]
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.doctest", "sphinx.ext.viewcode"]

# --- pages ------------------------------------------------------------------------------------------------------------
html_theme = "furo"
html_title = f"durable_sim {__version__}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_additional_pages = {"index": "start.html"}
templates_path = ["_templates"]
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
pygments_style = "friendly"

# --- notebooks --------------------------------------------------------------------------------------------------------
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "force"
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_ipywidgets_js = {}  # panels need a kernel; their script would come from another server
nb_merge_streams = True

# --- reference --------------------------------------------------------------------------------------------------------
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True}
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
maximum_signature_line_length = 90
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Class attributes", "params_style")]

# --- examples ---------------------------------------------------------------------------------------------------------
doctest_test_doctest_blocks = ""  # pytest runs those in docstrings, where they stand
doctest_path = [str(DOCS / "examples")]


def literal_blocks(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """What is indented after a line that ends with a colon is code, or is laid out by hand: keep it as it is."""
    told = [*lines, "", ""]
    lines.clear()
    for line, blank, after in zip(told, told[1:], told[2:], strict=False):
        lines.append(line)
        if re.search(r"[^:]:$", line) and not line.startswith(":") and not blank and after.startswith("    "):
            margin = line[: len(line) - len(line.lstrip())]
            lines += ["", f"{margin}.. code-block:: {'text' if what == 'module' else 'python'}"]


def is_left_out(app: Sphinx, what: str, name: str, member: object, skip: bool, options: object) -> bool | None:
    """Leave out what Python says of the fields of named tuples: nothing."""
    return True if str(member.__doc__).startswith("Alias for field number") else None


MADE = {"docs/bugs": gallery, "docs/reference/cli": commands}


def with_what_is_made(app: Sphinx, docname: str, source: list[str]) -> None:
    """Some pages go on with what the package says of itself."""
    if docname in MADE:
        source[0] += MADE[docname]()


def setup(app: Sphinx) -> None:
    """Read docstrings as they are written here, and make pages."""
    app.connect("autodoc-process-docstring", literal_blocks, priority=900)  # after napoleon
    app.connect("autodoc-skip-member", is_left_out)
    app.connect("source-read", with_what_is_made)
