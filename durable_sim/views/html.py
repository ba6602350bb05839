"""Runs, comparisons and sweeps as HTML, for notebooks and reports.

Takes plain data, makes pieces of HTML. Always holds: what is not `Html` already is escaped; nothing is loaded from
anywhere and no script runs; text has the colour of the page, so that light and dark themes can both be read, and only
verdicts have colours of their own, always with their letter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from types import MappingProxyType
from typing import Any, Final

from durable_sim.checks.violations import VERDICTS, Violation
from durable_sim.durations import seconds
from durable_sim.preformatted import MONOSPACED
from durable_sim.views.looks import GREEN, ORANGE, VERDICT_LOOKS, WHITE, Look

LINE: Final = "1px solid rgba(128,128,128,.35)"
_BOX: Final = f"border:{LINE};border-radius:6px;padding:.6em .9em;margin:.3em 0;line-height:1.5;overflow-x:auto"
_CELL: Final = f"padding:.15em .7em;border-bottom:{LINE};background:none"
_PRE: Final = (
    f"{MONOSPACED};margin:.4em 0;font-size:.92em;line-height:1.45;white-space:pre-wrap;color:inherit;background:none"
)
_QUIET: Final = "opacity:.75"
_RIGHT: Final = Look(GREEN, WHITE, "✓")
_WRONG: Final = Look(ORANGE, WHITE, "✗")
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
ROWS_MAX: Final = 200
"""Longer tables are cut, and say so."""


class Html(str):
    """A piece of HTML, as it is."""

    __slots__ = ()


# --- pieces
def html_of(thing: object) -> Html:
    """HTML as it is, anything else as its text.

    >>> html_of("a < b"), html_of(Html("<b>a</b>"))
    ('a &lt; b', '<b>a</b>')
    """
    return thing if isinstance(thing, Html) else Html(escape(str(thing)))


def joined(things: Iterable[object], between: str = "") -> Html:
    """Pieces one after the other."""
    return Html(between.join(map(html_of, things)))


def tag(name: str, *inside: object, style: str = "") -> Html:
    """An element around pieces.

    >>> tag("b", "a < b")
    '<b>a &lt; b</b>'
    """
    styled = f' style="{escape(style)}"' if style else ""
    return Html(f"<{name}{styled}>{joined(inside)}</{name}>")


def badge(verdict: str, count: int | None = None) -> Html:
    """A verdict in its colour: letter, words, and how often where that is given."""
    look = VERDICT_LOOKS.get(verdict, _RIGHT if verdict == "safe" else _WRONG)
    words = f"{look.letter} {verdict.replace('_', ' ')}" + ("" if count is None else f": {count:,}")
    return _pill(look, words)


def mark(ok: bool) -> Html:
    """Right or wrong, in a letter."""
    look = _RIGHT if ok else _WRONG
    return _pill(look, look.letter)


def tally(counts: Mapping[str, int]) -> Html:
    """Counts of verdicts, a badge each."""
    return joined((badge(verdict, count) for verdict, count in counts.items()), " ") if counts else html_of("none")


def facts(pairs: Mapping[str, object]) -> Html:
    """Names and values in one line; without those that are empty."""
    shown = (joined([tag("span", name, style=_QUIET), " ", value]) for name, value in pairs.items() if value != "")
    return tag("div", joined(shown, " · "))


def text_block(text: str) -> Html:
    """Text whose columns stay aligned."""
    return tag("pre", text, style=_PRE)


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> Html:
    """A table, whose first column is to the left and numbers to the right; of many rows the first."""
    head = tag("tr", *(tag("th", name, style=f"{_CELL};text-align:left") for name in headings))
    body = [tag("tr", *map(_cell, row)) for row in rows[:ROWS_MAX]]
    more = f"and {len(rows) - ROWS_MAX:,} more" if len(rows) > ROWS_MAX else ""
    whole = tag("table", tag("thead", head), tag("tbody", *body), style="border-collapse:collapse;font-size:.95em")
    return joined([whole, tag("div", more, style=_QUIET)]) if more else whole


def fold(summary: object, *inside: object, open: bool = False) -> Html:
    """Something that opens with a click on its summary."""
    state = " open" if open else ""
    return Html(
        f'<details{state} style="margin:.3em 0"><summary style="cursor:pointer">{html_of(summary)}</summary>'
        f"{joined(inside)}</details>"
    )


def card(title: str, ok: bool | None, *parts: object, subtitle: str = "") -> Html:
    """A box with a heading, which begins with right or wrong unless that is open, and parts below it."""
    sign = joined([mark(ok), " "]) if ok is not None else Html("")
    heading = tag("div", sign, tag("strong", title), style="font-size:1.1em")
    below = [tag("div", subtitle, style=_QUIET)] if subtitle else []
    return tag("div", heading, *below, *(part for part in parts if part != ""), style=_BOX)


# --- cards
def run_card(
    title: str,
    verdicts: Mapping[str, int],
    violations: Sequence[Violation],
    story: str,
    *,
    told: Mapping[str, object] = _NOTHING,
    warning: str = "",
    executions: Sequence[Sequence[object]] = (),
    repeat: str = "",
) -> Html:
    """One run: its verdicts, what is `told` of it, violations, the story of its worst execution.

    `executions` are rows (execution, verdict, status, seconds or None) for a table to open.
    """
    rows = [(name, badge(str(verdict)), *rest) for name, verdict, *rest in executions]
    return card(
        title,
        not violations and not warning,
        tag("div", tally(verdicts), style="margin:.35em 0"),
        facts(told),
        tag("div", warning, style="font-weight:bold") if warning else "",
        violations_part(violations),
        fold("the story of the worst execution" if violations else "a story", text_block(story), open=bool(violations)),
        fold(_counted(len(rows), "execution"), table(("execution", "verdict", "status", "seconds"), rows))
        if rows
        else "",
        _repeat(repeat),
    )


def comparison_card(
    title: str,
    verdicts: Mapping[str, Mapping[str, int]],
    *,
    told: Mapping[str, Sequence[object]] = _NOTHING,
    headings: Sequence[str] = (),
    ok: bool,
    heading: str = "the shortest story of the worst verdict",
    story: str = "",
    warning: str = "",
    repeat: str = "",
) -> Html:
    """Several runs of one scenario: a row a model with its verdicts; `told` adds cells to it, under `headings`.

    `ok` says whether nothing is wrong with any of them, with the runs as a whole either; else `story` tells what is.
    """
    met = [verdict for verdict in VERDICTS if any(counts.get(verdict) for counts in verdicts.values())]
    rows = [
        (
            model,
            *(_share(verdict, counts.get(verdict, 0)) for verdict in met),
            *told.get(model, ()),
        )
        for model, counts in verdicts.items()
    ]
    names = ("model", *(verdict.replace("_", " ") for verdict in met), *headings)
    return card(
        title,
        ok and not warning,
        table(names, rows),
        tag("div", warning, style="font-weight:bold") if warning else "",
        fold(heading, text_block(story)) if story else "",
        _repeat(repeat),
    )


def sweep_card(
    guarantee: str,
    ok: bool,
    verdicts: Mapping[str, int],
    found: Sequence[tuple[str, str]],
    *,
    bounds: str = "",
    coverage: str = "",
    repeat: str = "",
) -> Html:
    """A sweep: what it shows; `found` are the smallest sets of faults in words, each with what goes wrong."""
    sets = table(("faults", "what goes wrong"), found)
    return card(
        guarantee,
        ok,
        tag("div", tally(verdicts), style="margin:.35em 0"),
        fold(f"the smallest sets of faults: {len(found):,}", sets, open=len(found) <= 10) if found else "",
        fold("what was covered", text_block(coverage)) if coverage else "",
        _repeat(repeat),
        subtitle=bounds,
    )


def deploys_card(
    guarantee: str,
    ok: bool,
    fates: Mapping[str, int],
    histories: Mapping[str, int],
    unsafe: Sequence[tuple[str, str]],
    *,
    bounds: str = "",
    repeat: str = "",
) -> Html:
    """A deploy sweep: what it shows; how many histories are safe when, and each deploy that went wrong, and how."""
    when = table(("a deploy is", "histories"), list(histories.items()))
    wrong = table(("deploy", "what goes wrong"), unsafe)
    return card(
        guarantee,
        ok,
        tag("div", tally(fates), style="margin:.35em 0"),
        fold("when it is safe", when, open=True) if histories else "",
        fold(f"deploys that go wrong: {len(unsafe):,}", wrong) if unsafe else "",
        _repeat(repeat),
        subtitle=bounds,
    )


def violations_part(violations: Sequence[Violation]) -> Html:
    """Violations as a table that is open if it is short; the words "no violations" where there are none."""
    if not violations:
        return tag("div", "no violations", style=_QUIET)
    rows = [
        (
            badge(one.kind),
            "the whole run" if one.execution is None else one.execution,
            one.subject,
            one.found,
            one.expected,
            "at the end" if one.time_us is None else seconds(one.time_us),
        )
        for one in violations
    ]
    whole = table(("violation", "execution", "subject", "found", "expected", "when"), rows)
    return fold(_counted(len(violations), "violation"), whole, open=len(violations) <= 10)


def _share(verdict: str, count: int) -> object:
    """A count in a column that says of what."""
    look = VERDICT_LOOKS.get(verdict, _WRONG)
    return _pill(look, f"{look.letter} {count:,}") if count else ""


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def _pill(look: Look, words: str) -> Html:
    style = f"background:{look.fill};color:{look.text};border-radius:4px;padding:.05em .45em;white-space:nowrap"
    return tag("span", words, style=style)


def _cell(value: object) -> Html:
    number = isinstance(value, int | float)
    words = f"{value:,}" if number else "" if value is None else value
    return tag("td", words, style=f"{_CELL};text-align:{'right' if number else 'left'};vertical-align:top")


def _repeat(repeat: str) -> Html | str:
    return tag("div", tag("span", "repeat: ", style=_QUIET), tag("code", repeat)) if repeat else ""
