"""The documentation site says what is true: its commands print what it shows, and it leaves nothing public out."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import durable_sim as ds
from durable_sim.cli.main import main
from durable_sim.library.gallery import BUGS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "notebooks" / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
RUN_BY_THE_BUILD = {
    "{testcode}",
    "{testoutput}",
    "{doctest}",
    "{literalinclude}",
    "{toctree}",
    "{eval-rst}",
    "{code-cell}",
}
RUN_HERE = {"console"}
NOT_CODE = {"sh", "text"}


def _shown() -> list[tuple[str, str, list[str]]]:
    """Page, command and the lines shown below it, for each command of a console block."""
    found: list[tuple[str, str, list[str]]] = []
    for page in PAGES:
        for block in re.findall(r"^```console\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, *lines = part.splitlines()
                found.append((page.name, command, [line.strip() for line in lines if line.strip()]))
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the examples of the site, and the scenarios beside them."""
    shutil.copytree(DOCS / "examples", tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "scenarios", tmp_path / "scenarios")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return tmp_path


def _printed(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What a command prints: our own in this process, pytest in another."""
    program, *arguments = shlex.split(command)
    if program == "durable-sim":
        main(arguments)
        return capsys.readouterr().out
    assert program == "pytest", f"the site shows a command that this test does not know: {program}"
    options = ["-p", "no:cacheprovider", "-p", "no:xdist"]
    run = [sys.executable, "-m", "pytest", *options, *arguments]
    return subprocess.run(run, capture_output=True, text=True, timeout=120).stdout


@pytest.mark.parametrize(("page", "command", "lines"), _shown())
def test_command_prints_what_is_shown(
    page: str, command: str, lines: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each line below a command is in what it prints, in this order."""
    assert lines, f"{page}: nothing is shown below {command}"
    printed = _printed(command, capsys)
    place = 0
    for line in lines:
        place = printed.find(line, place)
        assert place >= 0, f"{page}: {command} does not print {line!r} there; it prints:\n{printed}"


def test_no_code_goes_unchecked() -> None:
    """Every block of code is run by the build of the site, by these tests, or stands in a file that is."""
    fences = {
        (page.name, kind)
        for page in PAGES
        for kind in re.findall(r"^```(\S+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert len(fences) > 20
    assert sorted(one for one in fences if one[1] not in RUN_BY_THE_BUILD | RUN_HERE | NOT_CODE) == []


def test_all_that_is_public_is_in_the_reference() -> None:
    """Each name that `import durable_sim` offers is documented, once."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in sorted((DOCS / "reference").glob("*.md")))
    documented = re.findall(r"^\.\. auto\w+:: durable_sim\.(\w+)$", text, re.MULTILINE)
    elsewhere = {"CancelledError"}  # asyncio's own
    assert sorted(set(ds.__all__) - set(documented)) == sorted(elsewhere)
    assert "`CancelledError` is that of `asyncio`" in text
    assert sorted(name for name in ds.__all__ if documented.count(name) > 1) == []


def test_every_bug_is_on_the_page_with_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page made of the gallery has each bug once, with code that is whole and names it."""
    monkeypatch.syspath_prepend(str(DOCS))
    from bug_gallery import gallery

    parts = re.split(r"^### ", gallery(), flags=re.MULTILINE)[1:]
    assert sorted(part.split()[0] for part in parts) == sorted(BUGS)
    for part in parts:
        (code,) = re.findall(r"^```python\n(.*?)^```", part, re.DOTALL | re.MULTILINE)
        last = ast.parse(code).body[-1]
        assert part.split()[0] in [one.value for one in ast.walk(last) if isinstance(one, ast.Constant)]


def test_site_is_built_without_a_warning_and_asks_for_nothing_from_elsewhere(tmp_path: Path) -> None:
    """Sphinx has nothing to say against any page, and no page loads a script, a style or a picture from a server."""
    for package in ("sphinx", "myst_nb", "furo"):
        pytest.importorskip(package)
    options = ["-q", "-W", "--keep-going", "-D", "nb_execution_mode=off", "-c", str(DOCS), "-b", "html"]
    build = [sys.executable, "-m", "sphinx", *options, str(ROOT / "notebooks"), str(tmp_path)]
    done = subprocess.run(build, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    pages = sorted(tmp_path.rglob("*.html"))
    assert len(pages) > 30
    loaded = re.compile(r"<(?:script|img|iframe|source|link)\b[^>]*\b(?:src|href)=\"(?:https?:)?//")
    assert [str(page) for page in pages if loaded.search(page.read_text(encoding="utf-8"))] == []
