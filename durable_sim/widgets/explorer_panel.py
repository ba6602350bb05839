"""The explorer: one execution, and everything that decides how it goes, as controls.

Always holds: the picture is that of the controls' values, and its alternative text names them all; while the panel
changes its own controls, nothing is run.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import ipywidgets as widgets

from durable_sim.errors import DurableSimError, UnknownNameError
from durable_sim.search.families import FAMILIES
from durable_sim.simulation.scenario import Scenario
from durable_sim.widgets.clickable import ClickablePicture
from durable_sim.widgets.experiment import AS_WRITTEN, RATES, Experiment, Setting
from durable_sim.widgets.panel import Panel, along, dropdown, on_change, preformatted, rows, share, slider, switch
from durable_sim.widgets.subject import Subject, Values, subject_of
from durable_sim.widgets.tuning import HEED_RETRIES, HEED_TIMEOUTS, Tuning

SEEDS: Final = 50
OPTIONAL: Final = ("client_timeout", "attempts", "first_delay", "timeout")
"""What can be as written."""
ATTEMPTS: Final = (*((str(number), number) for number in (AS_WRITTEN, 1, 2, 3, 4, 6, 10)), ("no limit", 0))
"""All in pairs: a menu takes label and value apart only if each of its options is a pair."""
SPANS: Final = (AS_WRITTEN, "100ms", "300ms", "1s", "3s", "10s", "30s", "2m")


class Explorer(Panel):
    """A panel of controls over a timeline.

    `controls` are the widgets by name: model, seed, family, where, calls, rate, client_timeout, attempts, first_delay,
    timeout, and the subject's parameters. Setting the `value` of one runs and draws; `experiment` is what was run last,
    `picture` what is shown, `error` what is wrong with the setting, if anything is.
    """

    def __init__(self, subject: Subject, setting: Setting) -> None:
        self.subject = subject
        self.experiment = Experiment(subject, setting)
        self.picture = ClickablePicture()
        self.error: str | None = None
        self.controls = dict(_controls(subject, self.experiment))
        self.place = widgets.HTML()
        self.story = widgets.HTML()
        self.told = widgets.HTML()
        self._busy = False
        self._draw()
        on_change(self.controls, self._changed)
        self.picture.observe(lambda _: self._tell(), names="chosen")
        super().__init__(self._laid_out())

    @property
    def setting(self) -> Setting:
        """What the controls say."""
        values = {name: control.value for name, control in self.controls.items()}
        optional = {name: None if values[name] == AS_WRITTEN else values[name] for name in OPTIONAL}
        client_timeout = optional.pop("client_timeout")
        parameters = {name: values[name] for name in self.subject.choices}
        whole = {name: values[name] for name in ("model", "seed", "family", "where", "calls", "rate")}
        return Setting(**whole, client_timeout=client_timeout, tuning=Tuning(**optional), parameters=parameters)

    def _changed(self) -> None:
        if not self._busy:
            self.experiment = Experiment(self.subject, self.setting)
            self._draw()

    def _draw(self) -> None:
        try:
            run, self.error = self.experiment.run, None
        except DurableSimError as error:
            self.error = str(error)
            self.picture.blank(f"No run: {self.error} Set: {self.experiment.setting.words()}")
            self.story.value = self.told.value = preformatted(self.error)
            return
        self._fit_controls()
        self.picture.show_run(run, self.experiment.words)
        self.story.value = preformatted(run.story())
        self._tell()

    def _fit_controls(self) -> None:
        """Offer the places of this run, and only what has a meaning."""
        where, experiment = self.controls["where"], self.experiment
        with self._quietly():
            if list(where.options) != experiment.wheres:
                where.options = experiment.wheres
            where.value = experiment.where
        self.place.value = html.escape(experiment.where)
        model = experiment.setting.model
        self.controls["rate"].disabled = experiment.setting.mixture is None
        self.controls["timeout"].disabled = model not in HEED_TIMEOUTS
        for name in ("attempts", "first_delay"):
            self.controls[name].disabled = model not in HEED_RETRIES

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    def _tell(self) -> None:
        hint = "Click a bar or a diamond to see what was recorded of it."
        self.told.value = preformatted(self.picture.told or hint)

    def _laid_out(self) -> Any:
        own = [self.controls[name] for name in self.subject.choices]
        names = (
            ("model", "seed"),
            ("family", "where"),
            ("calls", "rate", "client_timeout"),
            ("attempts", "first_delay", "timeout"),
        )
        lines = rows(*([self.controls[name] for name in line] for line in names), own)
        lines[1].children += (self.place,)
        story = widgets.Accordion([self.story], titles=("The story",))
        return widgets.VBox([*lines, self.picture, self.told, story])


def explorer(
    what: Scenario | str | Path | Callable[..., Any],
    input: Any = None,
    *,
    parameters: Values | None = None,
    model: str | None = None,
    seed: int | None = None,
    **settings: Any,
) -> Explorer:
    """A panel that runs one execution again whenever a control is moved, and draws its timeline.

    Args:
        what: a scenario; the path of a scenario file; the name of a library workload ("orders.saga"); a workflow
            function, for which `input` and `settings` are as for `durable_sim.run`; or a plain function that takes the
            `parameters` by keyword, and gives a workflow function or a scenario.
        parameters: the values to choose from, by parameter.
        model: the execution model at first; by default `replay`, or the first that can run it.
        seed: the seed at first; by default that of the scenario file, or 0.

    Raises:
        UserError: what was given cannot be explored.
        UnknownNameError: there is no such model, or it cannot run the workflow.
    """
    subject = subject_of(what, input, parameters=parameters or {}, **settings)
    models = subject.models()
    if model is not None and model not in models:
        raise UnknownNameError("execution model for this scenario", model, models)
    model = model or ("replay" if "replay" in models else models[0])
    setting = Setting(model, subject.seed if seed is None else seed, parameters=dict(subject.chosen))
    experiment = Experiment(subject, setting)
    return Explorer(subject, replace(setting, where=experiment.where))


def _controls(subject: Subject, experiment: Experiment) -> Mapping[str, Any]:
    setting, tuning = experiment.setting, experiment.setting.tuning
    controls = {
        "model": dropdown("model", subject.models(), setting.model),
        "seed": slider("seed", 0, max(SEEDS, setting.seed), setting.seed),
        "family": dropdown("fault", tuple(FAMILIES), setting.family),
        "where": along("strikes", experiment.wheres, experiment.where),
        "calls": dropdown("calls go wrong", RATES, setting.calls),
        "rate": share("how many", 0.6, setting.rate),
        "client_timeout": dropdown("callers wait", SPANS, _or_written(setting.client_timeout)),
        "attempts": dropdown("attempts at most", ATTEMPTS, _or_written(tuning.attempts)),
        "first_delay": dropdown("first retry after", SPANS, _or_written(tuning.first_delay)),
        "timeout": dropdown("attempt limit", SPANS, _or_written(tuning.timeout)),
    }
    return controls | {name: _choice(name, values, subject.chosen[name]) for name, values in subject.choices.items()}


def _or_written(value: Any) -> Any:
    return AS_WRITTEN if value is None else value


def _choice(name: str, values: Any, value: Any) -> Any:
    """A control for a parameter of the subject's own."""
    label = name.replace("_", " ")
    if all(isinstance(one, bool) for one in values):
        return switch(label, value)
    return dropdown(label, [(str(one), one) for one in values], value)
