"""The page of the gallery of bugs, made of the gallery itself: what each is, and the code that is it."""

import ast
import inspect
from collections.abc import Iterator
from types import ModuleType

from durable_sim.library.gallery import (
    BUGS,
    columns,
    compensations,
    deploys,
    determinism,
    keys,
    retries,
    signals,
    workers,
)
from durable_sim.library.gallery.bug import Bug

THEMES = (keys, compensations, retries, columns, workers, determinism, deploys, signals)


def gallery() -> str:
    """All bugs, theme by theme, as Markdown."""
    shown = [line for theme in THEMES for line in _theme(theme)]
    missing = [name for name, bug in BUGS.items() if all(bug not in theme.BUGS for theme in THEMES)]
    assert not missing, f"no theme of the page has {missing}"
    return "\n".join(shown)


def _theme(theme: ModuleType) -> Iterator[str]:
    title, _, more = inspect.getdoc(theme).partition("\n\n")
    heading, _, rest = title.replace("\n", " ").partition(":")
    yield from ("", f"## {heading.rstrip('.')}", "")
    if rest:
        yield from (f"{rest.strip()[:1].upper()}{rest.strip()[1:]}", "")
    yield from (more, "")
    for bug in theme.BUGS:
        yield from _bug(theme, bug)


def _bug(theme: ModuleType, bug: Bug) -> Iterator[str]:
    variable = next(name for name, value in vars(theme).items() if value is bug)
    faults = ", ".join(f"`{name}`" for name in bug.faults)
    depth = "" if bug.depth == 1 else f", to depth {bug.depth}"
    yield from (f"### {bug.name}", "", bug.mistake, "", f"Better: {bug.remedy}", "")
    yield f"- Shows as `{bug.shows_as}`, in a sweep of {faults}{depth}."
    yield f"- Under {', '.join(f'`{model}`' for model in bug.models)}."
    if bug.source:
        yield f"- Seen in: {bug.source}"
    code = ("```python", *_code(theme, variable).splitlines(), "```")
    yield from ("", "<details><summary>The code</summary>", "", *code, "", "</details>", "")


def _code(theme: ModuleType, variable: str) -> str:
    """The statement that makes a bug, after those of its module that it rests on, in the order of the file."""
    source = inspect.getsource(theme)
    statements = ast.parse(source).body
    owner = {name: node for node in statements for name in _defined(node)}
    needed: dict[int, ast.stmt] = {}
    todo = [owner[variable]]
    while todo:
        node = todo.pop()
        if node.lineno not in needed:
            needed[node.lineno] = node
            todo += [owner[name.id] for name in ast.walk(node) if isinstance(name, ast.Name) and name.id in owner]
    lines = source.splitlines()
    return "\n\n\n".join("\n".join(lines[_first(node) - 1 : node.end_lineno]) for _, node in sorted(needed.items()))


def _defined(node: ast.stmt) -> list[str]:
    """The names that a statement of a module defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _first(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min(node.lineno, *(one.lineno for one in decorators)) if decorators else node.lineno
