"""HTML: escaped, whole, with a letter beside each colour, and nothing that loads or runs."""

from __future__ import annotations

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_sim.checks.violations import VERDICTS, Violation
from durable_sim.views.html import (
    ROWS_MAX,
    Html,
    badge,
    comparison_card,
    deploys_card,
    fold,
    html_of,
    run_card,
    sweep_card,
    table,
    tally,
)
from durable_sim.views.looks import VERDICT_LOOKS

ROOT = Path(__file__).parents[2]
EVIL = "<script>alert('&\"')</script>"
WRONG = Violation("duplicate_effect", EVIL, EVIL, EVIL, EVIL, 1_500_000)
GOOD = Violation("imbalance", None, "books", "1", "2")
CARDS = {
    "run": run_card(
        EVIL,
        {"duplicate_effect": 1},
        [WRONG],
        EVIL,
        told={EVIL: EVIL},
        warning=EVIL,
        executions=[(EVIL, "stuck", EVIL, None)],
        repeat=EVIL,
    ),
    "calm run": run_card("replay", {"completed": 3}, [], "all is well"),
    "comparison": comparison_card(
        EVIL,
        {EVIL: {"stuck": 2}},
        ok=False,
        told={EVIL: [EVIL]},
        headings=[EVIL],
        heading=EVIL,
        story=EVIL,
        warning=EVIL,
        repeat=EVIL,
    ),
    "sweep": sweep_card(EVIL, False, {"stuck": 1}, [(EVIL, EVIL)], bounds=EVIL, coverage=EVIL, repeat=EVIL),
    "deploys": deploys_card(EVIL, False, {"stuck": 1, "safe": 2}, {EVIL: 3}, [(EVIL, EVIL)], repeat=EVIL),
}


class Reader(HTMLParser):
    """Reads HTML, and notes tags, attributes, text and what is not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """It must close what was opened last."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note it."""
        self.text += data


@pytest.mark.parametrize("name", CARDS)
def test_a_card_loads_and_runs_nothing(name: str) -> None:
    """Its elements are text and tables that are closed in order, their only attributes a style and a state."""
    read = Reader(CARDS[name])
    assert set(read.tags) <= {
        *("div", "span", "strong", "code", "pre", "details", "summary"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    }
    assert set(read.attributes) <= {"style", "open"}
    assert "url(" not in CARDS[name]
    assert read.open == []


@pytest.mark.parametrize("name", [name for name in CARDS if name not in ("calm run", "violation of the run")])
def test_what_is_shown_is_escaped(name: str) -> None:
    """Markup in names, stories and violations is shown as it was written."""
    assert EVIL in Reader(CARDS[name]).text


@given(st.text())
def test_any_text_is_read_back(words: str) -> None:
    """Escaped once, and not again when it is put into something else."""
    assert "<" not in html_of(words)
    assert html_of(html_of(words)) == html_of(words)
    assert isinstance(fold(words, words), Html)


@pytest.mark.parametrize("verdict", VERDICTS)
def test_a_badge_has_letter_words_and_count(verdict: str) -> None:
    """The verdict can be told without its colour."""
    look = VERDICT_LOOKS[verdict]
    assert Reader(badge(verdict, 1200)).text == f"{look.letter} {verdict.replace('_', ' ')}: 1,200"
    assert look.fill in badge(verdict)


@pytest.mark.parametrize(("name", "sign"), [("run", "✗"), ("calm run", "✓"), ("sweep", "✗"), ("comparison", "✗")])
def test_a_card_begins_with_right_or_wrong(name: str, sign: str) -> None:
    """The first letter says it."""
    assert Reader(CARDS[name]).text.startswith(sign)


def test_a_warning_is_not_right() -> None:
    """A run that shows nothing has no violations, and yet no check mark."""
    assert Reader(run_card("replay", {"completed": 1}, [], "", warning="no fault hit anything")).text[0] == "✗"


def test_only_verdicts_have_colours_of_their_own() -> None:
    """What a card says is in the colour of the page, but for the badges."""
    colours = {look.text for look in VERDICT_LOOKS.values()} | {"#FFFFFF", "inherit"}
    for card in CARDS.values():
        assert {part.split(";")[0].split('"')[0] for part in card.split(";color:")[1:]} <= colours


def test_a_long_table_is_cut_and_says_so() -> None:
    """Of more rows than there is room for, the first are shown, and the rest counted."""
    read = Reader(table(["n"], [[row] for row in range(ROWS_MAX + 7)]))
    assert read.tags.count("tr") == ROWS_MAX + 1
    assert read.text.endswith("and 7 more")
    assert "more" not in Reader(table(["n"], [[row] for row in range(ROWS_MAX)])).text


def test_no_counts_are_none() -> None:
    """A run without executions has a word for it."""
    assert tally({}) == "none"


def test_html_needs_neither_matplotlib_nor_pandas() -> None:
    """A run can show itself without the extra `views`."""
    script = "import sys, durable_sim.views.html; sys.exit(bool({'matplotlib', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, timeout=60).returncode == 0
