"""A real browser, JupyterLab and Voila for the tests of what a user sees: one of each in a session.

A machine without browser or servers skips these tests and says why; with DURABLE_SIM_BROWSER=required it fails. No
request leaves the machine: what is neither loopback nor a file is refused, and listed in `refused`.
"""

from __future__ import annotations

import importlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "10_explorer.ipynb"
TOKEN = secrets.token_hex(8)
PATIENCE_S = 90
"""For a server to answer, or a page to show something, on a busy machine."""
OURS = ("127.0.0.1", "localhost")


class Served(NamedTuple):
    """Where a notebook is shown."""

    url: str


def missing(what: str) -> Any:
    """Skip the test, or fail it where a browser is required."""
    if os.environ.get("DURABLE_SIM_BROWSER") == "required":
        pytest.fail(f"DURABLE_SIM_BROWSER=required, but {what}")
    pytest.skip(what)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's chromium, without a window. It holds an event loop, which must not be in the way of later tests."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        missing("there is no chromium on the PATH; install it, as with `apt-get install chromium`")
    try:
        api = importlib.import_module("playwright.sync_api")
    except ImportError:
        missing("playwright is not installed; install it with `pip install playwright`")
    with api.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def refused() -> list[str]:
    """The addresses that a page asked for and did not get."""
    return []


@pytest.fixture
def page(browser: Browser, refused: list[str]) -> Iterator[Page]:
    """A fresh page that reaches nothing but this machine."""

    def only_here(route: Route) -> None:
        address = urlsplit(route.request.url)
        if address.scheme in ("file", "data", "blob") or address.hostname in OURS:
            route.continue_()
        else:
            refused.append(route.request.url)
            route.abort()

    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    context.set_default_timeout(PATIENCE_S * 1000)
    context.route("**/*", only_here)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="session")
def voila(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The explorer notebook as a dashboard."""
    needs("voila")
    folder, port = tmp_path_factory.mktemp("voila"), free_port()
    command = ["voila", str(NOTEBOOK), f"--port={port}", "--no-browser", "--Voila.ip=127.0.0.1"]
    url = f"http://127.0.0.1:{port}/"
    server = start(command, folder, {})
    try:
        wait_for(server, f"{url}voila/static/", folder)
        yield Served(url)
    finally:
        stop(server)  # one SIGTERM: it takes its kernels with it


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """JupyterLab in a folder of its own, with a copy of the explorer notebook."""
    needs("jupyterlab")
    folder, port = tmp_path_factory.mktemp("lab"), free_port()
    shutil.copy(NOTEBOOK, folder)
    no_news = folder / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    no_news.parent.mkdir(parents=True)
    no_news.write_text('{"fetchNews": "false", "checkForUpdates": false}', encoding="utf-8")
    command = ["jupyterlab", "--no-browser", "--allow-root", f"--port={port}", "--ip=127.0.0.1"]
    command += [f"--IdentityProvider.token={TOKEN}", "--ServerApp.port_retries=0"]
    command += ["--LabApp.expose_app_in_browser=True", f"--ServerApp.root_dir={folder}"]
    own = {"JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces"}
    url = f"http://127.0.0.1:{port}"
    server = start(command, folder, own)
    try:
        wait_for(server, f"{url}/api?token={TOKEN}", folder)
        yield Served(f"{url}/lab/tree/{NOTEBOOK.name}?token={TOKEN}&reset")
    finally:
        ask(f"{url}/api/shutdown?token={TOKEN}", method="POST")  # a signal would leave its kernels behind
        stop(server)


def needs(module: str) -> None:
    """Skip or fail where a server is not installed."""
    if importlib.util.find_spec(module) is None:
        missing(f"{module} is not installed; install it with `pip install {module}`")


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def start(command: list[str], folder: Path, own: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a server that keeps all its files in a folder and knows nothing of the user's."""
    folders = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime"}
    folders |= {"IPYTHONDIR": "ipython", "MPLCONFIGDIR": "matplotlib", **own}
    places = {name: str(folder / place) for name, place in folders.items()}
    settings = {"PYTHONPATH": str(ROOT), "DURABLE_SIM_FAST": "1", "JUPYTER_PLATFORM_DIRS": "1"}
    with (folder / "log.txt").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=folder,
            env={**os.environ, **places, **settings},
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def wait_for(server: subprocess.Popen[bytes], url: str, folder: Path) -> None:
    """Wait until a server answers."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and server.poll() is None:
        if ask(url):
            return
        time.sleep(0.2)
    log = (folder / "log.txt").read_text(encoding="utf-8", errors="replace")
    pytest.fail(f"{url}: no server after {PATIENCE_S} s, or it has ended\n{log[-3000:]}")


def ask(url: str, method: str = "GET") -> bool:
    """Whether anybody answers, be it with an error."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def stop(server: subprocess.Popen[bytes]) -> None:
    """Let a server end, with its kernels."""
    if server.poll() is None:
        server.send_signal(signal.SIGTERM)
    try:
        server.wait(timeout=20)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
