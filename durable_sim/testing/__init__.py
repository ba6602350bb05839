"""For users' own tests: Hypothesis strategies (strategies.py), a base for state machines (stateful.py), profiles
(profiles.py), tests as decorators (every.py) and the pytest plugin (plugin.py). Needs the extra `testing`."""
