"""For users' own tests: Hypothesis strategies (strategies.py). Needs the extra `testing`."""
