"""The front and the shape of the package: small, light, and without imports that go up or round."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import durable_sim

ROOT = Path(durable_sim.__file__).parent
LAYERS = (
    ("version", "errors", "durations", "fields", "preformatted", "randomness", "intervals", "trace"),
    ("workflows",),
    ("world",),
    ("models",),
    ("library",),
    ("simulation",),
    ("checks",),
    ("studies",),
    ("health",),
    ("files",),
    ("views",),
    ("results",),
    ("api",),
    ("search",),
    ("library.gallery",),
    ("widgets",),
    ("testing",),
    ("cli",),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
SOURCES = sorted(ROOT.rglob("*.py"))
HEAVY = (
    "pandas",
    "matplotlib",
    "ipywidgets",
    "anywidget",
    "pytest",
    "hypothesis",
    "pydantic",
    "IPython",
    "numpy",
    "tqdm",
)


def module_of(path: Path) -> str:
    """The dotted name of a source file."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = frozenset(map(module_of, SOURCES))


def imports(tree: ast.AST) -> Iterator[tuple[ast.stmt, str]]:
    """The package's own modules that some code imports, wherever it does."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield node, inner if inner in MODULES else str(node.module)
        elif isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)


def own_imports(path: Path) -> list[tuple[ast.stmt, str]]:
    """The imports of a source file that stay within the package."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [(node, name) for node, name in imports(tree) if name.split(".")[0] == "durable_sim"]


def at_module_level(path: Path) -> set[str]:
    """What a file imports when it is imported itself."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {name for node in tree.body for _, name in imports(ast.Module([node], [])) if not isinstance(node, ast.If)}


def folder(module: str) -> str:
    """The first part of a module's name after the package's; of two where that is a layer of its own."""
    first, *rest = module.split(".")[1:]
    inner = f"{first}.{rest[0]}" if rest else first
    return inner if inner in RANK else first


def test_all_is_sorted_and_fits_on_a_screen() -> None:
    """At most seventy-three names, in the order in which ruff sorts them: constants, classes, functions."""
    kinds = [(not name.isupper(), not name[0].isupper(), name) for name in durable_sim.__all__]
    assert kinds == sorted(kinds)
    assert len(set(durable_sim.__all__)) == len(durable_sim.__all__) <= 73


@pytest.mark.parametrize("name", durable_sim.__all__)
def test_every_name_of_the_front_is_there(name: str) -> None:
    """And says what it is, where it can have a docstring of its own."""
    value = getattr(durable_sim, name)
    assert value is not None
    if callable(value):
        assert value.__doc__


def test_importing_the_package_imports_nothing_heavy() -> None:
    """Tables, figures, widgets, property tests and file checking are loaded where they are used."""
    code = f"import sys, durable_sim; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT.parent, check=True)
    assert done.stdout.strip() == "[]"


def test_the_package_docstring_names_the_layers_in_their_order() -> None:
    """What a reader is told is what is checked below."""
    words = [word.strip("/,") for word in (durable_sim.__doc__ or "").split()]
    start = words.index("errors")
    order = [words.index(name.replace(".", "/"), start) for names in LAYERS for name in names if name != "version"]
    assert order == sorted(order)


def test_every_part_of_the_package_has_a_layer() -> None:
    """A new folder or file at the top must be given its place."""
    parts = {folder(name) for name in MODULES if name != "durable_sim"}
    assert parts - {"__main__"} == set(RANK)


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_imports_only_go_down(path: Path) -> None:
    """A file imports from its own folder or from earlier ones, also inside functions; nothing imports the front."""
    name = module_of(path)
    if name in ("durable_sim", "durable_sim.__main__"):
        return
    rank = RANK[folder(name)]
    for node, imported in own_imports(path):
        assert imported != "durable_sim", f"{name}, line {node.lineno} imports the package's own front"
        assert RANK[folder(imported)] <= rank, f"{name}, line {node.lineno} imports {imported}, which is above it"


def test_no_imports_go_round() -> None:
    """Modules can be put in an order in which each only imports those before it."""
    graph = {module_of(path): at_module_level(path) & MODULES - {module_of(path)} for path in SOURCES}
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError with the cycle
    assert set(order) == MODULES
    assert order.index("durable_sim.errors") < order.index("durable_sim.api") < order.index("durable_sim.cli")
