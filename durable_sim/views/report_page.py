"""The page that a report is written on: its frame, its look, and the pieces that it is made of.

Takes plain text and pictures, makes HTML. Always holds: what is not `Html` already is escaped; a page needs nothing but
itself, and says so to the browser, which then refuses to load or run anything; every id is there once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Final, NamedTuple

from durable_sim.views.html import Html, html_of, joined
from durable_sim.views.looks import BLUE, GRID, INK, MUTED, RULE, WHITE, ZEBRA
from durable_sim.views.picture import Picture
from durable_sim.views.svg import inline_svg

ROWS_MAX: Final = 25
"""Longer tables are cut, and say so."""
SHORT: Final = 10
"""Tables of so many rows are printed on one page."""
LINES_MAX: Final = 80
"""Longer texts are cut, and say so."""
WORD_MAX: Final = 32
"""Longer words of a command are broken where they must."""
_NUMBER: Final = re.compile(r"[\d,./-]*")
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

_STYLE: Final = (
    f"""
:root {{ --ink: {INK}; --muted: {MUTED}; --rule: {RULE}; --grid: {GRID}; --zebra: {ZEBRA}; --page: {WHITE};
  --link: {BLUE}; }}
@media screen and (prefers-color-scheme: dark) {{
  :root {{ --ink: #E6EAEE; --muted: #A3ADB8; --rule: #4A535D; --grid: #2C333B; --zebra: #1C2128; --page: #14181D;
    --link: #7CC4F2; }}
  span[style] {{ box-shadow: 0 0 0 1px var(--rule); }}
}}
"""
    """
:root { color-scheme: light dark; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); line-height: 1.5;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
header, nav, main, footer { max-width: 72rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2rem; }
header .kind { margin: 0; color: var(--muted); font-size: .9rem; overflow-wrap: anywhere; }
h1 { margin: .1em 0 .3em; font-size: clamp(1.5rem, 4vw, 2.1rem); line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 2.2em 0 .6em; padding-top: .5em; border-top: 1px solid var(--rule); font-size: 1.35rem; line-height: 1.3; }
h3 { margin: 1.8em 0 .5em; font-size: 1.08rem; line-height: 1.35; overflow-wrap: anywhere; }
p { max-width: 48rem; margin: .6em 0; overflow-wrap: anywhere; }
.question { font-size: 1.15rem; }
.quiet, figcaption { color: var(--muted); font-size: .9rem; }
.warning { border-left: 4px solid #E69F00; padding-left: .7em; font-weight: 600; }
a { color: var(--link); }
nav ul { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; margin: 1rem 0 0; padding: 0; list-style: none; }
code, pre { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: .86rem; }
code { overflow-wrap: anywhere; }
.word { white-space: nowrap; }
pre { margin: .5em 0; padding: .7em .9em; background: var(--zebra); border-radius: 6px; line-height: 1.45;
  overflow-x: auto; }
dl { display: grid; grid-template-columns: minmax(8rem, max-content) minmax(0, 1fr); gap: .35rem 1.2rem;
  margin: .8em 0; }
dt { color: var(--muted); }
dd { margin: 0; overflow-wrap: anywhere; }
figure { margin: 1em 0; }
figcaption { max-width: 60rem; margin-top: .4em; white-space: pre-line; overflow-wrap: anywhere; }
.paper { overflow-x: auto; background: #FFFFFF; border: 1px solid var(--grid); border-radius: 8px; }
.paper svg { display: block; width: 100%; height: auto; margin: 0 auto; }
.paper svg * { stroke-linejoin: round; stroke-linecap: butt; }
.scroll { overflow-x: auto; margin: 1em 0; }
table { width: max-content; max-width: 80rem; border-collapse: collapse; font-size: .9rem; }
caption { padding: .2em 0 .5em; text-align: left; font-weight: 600; }
caption .quiet { font-size: inherit; font-weight: 400; }
th, td { padding: .25em .8em .25em 0; border-bottom: 1px solid var(--grid); text-align: left; vertical-align: top; }
th { font-weight: 600; }
thead th { border-bottom-color: var(--rule); color: var(--muted); white-space: nowrap; }
td { max-width: 26rem; overflow-wrap: break-word; }
td.number, th.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
summary { cursor: pointer; color: var(--link); }
footer { padding-top: 2rem; padding-bottom: 2rem; color: var(--muted); font-size: .9rem; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
span { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
@media (max-width: 40rem) {
  header, nav, main, footer { padding-left: .9rem; padding-right: .9rem; }
  dl { grid-template-columns: minmax(0, 1fr); gap: 0; }
  dd { margin-bottom: .6rem; }
}
@page { size: landscape; margin: 12mm; }
@media print {
  header, main, footer { max-width: none; padding: 0; }
  nav { display: none; }
  body { font-size: 10pt; }
  h2, h3, caption, summary { break-after: avoid; }
  h2 { margin-top: 1.4em; }
  p, figure, tr, dl, .short { break-inside: avoid; }
  p:has(+ figure) { break-after: avoid; }
  thead { display: table-header-group; }
  .scroll, .paper { overflow: visible; }
  .paper { border: none; }
  .paper svg { width: auto; max-width: 100% !important; min-width: 0 !important; max-height: 108mm; margin: 0; }
  section:first-child .paper svg { max-height: 86mm; }
  table { width: auto; max-width: 100%; font-size: 8pt; }
  th, td { padding-right: .8em; }
  td { max-width: none; overflow-wrap: anywhere; }
  thead th { white-space: normal; }
  pre { font-size: 8pt; white-space: pre-wrap; overflow-wrap: anywhere; border: 1px solid var(--grid); }
}
"""
)


class Section(NamedTuple):
    """A part of the report under a heading; `id` is what a link leads to."""

    id: str
    heading: str
    inside: Html


def page(title: str, kind: str, lead: Sequence[Html], sections: Sequence[Section], foot: str) -> str:
    """A whole page: title, what opens it, links to its sections, the sections."""
    links = (element("li", element("a", one.heading, href=f"#{one.id}")) for one in sections)
    parts = (
        element(
            "section",
            element("h2", one.heading, id=f"{one.id}-h"),
            one.inside,
            id=one.id,
            aria_labelledby=f"{one.id}-h",
        )
        for one in sections
    )
    head = joined(
        [
            Html('<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'),
            Html(f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">\n'),
            Html('<link rel="icon" href="data:,">\n'),
            element("title", title),
            Html(f"<style>{_STYLE}</style>"),
        ]
    )
    body = joined(
        [
            element("header", element("p", kind, class_="kind"), element("h1", title), *lead),
            element("nav", element("ul", *links), aria_label="Contents") if len(sections) > 1 else "",
            element("main", *parts),
            element("footer", foot),
        ],
        "\n",
    )
    return f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{body}\n</body>\n</html>\n'


def element(name: str, *inside: object, **attributes: str) -> Html:
    """An element with attributes: `class_` is class, `aria_label` is aria-label; those that are empty are left out.

    >>> element("p", "a < b", class_="quiet", id="")
    '<p class="quiet">a &lt; b</p>'
    """
    names = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items() if value}
    written = "".join(f' {key}="{escape(value)}"' for key, value in names.items())
    return Html(f"<{name}{written}>{joined(inside)}</{name}>")


def paragraph(*inside: object, class_: str = "") -> Html:
    """A paragraph."""
    return element("p", *inside, class_=class_)


def pairs(things: Mapping[str, object]) -> Html:
    """Names with what they stand for; without those that are empty."""
    shown = ((element("dt", name), element("dd", thing)) for name, thing in things.items() if thing != "")
    return element("dl", *(one for pair in shown for one in pair))


def picture_part(picture: Picture, id: str) -> Html:
    """A picture, its words below it."""
    words = f"{id}-words"
    drawn = inline_svg(picture, f"{id}-", words)
    points = 72 * picture.get_figwidth()
    drawn = drawn.replace("<svg ", f'<svg style="max-width:{points:g}pt;min-width:min({points:g}pt,52rem)" ', 1)
    paper = element("div", Html(drawn), class_="paper", tabindex="0", role="group", aria_label="figure")
    return element("figure", paper, element("figcaption", picture.alt, id=words))


def command_part(command: str) -> Html:
    """A command that is broken between its words, if there is a place."""
    words = (element("span", word, class_="word" if len(word) <= WORD_MAX else "") for word in command.split(" "))
    return element("code", joined(words, " "))


def text_part(text: str) -> Html:
    """Text whose columns stay aligned; of many lines the first."""
    lines = text.splitlines()
    more = [f"... and {len(lines) - LINES_MAX:,} more lines"] if len(lines) > LINES_MAX else []
    return element("pre", "\n".join([*lines[:LINES_MAX], *more]), tabindex="0")


def fold(summary: str, *inside: object) -> Html:
    """Something that can be closed; open, for else it would not be printed."""
    return Html(f"<details open>{element('summary', summary)}{joined(inside)}</details>")


def table_part(
    caption: str, headings: Sequence[str], rows: Sequence[Sequence[object]], *, whole: int | None = None, more: str = ""
) -> Html:
    """A table, whose first column names the rows; of many rows the first, and then how many there are in `whole`.

    `more` says where the others are. A column in which nothing but numbers stands is set to the right.
    """
    count = len(rows) if whole is None else whole
    shown = rows[:ROWS_MAX]
    numbers = [all(_is_number(row[place]) for row in shown) for place in range(len(headings))]
    note = f"{len(shown):,} of {count:,} shown{f'; {more}' if more else ''}" if count > len(shown) else f"{count:,}"
    body = (element("tr", *_cells(row, numbers)) for row in shown)
    return element(
        "div",
        element(
            "table",
            element("caption", caption, " ", element("span", f"({note})", class_="quiet")),
            element("thead", element("tr", *_headings(headings, numbers))),
            element("tbody", *body),
        ),
        class_="scroll short" if len(shown) <= SHORT else "scroll",
        role="region",
        aria_label=caption,
        tabindex="0",
    )


def _headings(names: Sequence[str], numbers: Sequence[bool]) -> Iterable[Html]:
    for name, number in zip(names, numbers, strict=True):
        yield element("th", name, scope="col", class_="number" if number else "")


def _cells(row: Sequence[object], numbers: Sequence[bool]) -> Iterable[Html]:
    for place, (value, number) in enumerate(zip(row, numbers, strict=True)):
        words = f"{value:,}" if isinstance(value, int) else "" if value is None else html_of(value)
        attributes = {"class_": "number" if number else "", "scope": "" if place else "row"}
        yield element("td" if place else "th", words, **attributes)


def _is_number(value: object) -> bool:
    """Whether something is a number, a text like 3/4, or nothing at all."""
    return value is None or _NUMBER.fullmatch(str(value)) is not None
