"""Do workflows progress, complete and not get stuck? Four metrics over a finished run, alerts, an operator's view:

attempts    step executions, as the engine learnt of them
series      the metrics as rolling series, from plain marks in time
rules       when to alert, as data; alerts as spans
baseline    what is normal, measured on an ordinary day
health      a run's metrics, judged
detection   how soon rules see an incident, and how often they cry wolf
operator    the executions that are open at an instant, stuck ones first
exports     OpenMetrics text, alert events for a pager
"""
