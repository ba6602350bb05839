"""The report: whole, self-contained, escaped, and true to the runs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest

from durable_sim.api import compare, compare_scenario, run
from durable_sim.checks.violations import Violation
from durable_sim.errors import UserError
from durable_sim.health.baseline import Baseline
from durable_sim.health.health import Health, health_of
from durable_sim.library.orders import article_order, correct_order
from durable_sim.library.shop import shop
from durable_sim.results.comparison import Comparison
from durable_sim.results.run import Run
from durable_sim.search.narrowing import narrowed
from durable_sim.search.sweep import crash_sweep
from durable_sim.simulation.scenario import Arrivals
from durable_sim.version import __version__
from durable_sim.views.report import STORIES_MAX, report_html
from durable_sim.views.report_page import LINES_MAX, ROWS_MAX, element, pairs, table_part, text_part
from durable_sim.views.svg import inline_svg
from durable_sim.world.faults import Crash, Mixture

EVIL = "<script>alert('&\"')</script>"
ORDER: dict[str, Any] = {
    "order_id": "o-1",
    "customer": "ada",
    "total": 40,
    "items": [{"sku": "book", "quantity": 1}],
}
CHARGED = Crash(after="effect_applied", of="payments.charge")
FAULTS = (CHARGED, Crash(at="10ms", worker="w2"))
"""The second hits nobody under regular code, and is left out of the smallest set."""
EMPTY = ("meta", "link")
"""Elements of HTML that are never closed."""


class Reader(HTMLParser):
    """Reads a page: its elements with their attributes and its text; each must be closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, Mapping[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.elements.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """It must close what was opened last."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note it."""
        self.text += data

    def all(self, tag: str) -> list[Mapping[str, str | None]]:
        """The attributes of all elements of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]

    def values(self, attribute: str) -> list[str]:
        """The values of an attribute, wherever it is."""
        return [str(attributes[attribute]) for _, attributes in self.elements if attribute in attributes]


@cache
def compared() -> Comparison:
    """One order, a crash after its charge: regular code leaves the charge behind, replay does not mind."""
    return compare(correct_order(), ORDER, models=("regular", "replay"), faults=FAULTS, seed=3)


@cache
def measured() -> Health:
    """The health of the run under regular code, with what is normal given."""
    return health_of(compared()["regular"].recording, Baseline(expected="10s", duration_p95="2s", active=1.0))


@cache
def everything() -> str:
    """A report with all that a report can have."""
    scenario = compared()["regular"].recording.scenario
    sweeps = {model: crash_sweep(scenario, model, at=["reply_received"]) for model in ("regular", "replay")}
    return report_html(
        compared().runs,
        question=EVIL,
        repeat={EVIL: EVIL},
        smallest=narrowed(compared()["regular"]),
        sweeps=sweeps,
        health=measured(),
    )


@cache
def read() -> Reader:
    """That report, read."""
    return Reader(everything())


# --- the page
def test_a_report_loads_and_runs_nothing() -> None:
    """No script, no address but those within the page and the empty icon; and it forbids the browser to try."""
    assert "script" not in {tag for tag, _ in read().elements}
    assert {value for value in [*read().values("href"), *read().values("src")] if not value.startswith("#")} == {
        "data:,"
    }
    assert "http" not in everything().replace("http-equiv", "")
    assert set(re.findall(r"url\(.", everything())) == {"url(#"}
    [policy] = [attributes["content"] for attributes in read().all("meta") if "http-equiv" in attributes]
    assert str(policy).startswith("default-src 'none';")


def test_every_id_is_there_once_and_every_reference_leads_to_one() -> None:
    """Also those within the figures, of which there are five."""
    ids = Counter(read().values("id"))
    assert max(ids.values()) == 1 and len(read().all("svg")) == 5
    links = [value.removeprefix("#") for value in read().values("href") if value.startswith("#")]
    clips = re.findall(r"url\(#([^)]*)\)", everything())
    labels = read().values("aria-labelledby")
    assert links and clips and labels and {*links, *clips, *labels} <= set(ids)


def test_everything_is_escaped() -> None:
    """The question, commands, and the names that users gave are text, wherever they stand."""
    wrong = run(correct_order(), ORDER | {"order_id": EVIL}, model="regular", faults=[CHARGED])
    told = replace(wrong, repeat=EVIL)
    page = report_html({EVIL: told}, question=EVIL, repeat={EVIL: EVIL}, smallest=narrowed(wrong))
    assert "<script" not in page
    assert Reader(page).text.count(EVIL) > 15


def test_it_can_be_read_without_eyes() -> None:
    """Headings do not skip a level; figures have words; tables have captions, and headings for rows and columns."""
    levels = [int(tag[1]) for tag, _ in read().elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and all(after <= before + 1 for before, after in pairwise(levels))
    assert all(svg["role"] == "img" and svg["aria-labelledby"] for svg in read().all("svg"))
    assert len(read().all("caption")) == len(read().all("table"))
    assert {str(attributes.get("scope")) for attributes in read().all("th")} == {"col", "row"}
    assert read().all("html") == [{"lang": "en"}]


def test_what_can_be_closed_is_open() -> None:
    """For what is closed would not be printed."""
    assert read().all("details") and all("open" in attributes for attributes in read().all("details"))


def test_the_same_runs_give_the_same_bytes() -> None:
    """Also when they are made again."""

    def made() -> str:
        again = compare(correct_order(), ORDER, models=("regular", "replay"), faults=FAULTS, seed=3)
        return report_html(again.runs, smallest=narrowed(again["regular"]))

    assert made() == made()


# --- what it says
def test_it_begins_with_what_was_found() -> None:
    """Which models go wrong, how often; which hold."""
    assert "Goes wrong: regular (1 of 1)." in read().text
    assert "Holds: replay: nothing lost, doubled or stranded." in read().text


@pytest.mark.parametrize(
    "words",
    [
        __version__,
        "payments 1 × charge, net +1, orphaned",  # the timeline
        "!! the worker crashes",  # the story
        "[Crash(after='effect_applied', of='payments.charge', execution='o-1')]",  # the smallest set of faults
        "def test_fulfill_order() -> None:",
        "One crash, anywhere",
        "nothing lost, doubled or stranded after each of",  # the guarantee
        "What a monitoring system would have seen of the run under regular, sampled every 1m.",
        "after effect_applied of payments.charge",  # the table of faults
        "exactly_once",  # the table of effects
    ],
)
def test_it_tells(words: str) -> None:
    """Version, timeline, story, faults, test, sweep, health and tables."""
    assert words in read().text


def test_it_tells_what_runs_are_known_by() -> None:
    """The digest of each trace."""
    assert all(one.trace.digest()[:12] in read().text for one in compared().runs.values())


def test_parts_that_are_not_asked_for_are_left_out() -> None:
    """And no link leads to them."""
    plain = Reader(report_html(compared().runs))
    assert {"smallest", "sweep", "health"} & set(plain.values("id")) == set()
    assert {"smallest", "sweep", "health"} <= set(read().values("id"))


def test_where_nothing_goes_wrong_one_execution_is_told() -> None:
    """And nothing is said to be wrong."""
    calm = Reader(report_html({"replay": compared()["replay"]}))
    assert "Nothing went wrong. This is one of the executions." in calm.text
    assert "Goes wrong" not in calm.text and "Violations: none." in calm.text


def test_faults_that_hit_nothing_are_a_warning() -> None:
    """A crash long after the end shows nothing."""
    late = run(correct_order(), ORDER, faults=[Crash(at="1h")])
    text = Reader(report_html({"replay": late})).text
    assert "Warning: no planned fault hit anything in flight (under replay)." in text and "Holds" not in text


def test_a_calm_run_claims_nothing_about_faults() -> None:
    """Nothing "holds" where no fault struck; a fault of a service is one."""
    calm = Reader(report_html(compare(correct_order(), ORDER, models=("steps", "replay")).runs)).text
    assert "Calm run: steps, replay: no fault struck; this shows nothing about faults." in calm and "Holds" not in calm
    flaky = shop(payments={"faults": Mixture(slow=1.0)})
    struck = Reader(report_html({"replay": run(correct_order(), ORDER, services=flaky)})).text
    assert "Holds: replay: nothing lost, doubled or stranded." in struck and "Calm run" not in struck


def test_a_workflow_that_fails_without_any_fault_is_a_warning() -> None:
    """Whatever struck it: it has nothing to lose."""
    order = {"order_id": "o-1", "items": [{"skuu": "book", "quantity": 1}]}
    text = Reader(report_html({"replay": run(correct_order(), order, faults=[Crash(at="10ms")])})).text
    assert "Warning: without any fault the workflow fails (" in text and "Holds" not in text


def test_what_only_a_further_check_objects_to_is_told() -> None:
    """The execution is shown that it names, although its verdict is good."""
    orders = [ORDER | {"order_id": name} for name in ("o-1", "o-2", "o-3")]
    done = run(correct_order(), inputs=orders)
    found = Violation("invariant", "o-2", "the mail", "late", "early")
    text = Reader(report_html({"replay": replace(done, findings=(found,))})).text
    assert "Goes wrong: replay (1 violation)." in text and "The story of o-2" in text and "the mail" in text


def test_of_many_models_that_go_wrong_the_worst_are_told() -> None:
    """The others are named."""
    models = ("regular", "regular_rerun", "status_columns", "replay", "steps")
    wrong = compare(article_order, ORDER, models=models, faults=[CHARGED])
    page = Reader(report_html(wrong.runs))
    told = [
        name for name in page.values("id") if re.fullmatch(r"story-\d", name) or re.fullmatch(r"story-\d-words", name)
    ]
    assert len(told) == STORIES_MAX and "Goes wrong too, not shown: " in page.text


def test_a_set_of_faults_that_is_the_whole_run_has_no_figure_of_its_own() -> None:
    """The run is above already."""
    least = narrowed(compared()["regular"])
    page = Reader(report_html({"regular": least.run}, smallest=least))
    assert "The run is the one that is shown above." in page.text and len(page.all("svg")) == 2


def test_long_tables_are_cut_and_begin_with_what_went_wrong() -> None:
    """They say how many rows there are."""
    count = ROWS_MAX + 5
    inputs = tuple(ORDER | {"order_id": f"o-{number}"} for number in range(count))
    crash = replace(CHARGED, execution=f"o-{count - 1}")
    scenario = compared()["regular"].recording.scenario
    many = replace(scenario, inputs=inputs, faults=(crash,), arrivals=Arrivals("1m"))
    page = report_html(compare_scenario(many, ["regular"]).runs)
    text = Reader(page).text
    assert f"Executions ({ROWS_MAX} of {count} shown; Run.frame('executions') has all)" in text
    executions = page[page.index("<caption>Executions <") :]
    assert executions.index(f">o-{count - 1}<") < executions.index(">o-0<")


def test_no_runs_make_no_report() -> None:
    """Which is said."""
    with pytest.raises(UserError, match="there is no run, expected at least one"):
        report_html({})


# --- pieces
def test_two_figures_of_a_page_have_no_id_in_common() -> None:
    """Not even the same figure twice; each label and clip is that of its own figure."""
    figure = compared()["regular"].timeline()
    one, other = inline_svg(figure, "a-", "w"), inline_svg(figure, "b-", "w")
    ids = set(re.findall(r' id="([^"]*)"', one))
    assert ids and all(name.startswith("a-") for name in ids)
    assert set(re.findall(r'(?:href="#|url\(#)([^")]*)', one)) == ids
    assert one.replace('"a-', '"b-').replace("#a-", "#b-") == other


@pytest.mark.parametrize(("rows", "note"), [(3, "(3)"), (ROWS_MAX, f"({ROWS_MAX})"), (1_234, f"({ROWS_MAX} of 1,234")])
def test_a_table_says_how_many_rows_there_are(rows: int, note: str) -> None:
    """And shows no more than fit."""
    made = table_part("Things", ["a", "b"], [(number, "x") for number in range(rows)])
    assert note in made and made.count("<tr>") == 1 + min(rows, ROWS_MAX)


def test_only_columns_of_numbers_are_set_to_the_right() -> None:
    """Not those in which a word stands as well."""
    made = table_part("Things", ["a", "b", "c"], [("x", 0, 1), ("y", "an end", "1/2")])
    assert made.count('<td class="number">') == 2 and '<th scope="col" class="number">c</th>' in made


def test_attributes_are_escaped() -> None:
    """Nobody gets out of a label."""
    [(_, attributes)] = Reader(element("p", aria_label=f'">{EVIL}')).elements
    assert attributes == {"aria-label": f'">{EVIL}'}


def test_long_texts_are_cut() -> None:
    """They say how many lines are missing."""
    made = text_part("\n".join(["line"] * (LINES_MAX + 7)))
    assert made.count("line\n") == LINES_MAX and "... and 7 more lines" in made


def test_pairs_without_anything_are_left_out() -> None:
    """Neither name nor thing."""
    assert pairs({"a": "", "b": 1}) == "<dl><dt>b</dt><dd>1</dd></dl>"


def test_a_run_brings_its_own_command() -> None:
    """It stands beside the run's digest."""
    told: Run = replace(compared()["regular"], repeat="durable-sim run here.toml")
    text = Reader(report_html({"regular": told})).text
    assert "durable-sim run here.toml" in text
