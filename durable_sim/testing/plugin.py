"""The pytest plugin: found by its entry point, nothing has to be imported.

It runs tests that are decorated with `every_crash` and `any_faults`, offers the fixture `durable_simulation`, and tells
at the end what the tests that passed have shown. Works under xdist: what is told travels with the reports.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from durable_sim.errors import UserError
from durable_sim.simulation.live import Simulation
from durable_sim.testing.campaign import Campaign, Options
from durable_sim.testing.every import PLAN

SHOWN = "durable_sim"
"""The user property under which a report carries what a test has shown."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the command line."""
    group = parser.getgroup("durable_sim", "durable workflows under faults")
    group.addoption(
        "--durable-depth", type=int, default=None, metavar="N", help="how many faults in one run, for all sweeps"
    )
    group.addoption("--durable-seed", type=int, default=None, metavar="N", help="the seed of all simulations")
    group.addoption(
        "--durable-report",
        default=None,
        metavar="DIR",
        help="write a report, a timeline (SVG), the story and a test to paste of each failure into this folder",
    )
    group.addoption(
        "--durable-replay", default=None, metavar="TOKEN", help="make only the run that a token stands for (ds1-...)"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Make our Hypothesis profiles known before Hypothesis chooses one."""
    if str(config.getoption("--hypothesis-profile", default=None)).startswith("durable"):
        from durable_sim.testing.profiles import register  # Hypothesis only where it is wanted

        register()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each execution model."""
    plan = getattr(metafunc.function, PLAN, None)
    if plan is not None:
        metafunc.parametrize("durable_model", plan.models)


@pytest.fixture
def durable(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Campaign:
    """What carries out a decorated test."""
    get = request.config.getoption
    report = get("--durable-report")
    options = Options(
        get("--durable-depth"), get("--durable-seed"), None if report is None else Path(report), get("--durable-replay")
    )
    return Campaign(request.node.nodeid, options, partial(record_property, SHOWN))


@pytest.fixture
def durable_simulation(request: pytest.FixtureRequest) -> Callable[..., Simulation]:
    """Makes a simulated world that is driven step by step: `durable_simulation(workflow, services=..., faults=...)`.

    Arguments as for `durable_sim.Simulation`; the seed is that of the command line.
    """
    seed = request.config.getoption("--durable-seed")

    def make(workflows: Any, **options: Any) -> Simulation:
        options.setdefault("seed", seed or 0)
        return Simulation(workflows, **options)

    return make


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """A mistake in what a test asks for is one line, not a traceback."""
    try:
        return (yield)
    except UserError as error:
        if not hasattr(pyfuncitem.function, PLAN):
            raise
        raise pytest.fail.Exception(str(error), pytrace=False) from None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """The line of a failure in pytest's summary is its first: the whole story is told above."""
    report = yield
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None and hasattr(getattr(item, "function", None), PLAN):
        crash.message = crash.message.partition("\n")[0]
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A token that was of none of the tests has repeated nothing: that is no success."""
    if session.exitstatus == pytest.ExitCode.OK and _repeated_nothing(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _repeated_nothing(config: pytest.Config) -> bool:
    """Whether a token was given, and no test passed with it; of failures pytest tells itself."""
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    return config.getoption("--durable-replay") is not None and reporter is not None and not _shown(reporter)


def _shown(reporter: Any) -> list[str]:
    """What the tests that passed have shown."""
    return [
        "\n    ".join([report.nodeid, *(text for name, text in report.user_properties if name == SHOWN)])
        for report in reporter.stats.get("passed", ())
        if report.when == "call" and any(name == SHOWN for name, _ in report.user_properties)
    ]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """What the tests that passed have shown."""
    if _repeated_nothing(config) and not terminalreporter.stats.get("failed"):
        terminalreporter.section("durable_sim: nothing was repeated")
        terminalreporter.write_line(
            "the token of --durable-replay is of none of these tests (-rs tells why); search again"
        )
    shown = _shown(terminalreporter)
    if shown:
        terminalreporter.section("durable_sim: what was shown")
        for line in shown:
            terminalreporter.write_line(line)
