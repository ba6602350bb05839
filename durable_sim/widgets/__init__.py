"""Panels for notebooks and dashboards. Need the extra `notebook`.

`explorer` runs one execution again whenever a control is moved; `matrix` opens the run behind each of its tiles;
`stepper` goes through a replay event by event; `player` plays a run while it is watched. A panel has its controls as
attributes: what is done in a page can be done in code, by setting their `value`.
"""

from durable_sim.widgets.explorer_panel import explorer
from durable_sim.widgets.matrix_panel import matrix
from durable_sim.widgets.player_panel import player
from durable_sim.widgets.stepper_panel import stepper

__all__ = ["explorer", "matrix", "player", "stepper"]
