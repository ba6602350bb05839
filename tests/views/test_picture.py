"""Pictures: a figure shows itself once, with words for those who cannot see it, and always as the same bytes."""

from __future__ import annotations

import pickle
import subprocess
import sys
from base64 import b64decode
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.image import imread
from nbclient import NotebookClient

from durable_sim.library.orders import article_order
from durable_sim.library.shop import shop
from durable_sim.simulation.run import Recording, simulate
from durable_sim.simulation.scenario import Scenario
from durable_sim.views.charts import crash_matrix, outcome_matrix
from durable_sim.views.palette import Canvas
from durable_sim.views.picture import Picture
from durable_sim.views.timeline import alt_text, timeline

ROOT = Path(__file__).parents[2]
SHOW = """
from durable_sim.views.charts import outcome_matrix
outcome_matrix({"regular": {"completed": 3, "stuck": 1}})
"""


class Images(HTMLParser):
    """The attributes of each image in a piece of HTML, and whatever else there is."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.others: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect it."""
        if tag == "img":
            self.images.append(dict(attrs))
        else:
            self.others.append(tag)

    def handle_data(self, data: str) -> None:
        """Collect it."""
        self.others.append(data)


def image(figure: Picture) -> dict[str, str | None]:
    """The attributes of the one image that a picture is in HTML."""
    read = Images(figure._repr_html_())
    assert read.others == []
    (found,) = read.images
    return found


def small(alt: str = "") -> Picture:
    """An inch by half an inch, with a word in it."""
    canvas = Canvas(72, 36)
    canvas.text(10, 18, "word")
    canvas.figure.alt = alt
    return canvas.figure


def calm() -> Recording:
    """One order under which nothing goes wrong."""
    return simulate(Scenario(article_order, ({"order_id": "o-1"},), shop()), "replay", 1)


# --- in words
def test_a_picture_has_no_words_unless_it_is_given_some() -> None:
    """The alternative text of a new picture is empty."""
    assert Picture().alt == ""
    assert image(small())["alt"] == ""


@settings(max_examples=20, deadline=None)
@given(st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs", "Cc"])))
def test_any_words_survive_html(words: str) -> None:
    """Quotes, brackets and ampersands of an alternative text are read back as they were."""
    assert image(small(words))["alt"] == words


def test_a_timeline_carries_its_alt_text() -> None:
    """It is what `alt_text` says, whatever the title is."""
    recording = calm()
    assert timeline(recording, "o-1").alt == timeline(recording, "o-1", title="T").alt == alt_text(recording, "o-1")


def test_an_outcome_matrix_says_its_counts() -> None:
    """Its alternative text holds the title, and for each model how many were correct and all its verdicts."""
    counts = {"regular": {"stuck": 1, "duplicate_effect": 0}, "replay": {"compensated": 2, "completed": 1}}
    measure = "Executions that are correct, by model: "
    told = "regular 0 of 1 (1 stuck); replay 3 of 3 (1 completed, 2 compensated)."
    assert outcome_matrix(counts).alt == f"What became of the executions. {measure}{told}"
    assert outcome_matrix(counts, title="Five ways.").alt == f"Five ways. {measure}{told}"
    assert outcome_matrix({}).alt.endswith("by model: none.")


def test_a_crash_matrix_says_its_counts() -> None:
    """Its alternative text holds the title, and for each model how many crash points it survived and all verdicts."""
    rows = [("a", {"regular": "lost_effect", "replay": "completed"}), ("b", {"replay": "duplicate_effect"})]
    verdicts = "regular 0 of 1 (1 lost effect); replay 1 of 2 (1 completed, 1 duplicate effect)."
    told = f"Crash points survived, by model: {verdicts}"
    assert crash_matrix(rows, ["regular", "replay"], title="").alt == told
    assert crash_matrix(rows, ["regular", "replay"], title="T").alt == f"T. {told}"


def test_a_pickled_picture_keeps_its_words() -> None:
    """A picture that went through pickle is a picture, with the same words and bytes."""
    before = small("words")
    after = pickle.loads(pickle.dumps(before))
    assert (type(after), after.alt, after._repr_png_()) == (Picture, "words", before._repr_png_())


# --- as an image
def test_a_picture_in_html_is_its_image() -> None:
    """The source of the one image is the PNG itself."""
    figure = small()
    head, _, data = (image(figure)["src"] or "").partition(",")
    assert head == "data:image/png;base64"
    assert b64decode(data, validate=True) == figure._repr_png_()


def test_a_picture_has_two_pixels_for_each_of_the_page() -> None:
    """An inch is 96 pixels wide on the page, and 192 in the image."""
    figure = small()
    assert image(figure)["width"] == "96"
    assert imread(BytesIO(figure._repr_png_())).shape[:2] == (96, 192)


@pytest.mark.parametrize("made", [small, lambda: timeline(calm(), "o-1"), lambda: crash_matrix([], ["replay"])])
def test_a_picture_made_twice_has_the_same_bytes(made: Any) -> None:
    """So has one that is drawn twice, and one that is saved twice."""
    one, other = made(), made()
    assert one._repr_png_() == one._repr_png_() == other._repr_png_()
    saved = [BytesIO(), BytesIO()]
    for figure, file in zip((one, other), saved, strict=True):
        figure.savefig(file, metadata={"Software": None})
    assert saved[0].getvalue() == saved[1].getvalue()


def test_the_image_does_not_name_matplotlib() -> None:
    """Nothing but the pixels is in the bytes, so that another release that draws the same gives the same."""
    assert b"Software" not in small()._repr_png_()


def test_a_users_settings_for_saved_figures_change_no_byte() -> None:
    """Resolution, margins, colours and format are the picture's own."""
    wild = {"bbox": "tight", "dpi": 30, "facecolor": "red", "transparent": True, "format": "svg"}
    plain = small()._repr_png_()
    with mpl.rc_context({f"savefig.{name}": value for name, value in wild.items()}):
        assert small()._repr_png_() == plain


def test_showing_a_picture_leaves_it_as_it_was() -> None:
    """Its resolution and size are the same afterwards."""
    figure = small()
    before = figure.dpi, tuple(figure.get_size_inches())
    figure._repr_html_()
    assert (figure.dpi, tuple(figure.get_size_inches())) == before


# --- in a notebook
@pytest.fixture(
    scope="module", params=["", "%matplotlib inline", "%matplotlib inline\nimport matplotlib.pyplot as plt"]
)
def shown(request: pytest.FixtureRequest) -> list[Any]:
    """What a real kernel shows for a cell that ends with a picture, with and without matplotlib's own display."""
    cells = [nbformat.v4.new_code_cell(source) for source in (request.param, SHOW, "1 + 1")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}).execute()
    return [output for cell in notebook.cells for output in cell.outputs]


def test_a_notebook_shows_a_picture_once(shown: list[Any]) -> None:
    """The cell has one output, which is the picture; no other cell has a second copy."""
    assert [output["output_type"] for output in shown] == ["execute_result"] * 2
    picture, number = shown
    assert {"text/html", "image/png"} < set(picture["data"])
    assert number["data"] == {"text/plain": "2"}


def test_a_notebook_shows_the_picture_with_its_words(shown: list[Any]) -> None:
    """The image in the notebook has the alternative text, and is the same as in any other process."""
    figure = outcome_matrix({"regular": {"completed": 3, "stuck": 1}})
    assert shown[0]["data"]["text/html"] == figure._repr_html_()
    assert "regular 3 of 4 (3 completed, 1 stuck)" in (image(figure)["alt"] or "")


# --- where it is not needed
@pytest.mark.parametrize("module", ["scene", "time_axis"])
def test_data_needs_no_matplotlib(module: str) -> None:
    """What there is to see and where it goes on the time axis is known without matplotlib."""
    script = f"import sys, durable_sim.views.{module}; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, timeout=60).returncode == 0
