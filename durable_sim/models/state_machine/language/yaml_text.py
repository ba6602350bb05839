"""YAML as a way to write JSON data: no dates, no tags, no keys but texts, no key twice.

PyYAML is imported at the first YAML text; only its safe loader is used, which makes plain data and nothing else.

Always holds: what comes out is JSON data; a text can not grow by aliases beyond a bound.
"""

from __future__ import annotations

from typing import Any

NODES_MAX = 200_000
"""How many values a text may stand for once its aliases are written out."""


class NotData(Exception):
    """A text that is not YAML, or says what JSON can not; one line with the line number."""


def load_yaml(text: str) -> Any:
    """The JSON data that `text` says. Raises NotData."""
    try:
        import yaml
    except ImportError:
        raise NotData("YAML needs the package PyYAML: pip install 'durable_sim[state_machine]'") from None
    try:
        root = yaml.compose(text, Loader=_loader(yaml))
        if root is None:
            raise NotData("line 1: it is empty, expected an object")
        _check(root, {}, ())
        loader = _loader(yaml)("")
        return loader.construct_document(root)
    except yaml.YAMLError as problem:
        raise NotData(_told(problem)) from None
    except RecursionError:
        raise NotData("line 1: it nests too deep to be read") from None
    except ValueError as problem:
        raise NotData(f"line 1: {problem}") from None


def _loader(yaml: Any) -> Any:
    """The safe loader, to which a date is a text."""

    resolvers = {
        first: [(tag, pattern) for tag, pattern in known if not tag.endswith(":timestamp")]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return type("Loader", (yaml.SafeLoader,), {"yaml_implicit_resolvers": resolvers})


def _check(node: Any, sizes: dict[int, int], above: tuple[int, ...]) -> int:
    """How many values a node stands for; refuses what is not JSON data."""
    if id(node) in above:
        raise NotData(f"{_line(node)}: a value contains itself")
    if id(node) not in sizes:
        sizes[id(node)] = 1 + sum(_check(inner, sizes, (*above, id(node))) for inner in _inside(node))
    if sizes[id(node)] > NODES_MAX:
        raise NotData(f"{_line(node)}: its aliases stand for more than {NODES_MAX} values")
    return sizes[id(node)]


def _inside(node: Any) -> list[Any]:
    kind = node.tag.rpartition(":")[2]
    if kind not in ("map", "seq", "str", "int", "float", "bool", "null", "merge"):
        raise NotData(f"{_line(node)}: {node.tag!r} is not JSON data")
    if kind == "float" and node.value.lower().endswith((".inf", ".nan")):
        raise NotData(f"{_line(node)}: {node.value} is not JSON; write a number")
    if kind == "map":
        return _fields(node)
    return list(node.value) if kind == "seq" else []


def _fields(node: Any) -> list[Any]:
    names: list[str] = []
    for key, _ in node.value:
        if not key.tag.endswith(":str") and not key.tag.endswith(":merge"):
            raise NotData(f"{_line(key)}: the key {key.value!r} is not a text; put it in quotes")
        if key.value in names:
            raise NotData(f"{_line(key)}: the key {key.value!r} is there twice in one object")
        names.append(key.value)
    return [value for _, value in node.value]


def _line(node: Any) -> str:
    return f"line {node.start_mark.line + 1}"


def _told(problem: Any) -> str:
    mark = getattr(problem, "problem_mark", None)
    said = " ".join(str(getattr(problem, "problem", None) or problem).split())
    where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "line 1"
    return f"{where}: {said}"
